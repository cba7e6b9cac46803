//! Records that say their topic: what people read when one is refused, and what is let go of.

use std::time::Duration;

use insta::assert_snapshot;
use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::{ErrorKind, codes};
use millstream_engine::sink::Rejected;
use millstream_kafka::{Sink, TopicPolicy};

use crate::own::OwnBroker;
use crate::support::{Reading, Topic, Writing, batches, broker, numbered, numbers, open_context};

/// Writes records with a sink, and returns what was rejected.
fn rejected(sink: &Sink, records: impl IntoIterator<Item = OwnedRecord>) -> Vec<Rejected> {
    let mut writing = Writing::open(sink);
    writing.write(3, &batches(records, 1000)[0]);
    writing.settle()
}

/// The text of the one error, without the names that change.
fn told(rejected: &[Rejected], changing: &[(&str, &str)]) -> String {
    assert_eq!(rejected.len(), 1);
    let report = rejected[0].error.report();
    changing.iter().fold(report, |text, (from, to)| text.replace(from, to))
}

#[test]
fn unknown_topic_of_a_record_suggests_a_near_name() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "suggested", 3);
    let wrong = topic.name.replace("suggested", "sugested");
    let sink = Sink::routed(&brokers, TopicPolicy::prefix("su"));
    let refused = rejected(&sink, [OwnedRecord::of("x").with_topic(&wrong)]);
    assert_eq!(refused[0].record.destination.topic.as_deref(), Some(&*wrong));
    assert_snapshot!(told(&refused, &[(&wrong, "[wrong]"), (&topic.name, "[topic]")]), @r#"
    E0110 failed to find the topic "[wrong]": it does not exist on this cluster (step "orders", epoch 3)
    Did you mean "[topic]" (3 partitions)?
    "#);
}

