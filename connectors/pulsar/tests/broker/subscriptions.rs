//! Subscriptions: what is durable is acknowledged, exactly that, and nothing else comes to rest.

use std::time::{Duration, Instant};

use millstream_engine::error::codes;
use millstream_engine::source::Found;
use millstream_pulsar::{Mode, Source, Start};

use crate::feed::Feed;
use crate::plain::{LONG, Plain};
use crate::read::{Reading, number};
use crate::write::numbered;

const NOTHING: [u64; 0] = [];

const SUBSCRIPTIONS: [Mode; 4] = [Mode::Exclusive, Mode::Failover, Mode::Shared, Mode::KeyShared];

fn source(plain: &Plain, topic: &str, mode: Mode) -> Source {
    Source::new(&plain.address, topic).with_mode(mode).with_subscription("s")
}

#[test]
fn only_what_was_not_acknowledged_comes_again() {
    let Some(plain) = Plain::of_environment() else { return };
    for mode in SUBSCRIPTIONS {
        let topic = plain.create("acks", 0);
        let mut feed = Feed::open(&plain.address, &topic);
        for first in (0..300).step_by(100) {
            feed.batch(numbered(first..first + 100));
        }
        let source = source(&plain, &topic, mode);
        let (mut n_confirmed, mut ends_within) = (0, false);
        for n_batches in [1, 2, 0, 1] {
            let mut reading = Reading::open_small(&source, 60);
            let batches: Vec<_> = (0..=n_batches).map(|_| reading.batch()).collect();
            let first = batches[0].first().map(number);
            assert_eq!(first, Some(n_confirmed), "{mode:?}");
            reading.confirm(n_batches as u64);
            n_confirmed += batches[..n_batches].iter().map(Vec::len).sum::<usize>() as u64;
            ends_within |= !n_confirmed.is_multiple_of(100);
            reading.close();
        }
        assert!(ends_within, "a part of an entry was acknowledged");
        let mut rest = Reading::open(&source);
        let expected: Vec<_> = (n_confirmed..300).collect();
        assert_eq!(rest.take(expected.len()), expected, "{mode:?}");
        assert_eq!(rest.rest(), NOTHING, "{mode:?}");
        rest.close();
    }
}

#[test]
fn without_acks_of_parts_batches_come_again_whole() {
    let Some(plain) = Plain::of_environment() else { return };
    for mode in SUBSCRIPTIONS {
        let topic = plain.create("whole", 0);
        let mut feed = Feed::open(&plain.address, &topic);
        for first in (0..300).step_by(100) {
            feed.batch(numbered(first..first + 100));
        }
        let source = source(&plain, &topic, mode).with_batch_index_acks(false);
        let mut reading = Reading::open_small(&source, 60);
        let mut n_read = 0;
        while n_read <= 100 {
            n_read += reading.batch().len();
        }
        assert!(n_read < 200, "a part of the second batch is read");
        reading.confirm(u64::MAX);
        reading.close();
        let mut rest = Reading::open(&source);
        assert_eq!(rest.take(200), (100..300).collect::<Vec<_>>(), "{mode:?}");
        assert_eq!(rest.rest(), NOTHING, "{mode:?}");
        rest.close();
    }
}

#[test]
fn program_that_dies_loses_nothing() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("dies", 0);
    Feed::open(&plain.address, &topic).batch(numbered(0..100));
    let source = source(&plain, &topic, Mode::Shared);
    let mut reading = Reading::open_small(&source, 30);
    let n_confirmed = reading.batch().len() as u64;
    reading.batch();
    reading.confirm(1);
    // It lets go of everything without a word; what was told may or may not have got through.
    drop(reading);
    let rest = Reading::open(&source).rest();
    let all = [0, n_confirmed].map(|first| (first..100).collect::<Vec<_>>());
    assert!(all.contains(&rest), "{rest:?}");
}

