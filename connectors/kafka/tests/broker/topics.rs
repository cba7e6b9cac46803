//! Which topics and partitions are read: by name, by a pattern, by choice.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::codes;
use millstream_engine::flow::ErrorRecord;
use millstream_engine::source::{Found, Partition, Source as _};
use millstream_engine::testing::TestSink;
use millstream_engine::{Config, Dataflow, start};
use millstream_kafka::Source;

use crate::support::{LONG, Reading, Topic, broker, numbered, numbers, offset, open_context};

/// A pattern that matches the topics of one test: their names have its unique part in common.
fn pattern_of(first: &Topic) -> String {
    format!("{}(-.*)?", first.name)
}

/// A topic whose name is that of another, and more.
fn named_after(first: &Topic, suffix: &str, n_partitions: i32) -> Topic {
    Topic::named(&first.brokers, format!("{}-{suffix}", first.name), n_partitions)
}

#[test]
fn topics_of_a_pattern_are_found_while_running() {
    let Some(brokers) = broker() else { return };
    let eu = Topic::new(&brokers, "pattern", 2);
    let us = named_after(&eu, "us", 1);
    let _other = Topic::named(&brokers, format!("x{}", eu.name), 1);
    eu.fill(numbered(0..100));
    us.fill(numbered(100..200));
    let mut reading = Reading::open(&Source::matching(&brokers, pattern_of(&eu)), false);
    assert_eq!(numbers(&reading.take(200)), (0..200).collect::<Vec<_>>());
    let found = reading.finder.find().expect("partitions");
    assert_eq!(found, [eu.partition(0), eu.partition(1), us.partition(0)]);
    let asia = named_after(&eu, "asia", 1);
    asia.fill(numbered(200..300));
    let start = Instant::now();
    while !reading.finder.find().expect("partitions").contains(&asia.partition(0)) {
        assert!(start.elapsed() < LONG, "the new topic is found");
    }
    let wanted = [(asia.partition(0), None)];
    let assignments = reading.finder.resolve(&wanted, Found::WhileRunning).expect("positions");
    assert_eq!(offset(&assignments[0].start), 0);
    reading.reader.assign(&assignments).expect("assigned");
    assert_eq!(numbers(&reading.take(100)), (200..300).collect::<Vec<_>>());
}

#[test]
fn pattern_without_a_match_waits() {
    let Some(brokers) = broker() else { return };
    let mut reading = Reading::open(&Source::matching(&brokers, "no-such-topic-.*"), false);
    assert!(reading.finder.find().expect("no topic is no error").is_empty());
    assert!(reading.batch().expect("it goes on").is_empty());
    let bounded = Source::matching(&brokers, "no-such-topic-.*").until_end();
    assert!(Reading::open(&bounded, true).read_all().is_empty());
}

#[test]
fn careless_pattern_meets_the_limit() {
    let Some(brokers) = broker() else { return };
    let first = Topic::new(&brokers, "limit", 1);
    let _second = named_after(&first, "2", 1);
    let source = Source::matching(&brokers, pattern_of(&first)).with_max_topics(1);
    let error = source.finder(&open_context()).and_then(|mut finder| finder.find());
    let told = error.expect_err("there are two").report().replace(&first.name, "[topic]");
    assert_snapshot!(told, @r#"
        E0201 failed to read the topics that match "[topic](-.*)?": there are 2, and 1 are the limit
        Narrow the pattern, or raise `with_max_topics`.
        "#);
}

#[test]
fn chosen_partitions_alone_are_read() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "chosen", 4);
    topic.fill((0..400).map(|n| OwnedRecord::of(n.to_string()).with_key(format!("key-{n}"))));
    let chosen = [topic.partition(1), topic.partition(3)];
    let source = topic.source().with_partitions(chosen.clone());
    let read = Reading::open(&source.clone().until_end(), true).read_all();
    let all = Reading::open(&topic.source().until_end(), true).read_all();
    let expected = all.iter().filter(|record| {
        let origin = record.origin.as_ref().expect("readers set it");
        chosen.contains(&Partition::new(&origin.topic, origin.partition))
    });
    assert!(!read.is_empty() && read.len() == expected.count());
    topic.add_partitions(5);
    let mut finder = source.finder(&open_context()).expect("a finder");
    assert_eq!(finder.find().expect("partitions"), chosen);
    let missing = topic.source().with_partitions([topic.partition(7)]);
    let error = missing.finder(&open_context()).and_then(|mut other| other.find());
    let error = error.expect_err("there is no such partition");
    assert_eq!(error.code(), codes::UNKNOWN_TOPIC);
    let told = error.report().replace(&topic.name, "[topic]");
    assert_snapshot!(told, @r#"E0110 failed to find the chosen partition: the topic has 5 partitions (step "orders", partition [topic][7])"#);
}

