//! Topics are made, widened and deleted, and what the cluster refuses is told.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use millstream_engine::error::{Error, ErrorKind, codes};
use millstream_engine::source::{Found, Source as _};
use millstream_kafka::{NewTopic, Source, Topics, create_topic};

use crate::support::{Topic, broker, open_context};

/// A name that no other test has.
fn fresh(what: &str) -> String {
    format!("{what}-{}", open_context().dataflow)
}

fn told(error: &Error, topic: &str, brokers: &str) -> String {
    error.report().replace(topic, "[topic]").replace(brokers, "[brokers]")
}

#[test]
fn topics_are_made_widened_and_deleted() {
    let Some(brokers) = broker() else { return };
    let (topics, name) = (Topics::new(&brokers), fresh("made"));
    assert_eq!(topics.n_partitions(&name).expect("an answer"), None);
    let new = NewTopic::new(&name, 2).with_replication(1).with_setting("max.message.bytes", "1000");
    assert!(topics.create(&new).expect("it is made"));
    assert!(!topics.create(&new).expect("it is there"));
    create_topic(&brokers, &name, 7).expect("it is there");
    assert_eq!(topics.n_partitions(&name).expect("an answer"), Some(2));
    topics.add_partitions(&name, 5).expect("it gets more");
    topics.add_partitions(&name, 5).expect("it has them");
    assert_eq!(topics.n_partitions(&name).expect("an answer"), Some(5));
    assert!(topics.delete(&name).expect("it is deleted"));
    assert!(!topics.delete(&name).expect("it is gone"));
    assert_eq!(topics.n_partitions(&name).expect("an answer"), None);
}

#[test]
fn setting_of_a_topic_takes_effect() {
    let Some(brokers) = broker() else { return };
    let topic = Topic { name: fresh("set"), brokers };
    let new = NewTopic::new(&topic.name, 1).with_setting("max.message.bytes", "1000");
    assert!(Topics::new(&topic.brokers).create(&new).expect("it is made"));
    let mut writing = crate::support::Writing::open(&topic.sink());
    let large = millstream_engine::batch::OwnedRecord::of(vec![b'x'; 2000]);
    writing.write(1, &crate::support::batches([large], 1)[0]);
    let rejected = writing.settle();
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0].error.code(), codes::TOO_LARGE);
}

#[test]
fn added_partitions_are_found_by_a_source() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "widened", 1);
    let mut finder = Source::new(&brokers, &topic.name).finder(&open_context()).expect("a finder");
    assert_eq!(finder.find().expect("partitions").len(), 1);
    Topics::new(&brokers).add_partitions(&topic.name, 3).expect("it gets more");
    let found = finder.find().expect("partitions");
    assert_eq!(found.len(), 3);
    let wanted: Vec<_> = found.into_iter().skip(1).map(|partition| (partition, None)).collect();
    let assigned = finder.resolve(&wanted, Found::WhileRunning).expect("positions");
    let at_start = |start: &str| start.split('@').next() == Some("0");
    assert!(assigned.iter().all(|assignment| at_start(&assignment.start.0)), "{assigned:?}");
}

#[test]
fn refusals_of_the_cluster_are_told() {
    let Some(brokers) = broker() else { return };
    let (topics, name) = (Topics::new(&brokers), fresh("refused"));
    let refused = |new: NewTopic| {
        let error = topics.create(&new).expect_err("it is refused");
        assert_eq!((error.kind(), error.code()), (ErrorKind::Config, codes::BAD_CONFIG));
        told(&error, &name, &brokers)
    };
    assert_snapshot!(refused(NewTopic::new(&name, 0)), @r#"
E0201 failed to create the topic "[topic]" at [brokers]: invalid number of partitions
There is at least one, and Kafka takes none away.
"#);
    assert_snapshot!(refused(NewTopic::new(&name, 1).with_replication(9)), @r#"
E0201 failed to create the topic "[topic]" at [brokers]: invalid replication factor
There are at most as many copies as the cluster has brokers.
"#);
    assert_snapshot!(refused(NewTopic::new(&name, 1).with_setting("cleanup.polic", "compact")), @r#"
E0201 failed to create the topic "[topic]" at [brokers]: configuration is invalid
Settings are named as Kafka names those of topics.
"#);
    assert_snapshot!(refused(NewTopic::new(format!("{name}/x"), 1)), @r#"
E0201 failed to create the topic "[topic]/x" at [brokers]: invalid topic
A name has 1 to 249 letters, digits, dots, dashes and underscores.
"#);
    let topic = Topic::new(&brokers, "fewer", 3);
    let error = topics.add_partitions(&topic.name, 2).expect_err("none is taken away");
    assert_snapshot!(told(&error, &topic.name, &brokers), @r#"
E0201 failed to give the topic "[topic]" 2 partitions: invalid number of partitions
There is at least one, and Kafka takes none away.
"#);
    let unknown = topics.add_partitions(&name, 2).expect_err("there is no such topic");
    assert_eq!((unknown.kind(), unknown.code()), (ErrorKind::Config, codes::UNKNOWN_TOPIC));
}

#[test]
fn silent_cluster_is_waited_for_and_named() {
    if broker().is_none() {
        return;
    }
    let topics = Topics::new("127.0.0.1:1").with_timeout(Duration::from_millis(500));
    let begun = Instant::now();
    for error in [
        topics.create(&NewTopic::new("orders", 1)).expect_err("nobody is there"),
        topics.delete("orders").expect_err("nobody is there"),
        topics.n_partitions("orders").map(|_| ()).expect_err("nobody is there"),
        topics.add_partitions("orders", 2).expect_err("nobody is there"),
    ] {
        let told = error.report();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{told}");
        assert_eq!(error.code(), codes::UNREACHABLE, "{told}");
        assert!(told.contains("127.0.0.1:1"), "{told}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "it took {:?}", begun.elapsed());
    let error = topics.create(&NewTopic::new("orders", 1)).expect_err("nobody is there");
    assert_snapshot!(error.report(), @r#"
    E0101 failed to create the topic "orders" at 127.0.0.1:1: timed out
    The cluster did not answer within 500ms. Is a broker listening there, and does it advertise an address that this host can reach?
    "#);
}