#[test]
fn bad_destinations_say_why() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "destination", 2);
    let sink = Sink::routed(&brokers, TopicPolicy::prefix("destination-"));
    let refused =
        |record: OwnedRecord| told(&rejected(&sink, [record]), &[(&topic.name, "[topic]")]);
    assert_snapshot!(refused(OwnedRecord::of("x")), @r#"
    E0118 failed to route a record: it says no topic (step "orders", epoch 3)
    Say it with `.to_topic(…)`, or in `.encode(…)` with `topic`; a sink to one topic is made with `new`.
    "#);
    assert_snapshot!(refused(OwnedRecord::of("x").with_topic("a b")), @r#"
    E0115 failed to route a record to "a b": a topic's name has letters, digits, ".", "_" and "-" alone (step "orders", epoch 3)
    Check what computes the topic.
    "#);
    assert_snapshot!(refused(OwnedRecord::of("x").with_topic("payments")), @r#"
    E0116 failed to route a record to "payments": the sink may write topics that begin with "destination-" (step "orders", epoch 3)
    Allow it in the sink's `TopicPolicy`, or correct what computes the topic.
    "#);
    assert_snapshot!(refused(OwnedRecord::of("x").with_topic(&topic.name).with_partition(2)), @r#"E0110 failed to route a record: its topic has 2 partitions, from 0 on (step "orders", partition [topic][2], epoch 3)"#);
}

#[test]
fn refused_topic_is_found_once_it_is_there() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "late", 1);
    let later = format!("{}-later", topic.name);
    let policy = TopicPolicy::only([&later]);
    let mut writing = Writing::open(&Sink::routed(&brokers, policy.clone()));
    let batch = &batches([OwnedRecord::of("7").with_topic(&later)], 1)[0];
    writing.write(1, batch);
    assert_eq!(writing.settle()[0].error.code(), codes::UNKNOWN_TOPIC);
    let creating = Sink::routed(&brokers, policy.with_creation(1));
    let made = rejected(&creating, [OwnedRecord::of("8").with_topic(&later)]);
    assert!(made.is_empty(), "{made:?}");
    // It stays refused for a while: each record asks no question of its own.
    while {
        writing.write(2, batch);
        !writing.settle().is_empty()
    } {
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let later = Topic { brokers, name: later };
    let read = Reading::open(&later.source().until_end(), true).read_all();
    assert_eq!(numbers(&read), [7, 8]);
}

#[test]
fn writer_of_ever_new_topics_starts_new_clients() {
    let Some(brokers) = broker() else { return };
    let topics: Vec<_> = (0..6).map(|_| Topic::new(&brokers, "passing", 1)).collect();
    // Two in use, eight known to a client: with six in turns there are four clients.
    let policy = TopicPolicy::prefix("passing-").with_max_topics(2);
    let mut writing = Writing::open(&Sink::routed(&brokers, policy));
    for n in 0..30_u64 {
        let to = &topics[usize::try_from(n % 6).expect("it fits")].name;
        let records = [2 * n, 2 * n + 1].map(|n| OwnedRecord::of(n.to_string()).with_topic(to));
        writing.write(n, &batches(records, 2)[0]);
        assert!(writing.settle().is_empty());
    }
    let read =
        topics.iter().flat_map(|topic| Reading::open(&topic.source().until_end(), true).read_all());
    assert_eq!(numbers(&read.collect::<Vec<_>>()), (0..60).collect::<Vec<_>>());
}

#[test]
fn parked_records_keep_within_the_queue_and_time_out() {
    let Some(_) = broker() else { return };
    let sink = Sink::routed("127.0.0.1:1", TopicPolicy::prefix("nowhere"))
        .with_queue_records(50)
        .with_delivery_timeout(Duration::from_millis(1500));
    let mut writing = Writing::open_at(&sink, open_context());
    let bound = numbered(0..100).map(|record| record.with_topic("nowhere"));
    let batch = &batches(bound, 100)[0];
    let taken = writing.writer.write(1, batch, 0).expect("the client tries again");
    assert_eq!(taken, 50, "parked records count as taken");
    assert_eq!(writing.writer.oldest_unconfirmed(), Some(1));
    let refused = writing.settle();
    assert_eq!(refused.len(), 50);
    assert!(refused.iter().all(|late| late.error.code() == codes::NOT_DELIVERED));
    assert!(refused.iter().all(|late| late.error.kind() == ErrorKind::Unavailable));
}

#[test]
fn deleted_topic_does_not_come_back() {
    if broker().is_none() {
        return;
    }
    let own = OwnBroker::start("willing", "auto.create.topics.enable=true");
    let own = own.expect("a broker of its own");
    let topic = Topic::new(own.address(), "deleted", 1);
    let sinks = [topic.sink(), Sink::routed(own.address(), TopicPolicy::only([&topic.name]))];
    let mut writings =
        sinks.map(|sink| Writing::open(&sink.with_delivery_timeout(Duration::from_secs(2))));
    let routed = OwnedRecord::of("1").with_topic(&topic.name);
    let of_each = [OwnedRecord::of("1"), routed].map(|record| batches([record], 1));
    for (writing, records) in writings.iter_mut().zip(&of_each) {
        writing.write(1, &records[0]);
        assert!(writing.settle().is_empty());
    }
    topic.delete();
    for (writing, records) in writings.iter_mut().zip(&of_each) {
        writing.write(2, &records[0]);
        let refused = writing.settle();
        assert_eq!(refused.len(), 1, "the topic is gone, and stays gone");
    }
}

#[test]
fn faults_of_a_policy_are_those_of_the_sink() {
    let sink = Sink::routed("localhost:9092", TopicPolicy::only(["fine", "not fine", ".."]));
    let faults: Vec<_> = millstream_engine::sink::Sink::faults(&sink)
        .iter()
        .map(millstream_engine::Error::report)
        .collect();
    assert_snapshot!(faults.join("\n"), @r#"
    E0201 failed to route records to "..": a topic is not named "." or ".."
    E0201 failed to route records to "not fine": a topic's name has letters, digits, ".", "_" and "-" alone
    "#);
}
