//! What people read when something is wrong: whole texts, with names and addresses that change taken out.

use std::time::Duration;

use insta::{allow_duplicates, assert_snapshot};
use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::{Error, ErrorKind};
use millstream_engine::sink::Sink as _;
use millstream_engine::source::{Found, OpenContext, ResumePosition, Source as _};
use millstream_kafka::{Sink, Source};

use crate::own::OwnBroker;
use crate::plain::Plain;
use crate::support::{Topic, Writing, batches, broker, numbered, open_context};

/// The text of an error, without what differs from run to run.
fn told(error: &Error, changing: &[(&str, &str)]) -> String {
    changing.iter().fold(error.report(), |text, (from, to)| text.replace(from, to))
}

/// What a source says when its partitions are looked for, and a sink when it is prepared.
fn both(brokers: &str, topic: &str, open: &OpenContext) -> [Error; 2] {
    let found = Source::new(brokers, topic).finder(open).and_then(|mut finder| {
        let found = finder.find()?;
        let wanted: Vec<_> = found.into_iter().map(|partition| (partition, None)).collect();
        finder.resolve(&wanted, Found::AtStart)
    });
    let prepared = Sink::new(brokers, topic).prepare(open);
    [found.expect_err("the source cannot read"), prepared.expect_err("the sink cannot write")]
}

fn open_for(timeout: Duration) -> OpenContext {
    OpenContext { open_timeout: timeout, ..open_context() }
}

#[test]
fn unknown_topic_suggests_a_near_name() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "suggested", 3);
    let wrong = topic.name.replace("suggested", "sugested");
    for error in both(&brokers, &wrong, &open_context()) {
        assert_eq!(error.kind(), ErrorKind::Config);
        let told = told(&error, &[(&wrong, "[wrong]"), (&topic.name, "[topic]")]);
        allow_duplicates!(assert_snapshot!(told, @r#"
        E0110 failed to find the topic "[wrong]": it does not exist on this cluster (step "orders")
        Did you mean "[topic]" (3 partitions)?
        "#));
    }
}

#[test]
fn unreachable_broker_says_why() {
    if broker().is_none() {
        return;
    }
    for error in both("127.0.0.1:1", "orders", &open_for(Duration::from_secs(1))) {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        allow_duplicates!(assert_snapshot!(error.report(), @r#"
        E0101 failed to reach Kafka at 127.0.0.1:1 (step "orders"): connection refused
        Is a broker listening there? The address is the first argument of `new`.
        "#));
    }
}

#[test]
fn unknown_host_says_why() {
    if broker().is_none() {
        return;
    }
    let open = open_for(Duration::from_secs(1));
    for error in both("no-such-host.invalid:9092", "orders", &open) {
        let report = error.report();
        // The rest is the resolver's: which words it has depends on the network.
        let start = "E0101 failed to reach Kafka at no-such-host.invalid:9092";
        assert!(report.starts_with(start) && !report.contains("timed out"), "{report}");
    }
}

#[test]
fn wrong_advertised_address_is_named() {
    if broker().is_none() {
        return;
    }
    let own = OwnBroker::start("advertised", "").expect("a broker of its own");
    let brokers = own.address().to_owned();
    Plain::new(&brokers).create_topic("orders", 1, 1_000_000);
    own.restart("advertised.listeners=PLAINTEXT://kafka-1.invalid:9092");
    for error in both(&brokers, "orders", &open_for(Duration::from_secs(5))) {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        // A sink tries one partition; without a network the resolver says it in other words.
        let told = told(
            &error,
            &[
                (&brokers, "[address]"),
                (", partition orders[0]", ""),
                ("temporary failure in name resolution", "name or service not known"),
            ],
        );
        allow_duplicates!(assert_snapshot!(told, @r#"
        E0102 failed to reach Kafka at "kafka-1.invalid:9092", the address that the broker at [address] tells clients to use (step "orders"): name or service not known
        Set `advertised.listeners` on the broker, or make the name known on this host.
        "#));
    }
}

#[test]
fn expired_position_names_the_choices() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "gone", 1);
    topic.fill(numbered(0..100));
    topic.delete_before(0, 60);
    let resolve = |position: &str| {
        let stored = [(topic.partition(0), Some(ResumePosition(position.to_owned())))];
        let mut finder = topic.source().finder(&open_context()).expect("a finder");
        finder.resolve(&stored, Found::AtStart).expect_err("no record has this position")
    };
    let changing = [(topic.name.as_str(), "[topic]")];
    assert_snapshot!(told(&resolve("10"), &changing), @r#"
    E0111 failed to start at the stored position 10 (step "orders", partition [topic][0]): it has expired, the oldest record there is has position 60
    Records were deleted before they were read. Choose with `with_expired`: `Expired::Earliest` goes on at the oldest record, `Expired::Latest` at the end, `Expired::Stop` stops as it did now.
    "#);
    assert_snapshot!(told(&resolve("101"), &changing), @r#"
    E0111 failed to start at the stored position 101: the partition ends at 100 (step "orders", partition [topic][0])
    Was the topic deleted and made again? Forget the position, or start with `Start::Explicit`.
    "#);
}

#[test]
fn oversized_record_names_both_limits() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "oversized", 1);
    let large = batches([OwnedRecord::of(vec![b'x'; 2_000_000])], 1);
    let refused = |sink: Sink| {
        let mut writing = Writing::open(&sink);
        writing.write(3, &large[0]);
        let rejected = writing.settle();
        told(&rejected[0].error, &[(&topic.name, "[topic]")])
    };
    for sink in [topic.sink(), topic.sink().with_max_record_bytes(3_000_000)] {
        allow_duplicates!(assert_snapshot!(refused(sink), @r#"
        E0141 failed to deliver a record to Kafka (step "orders", partition [topic][0], epoch 3): message size too large
        Raise `with_max_record_bytes`, and `max.message.bytes` of the topic.
        "#));
    }
}