#[test]
fn closing_never_unsubscribes() {
    let Some(plain) = Plain::of_environment() else { return };
    for mode in SUBSCRIPTIONS {
        let topic = plain.create("stays", 0);
        let source = source(&plain, &topic, mode).with_start(Start::Latest);
        Reading::open(&source).close();
        let (_, said) = plain.admin("GET", &format!("persistent/{topic}/subscriptions"), "");
        assert!(said.contains("[\"s\"]"), "{said}");
        Feed::open(&plain.address, &topic).batch(numbered(0..10));
        let mut reading = Reading::open(&source);
        assert_eq!(reading.take(10), (0..10).collect::<Vec<_>>(), "what came meanwhile is read");
        reading.close();
    }
}

#[test]
fn exclusive_subscription_that_is_taken_is_told() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("taken", 0);
    let source = source(&plain, &topic, Mode::Exclusive);
    let first = Reading::open(&source);
    Feed::open(&plain.address, &topic).batch(numbered(0..10));
    let refused = Reading::try_open(&source, &[], 10).err().expect("it is taken");
    assert_eq!(refused.code(), codes::BAD_CONFIG, "{}", refused.report());
    first.close();
    let mut second = Reading::open(&source);
    assert_eq!(second.take(10).len(), 10);
    second.close();
}

#[test]
fn shared_subscription_is_shared_out() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("shared", 0);
    let source = source(&plain, &topic, Mode::Shared).with_receiver_queue(10);
    let (mut one, mut other) = (Reading::open(&source), Reading::open(&source));
    let mut feed = Feed::open(&plain.address, &topic);
    for record in numbered(0..200) {
        feed.single(&record);
    }
    let (mut seen, mut of_other) = (Vec::new(), Vec::new());
    let (wait, start) = (Duration::from_millis(10), Instant::now());
    while seen.len() + of_other.len() < 200 {
        for (reading, of_it) in [(&mut one, &mut seen), (&mut other, &mut of_other)] {
            let (_, records) = reading.read(wait).expect("reading goes on");
            of_it.extend(records.iter().map(number));
        }
        assert!(start.elapsed() < LONG, "{} and {} came", seen.len(), of_other.len());
    }
    assert!(!seen.is_empty() && !of_other.is_empty());
    seen.extend(of_other);
    seen.sort_unstable();
    assert_eq!(seen, (0..200).collect::<Vec<_>>());
    one.close();
    other.close();
}

#[test]
fn new_partitions_are_read_from_their_start() {
    let Some(plain) = Plain::of_environment() else { return };
    for mode in [Mode::Reader, Mode::Exclusive, Mode::Shared] {
        let topic = plain.create("grows", 2);
        let source = Source::new(&plain.address, &topic).with_mode(mode).with_start(Start::Latest);
        let mut reading = Reading::open(&source);
        let path = format!("persistent/{topic}/partitions");
        assert_eq!(plain.admin("POST", &path, "4").0 / 100, 2, "the topic grows");
        Feed::open(&plain.address, &format!("{topic}-partition-3")).batch(numbered(0..10));
        let n_new = reading.assign_new(&[], Found::WhileRunning).expect("they are found");
        assert_eq!((n_new, reading.partitions.len()), (2, 4));
        assert_eq!(reading.take(10), (0..10).collect::<Vec<_>>(), "{mode:?}");
        reading.close();
    }
}

#[test]
fn pattern_finds_topics_as_they_appear() {
    let Some(plain) = Plain::of_environment() else { return };
    let first = plain.create("pattern", 0);
    let prefix = first.strip_prefix("public/default/").expect("in the default namespace");
    let source = Source::matching(&plain.address, format!("{prefix}(-more)?"));
    let mut reading = Reading::open(&source);
    assert_eq!(reading.partitions.len(), 1);
    let more = format!("{first}-more");
    plain.create_named(&more, 3);
    Feed::open(&plain.address, &format!("{more}-partition-1")).batch(numbered(0..10));
    assert_eq!(reading.assign_new(&[], Found::WhileRunning).expect("they are found"), 3);
    assert_eq!(reading.take(10), (0..10).collect::<Vec<_>>());
    reading.close();
}
