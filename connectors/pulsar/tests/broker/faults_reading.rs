//! What brokers do to readers: they die, and give topics to others. Nothing is lost by it, and only what was not acknowledged comes twice.

use std::collections::BTreeSet;

use millstream_pulsar::{Mode, Source};

use crate::feed::Feed;
use crate::own::Turn;
use crate::plain::Plain;
use crate::read::Reading;
use crate::write::numbered;

fn source(plain: &Plain, topic: &str, mode: Mode) -> Source {
    let source = Source::new(&plain.address, topic).with_mode(mode);
    if mode == Mode::Reader { source } else { source.with_subscription("s") }
}

/// Entries of a hundred records each, from the number `first` on.
fn feed(plain: &Plain, topic: &str, first: u64, n_entries: u64) {
    let mut feed = Feed::open(&plain.address, topic);
    for n in 0..n_entries {
        feed.batch(numbered(first + n * 100..first + n * 100 + 100));
    }
}

/// Keeps what readers read: a topic that nobody has subscribed to may lose it.
fn keep(plain: &Plain, topic: &str) {
    let earliest = r#"{"ledgerId":-1,"entryId":-1,"partitionIndex":-1}"#;
    let path = format!("persistent/{topic}/subscription/keeps");
    assert_eq!(plain.admin("PUT", &path, earliest).0 / 100, 2, "a subscription is made");
}

#[test]
fn unloaded_topic_is_read_on() {
    let Some(plain) = Plain::of_environment() else { return };
    for mode in [Mode::Reader, Mode::Exclusive, Mode::Failover, Mode::Shared] {
        let topic = plain.create("unloaded", 0);
        keep(&plain, &topic);
        feed(&plain, &topic, 0, 10);
        let mut reading = Reading::open_small(&source(&plain, &topic, mode), 130);
        let mut seen = reading.take(260);
        // A part of an entry is in our hands, and the rest of it in the reader's.
        assert!(seen.len() < 1_000);
        assert_eq!(plain.admin("PUT", &format!("persistent/{topic}/unload"), "").0 / 100, 2);
        seen.extend(reading.take(1_000 - seen.len()));
        assert_eq!(seen, (0..1_000).collect::<Vec<_>>(), "{mode:?}: once each, in order");
        feed(&plain, &topic, 1_000, 1);
        assert_eq!(reading.take(100), (1_000..1_100).collect::<Vec<_>>(), "{mode:?}");
        assert_eq!(reading.rest(), [0_u64; 0], "{mode:?}: nothing comes twice");
        reading.confirm(u64::MAX);
        reading.close();
        if mode != Mode::Reader {
            let mut rest = Reading::open(&source(&plain, &topic, mode));
            assert_eq!(rest.rest(), [0_u64; 0], "{mode:?}: all is acknowledged");
            rest.close();
        }
    }
}

#[test]
fn killed_broker_loses_nothing_of_what_is_read() {
    let Some(turn) = Turn::take() else { return };
    let plain = {
        let (address, admin) = turn.addresses();
        Plain::new(address, admin)
    };
    let modes = [Mode::Reader, Mode::Exclusive, Mode::Shared];
    let topics = modes.map(|mode| {
        let topic = plain.create("killed", 0);
        keep(&plain, &topic);
        feed(&plain, &topic, 0, 50);
        (mode, topic)
    });
    let mut readings = topics.each_ref().map(|(mode, topic)| {
        let mut reading = Reading::open_small(&source(&plain, topic, *mode), 130);
        let seen = reading.take(1_000);
        reading.confirm(3);
        (*mode, reading, seen)
    });
    for round in 0..2_u64 {
        turn.restart();
        for (_, topic) in &topics {
            feed(&plain, topic, 5_000 + round * 100, 1);
        }
        for (mode, reading, seen) in &mut readings {
            let before = seen.len();
            let all: BTreeSet<_> = (0..5_000 + (round + 1) * 100).collect();
            while !all.iter().all(|n| seen.contains(n)) {
                seen.extend(reading.take(1));
            }
            let n_twice = seen.len() - all.len();
            assert!(seen.len() > before, "{mode:?} goes on");
            // The broker may not have stored acknowledgements of the last second.
            let limit = if *mode == Mode::Shared { 1_000 } else { 0 };
            assert!(n_twice <= limit, "{mode:?}: {n_twice} came twice");
        }
    }
    for (_, mut reading, _) in readings {
        reading.confirm(u64::MAX);
        reading.close();
    }
}
