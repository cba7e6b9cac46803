//! Where reading starts, ends and resumes with `Mode::Reader`, whose positions are the engine's.

use std::time::Duration;

use insta::assert_snapshot;
use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::codes;
use millstream_engine::source::{Confirmed, Partition, ResumePosition};
use millstream_pulsar::{End, Expired, MessageId, Mode, Source, Start};

use crate::feed::Feed;
use crate::plain::Plain;
use crate::read::Reading;
use crate::write::numbered;

fn reader(plain: &Plain, topic: &str) -> Source {
    Source::new(&plain.address, topic).with_mode(Mode::Reader)
}

/// Entries of ten records, published a second apart from second 1000 on.
fn fill(plain: &Plain, topic: &str, n_entries: u64) -> Vec<MessageId> {
    let mut feed = Feed::open(&plain.address, topic);
    let entry = |n: u64| {
        let time = i64::try_from(1_000_000 + n * 1_000).expect("soon");
        numbered(n * 10..n * 10 + 10)
            .map(move |record| OwnedRecord { time: Some(time), ..record })
            .collect::<Vec<_>>()
    };
    (0..n_entries).map(|n| feed.batch(entry(n))).collect()
}

#[test]
fn reading_resumes_within_a_batch() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("within", 0);
    Feed::open(&plain.address, &topic).batch(numbered(0..100));
    for n_before in [1, 7, 99, 100] {
        let mut first = Reading::open_small(&reader(&plain, &topic), n_before);
        assert_eq!(first.batch().len(), n_before);
        let stored = first.confirm(1);
        first.close();
        Feed::open(&plain.address, &topic).batch(numbered(100..101));
        let mut second = Reading::open_at(&reader(&plain, &topic), &stored);
        let rest: Vec<_> = (n_before as u64..101).collect();
        assert_eq!(second.take(rest.len())[..rest.len()], rest, "behind {stored:?}");
        second.close();
    }
}

#[test]
fn reading_starts_where_it_is_told() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("starts", 0);
    let ids = fill(&plain, &topic, 5);
    let first_of = |start: Start| {
        let source = reader(&plain, &topic).with_start(start).until_end();
        let mut reading = Reading::open(&source);
        let seen = reading.up_to_the_end();
        reading.close();
        (seen.first().copied(), seen.len())
    };
    let at = |id| Start::Explicit(vec![(Partition::new(topic_of(&topic), 0), id)]);
    assert_eq!(first_of(Start::Earliest), (Some(0), 50));
    assert_eq!(first_of(Start::Latest), (None, 0));
    assert_eq!(first_of(at(ids[2])), (Some(20), 30));
    assert_eq!(first_of(at(MessageId { index: Some(4), ..ids[2] })), (Some(24), 26));
    assert_eq!(first_of(at(ids[0])), (Some(0), 50));
    assert_eq!(first_of(Start::Timestamp(1_003_000)), (Some(30), 20));
    assert_eq!(first_of(Start::Timestamp(1_002_500)), (Some(30), 20));
    assert_eq!(first_of(Start::Timestamp(1)), (Some(0), 50));
    assert_eq!(first_of(Start::Ago(Duration::from_mins(1))), (None, 0), "all is older");
}

/// The name as the source's partitions have it.
fn topic_of(topic: &str) -> &str {
    topic.strip_prefix("public/default/").expect("a topic of the default namespace")
}

#[test]
fn reading_ends_where_it_is_told() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("ends", 0);
    let ids = fill(&plain, &topic, 5);
    let n_up_to = |end: End| {
        let mut reading = Reading::open(&reader(&plain, &topic).with_end(end));
        let seen = reading.up_to_the_end();
        reading.close();
        assert_eq!(seen, (0..seen.len() as u64).collect::<Vec<_>>());
        seen.len()
    };
    let at = |id| End::Explicit(vec![(Partition::new(topic_of(&topic), 0), id)]);
    assert_eq!(n_up_to(End::Latest), 50);
    assert_eq!(n_up_to(at(ids[3])), 30);
    assert_eq!(n_up_to(at(MessageId { index: Some(4), ..ids[3] })), 34);
    assert_eq!(n_up_to(at(ids[0])), 0);
    assert_eq!(n_up_to(End::Timestamp(1_002_000)), 20);
    assert_eq!(n_up_to(End::Timestamp(9_000_000)), 50);
    assert_eq!(n_up_to(End::Timestamp(1)), 0);
}

#[test]
fn latest_of_an_empty_topic_is_pinned() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("pinned", 0);
    let source = reader(&plain, &topic).with_start(Start::Latest);
    let mut reading = Reading::open(&source);
    Feed::open(&plain.address, &topic).batch(numbered(0..10));
    assert_eq!(reading.take(10), (0..10).collect::<Vec<_>>());
    reading.close();
}

#[test]
fn expired_position_is_settled_by_the_policy() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("expired", 0);
    fill(&plain, &topic, 5);
    let mut reading = Reading::open_small(&reader(&plain, &topic), 10);
    reading.batch();
    let stored = reading.confirm(1);
    reading.close();
    // Nothing is left of what was there: the topic is another one.
    let path = format!("persistent/{topic}");
    plain.admin("DELETE", &format!("{path}?force=true"), "");
    plain.admin("PUT", &path, "");
    let mut feed = Feed::open(&plain.address, &topic);
    feed.batch(numbered(50..60));
    let refused = Reading::try_open(&reader(&plain, &topic), &stored, 10).err();
    let refused = refused.expect("the position has expired");
    assert_eq!(refused.code(), codes::EXPIRED_POSITION);
    let hint = refused.hint().unwrap_or_default();
    assert!(hint.contains("Expired::Earliest") && hint.contains("Expired::Latest"), "{hint}");
    let go_on = |expired| Reading::open_at(&reader(&plain, &topic).with_expired(expired), &stored);
    let mut earliest = go_on(Expired::Earliest);
    assert_eq!(earliest.take(10), (50..60).collect::<Vec<_>>());
    earliest.close();
    let mut latest = go_on(Expired::Latest);
    feed.batch(numbered(60..70));
    assert_eq!(latest.take(10), (60..70).collect::<Vec<_>>());
    latest.close();
}

#[test]
fn position_of_another_connector_is_refused() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("strange", 0);
    let stored = Confirmed {
        partition: Partition::new(topic_of(&topic), 0),
        resume: ResumePosition("17@abc".to_owned()),
    };
    let refused = Reading::try_open(&reader(&plain, &topic), &[stored], 10).err();
    let report = refused.expect("it is not ours").report().replace(topic_of(&topic), "[topic]");
    assert_snapshot!(report, @r#"E0111 failed to read the stored position "17@abc" (partition [topic][0]): it is not one of a Pulsar source"#);
}