/// A dataflow that reads a pattern and takes the source's failures as a stream: what it has read and what failed.
#[derive(Clone, Default)]
struct Seen {
    records: TestSink,
    errors: Arc<Mutex<Vec<ErrorRecord>>>,
}

impl Seen {
    fn flow(&self, source: &Source) -> Dataflow {
        let (seen, source) = (self.clone(), source.clone());
        Dataflow::new("regions", move |flow| {
            let (records, errors) = flow.source_with_errors("orders", source.clone());
            let failures = Arc::clone(&seen.errors);
            records.sink("out", seen.records.clone());
            errors.for_each(move |error| {
                failures.lock().unwrap_or_else(PoisonError::into_inner).push(error);
            });
        })
    }

    fn await_value(&self, value: &str) {
        let start = Instant::now();
        while !self.records.texts().iter().any(|text| text == value) {
            assert!(start.elapsed() < LONG, "{value} never came");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn await_error(&self, topic: &Topic) -> ErrorRecord {
        let start = Instant::now();
        loop {
            let errors = self.errors.lock().expect("nobody panicked").clone();
            let of_topic = |error: &&ErrorRecord| {
                error.record.origin.as_ref().is_some_and(|origin| *origin.topic == *topic.name)
            };
            if let Some(error) = errors.iter().find(of_topic) {
                return error.clone();
            }
            assert!(start.elapsed() < LONG, "nothing was said: {errors:?}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

#[test]
fn lost_topics_leave_as_error_records_and_others_go_on() {
    let Some(brokers) = broker() else { return };
    let stays = Topic::new(&brokers, "lost", 1);
    let deleted = named_after(&stays, "deleted", 2);
    let renewed = named_after(&stays, "renewed", 2);
    for topic in [&stays, &deleted, &renewed] {
        topic.fill(numbered(0..10).chain([OwnedRecord::of(format!("first of {}", topic.name))]));
    }
    let source = Source::matching(&brokers, pattern_of(&stays))
        .with_option("topic.metadata.propagation.max.ms", "1000")
        .with_option("topic.metadata.refresh.interval.ms", "1000");
    let seen = Seen::default();
    let config = Config { find_interval: Duration::from_millis(500), ..Config::default() };
    let handle = start(&seen.flow(&source), config).expect("the graph is sound");
    for topic in [&stays, &deleted, &renewed] {
        seen.await_value(&format!("first of {}", topic.name));
    }
    deleted.delete();
    renewed.make_again(2);
    renewed.fill(numbered(1000..2000));
    let (gone, other) = (seen.await_error(&deleted), seen.await_error(&renewed));
    assert_eq!((&*gone.code, &*other.code), ("E0110", "E0111"));
    assert!(gone.record.position > 0 && other.record.position > 0, "where reading stood");
    stays.fill([OwnedRecord::of("still here")]);
    seen.await_value("still here");
    let new = named_after(&stays, "new", 1);
    new.fill([OwnedRecord::of("first of a new one")]);
    seen.await_value("first of a new one");
    let errors = seen.errors.lock().expect("nobody panicked").len();
    assert_eq!(errors, 2, "one a topic, not one a partition or one a moment");
    handle.stop();
    handle.wait().expect("a graceful stop");
}
