//! What people read when something is wrong.

use std::time::Duration;

use millstream_engine::error::{ErrorKind, codes};
use millstream_engine::sink::Sink as _;
use millstream_engine::source::Source as _;
use millstream_kafka::{Sink, Source};

use crate::support::{Topic, broker, open_context};

#[test]
fn unknown_topic_suggests_a_near_name() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "suggested", 3);
    let wrong = topic.name.replace("suggested", "sugested");
    let open = open_context();
    let found = Source::new(&brokers, &wrong).finder(&open).expect("a finder").find();
    let prepared = Sink::new(&brokers, &wrong).prepare(&open);
    for error in [found.expect_err("no such topic"), prepared.expect_err("no such topic")] {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.report(),
            format!(
                "E0110 failed to find the topic \"{wrong}\": it does not exist on this cluster (step \"orders\")\n\
                 Did you mean \"{}\" (3 partitions)?",
                topic.name
            )
        );
    }
}

#[test]
fn unreachable_broker_says_why() {
    if broker().is_none() {
        return;
    }
    let mut open = open_context();
    open.open_timeout = Duration::from_secs(1);
    let found = Source::new("127.0.0.1:1", "orders").finder(&open).expect("a finder").find();
    let prepared = Sink::new("127.0.0.1:1", "orders").prepare(&open);
    for error in [found.expect_err("no broker"), prepared.expect_err("no broker")] {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, codes::UNREACHABLE));
        assert_eq!(
            error.report(),
            "E0101 failed to reach Kafka at 127.0.0.1:1 (step \"orders\"): connection refused\n\
             Is a broker listening there? The address is the first argument of `new`."
        );
    }
}

#[test]
fn unknown_host_says_why() {
    if broker().is_none() {
        return;
    }
    let mut open = open_context();
    open.open_timeout = Duration::from_secs(1);
    let found =
        Source::new("no-such-host.invalid:9092", "orders").finder(&open).expect("a finder").find();
    let report = found.expect_err("no broker").report();
    assert!(
        report.starts_with("E0101 failed to reach Kafka at no-such-host.invalid:9092"),
        "{report}"
    );
    assert!(!report.contains("timed out"), "{report}");
}
