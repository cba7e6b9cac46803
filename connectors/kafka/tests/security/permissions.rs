//! Permissions that are missing: who lacks which, on what.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use millstream_engine::batch::RecordBatch;
use millstream_engine::error::{Error, ErrorKind};
use millstream_engine::source::{Assignment, Found, Read, ResumePosition, Source as _};
use millstream_kafka::{Security, Sink, Source};

use crate::secure::{both_at, open_for, plain, secure, told};
use crate::support::{LONG, Reading, Topic, Writing, batches, numbered, open_context};

fn shown(error: &Error, topic: &Topic) -> String {
    assert_eq!((error.kind(), error.code().0), (ErrorKind::Denied, "E0121"));
    told(error, &[(&topic.name, "[topic]")])
}

#[test]
fn user_without_rights_does_not_see_the_topic() {
    let Some(broker) = secure() else { return };
    let topic = broker.topic("unseen");
    let guest = broker.tls().with_login(plain("guest"));
    let errors = both_at(&broker.listener("SASL_TLS"), &topic.name, &guest, &open_context());
    let [of_source, of_sink] = errors.map(|error| shown(&error, &topic));
    assert_eq!(of_source, of_sink);
    assert_snapshot!(of_source, @r#"
    E0121 failed to look up the topic "[topic]" (step "orders", topic "[topic]"): topic authorization failed for user "guest"
    Needed: READ on the topic for a source, WRITE for a sink.
    "#);
}

#[test]
fn user_without_the_group_is_told_which() {
    let Some(broker) = secure() else { return };
    let topic = broker.topic("groupless");
    let security = broker.tls().with_login(plain("loner"));
    let source = Source::new(broker.listener("SASL_TLS"), &topic.name)
        .with_group("orders-app")
        .with_security(security);
    let mut finder = source.finder(&open_for(Duration::from_secs(3))).expect("a finder");
    let wanted = [(topic.partition(0), None)];
    let error = finder.resolve(&wanted, Found::AtStart).expect_err("loners have no groups");
    assert_snapshot!(shown(&error, &topic), @r#"
    E0121 failed to ask for the offsets of the consumer group (step "orders"): group authorization failed for user "loner"
    Needed: READ on the consumer group "orders-app".
    "#);
}

#[test]
fn user_who_may_not_read_is_told_so() {
    let Some(broker) = secure() else { return };
    let topic = broker.topic("unread");
    topic.fill(numbered(0..3));
    let onlooker = broker.tls().with_login(plain("onlooker"));
    let source = Source::new(broker.listener("SASL_TLS"), &topic.name).with_security(onlooker);
    let first = Assignment {
        partition: topic.partition(0),
        start: ResumePosition("0".to_owned()),
        committed: None,
    };
    let mut finder = source.finder(&open_context()).expect("a finder");
    let pinned = finder.pin(std::slice::from_ref(&first)).expect_err("it may not commit");
    assert_snapshot!(shown(&pinned, &topic), @r#"
    E0121 failed to commit offsets to the consumer group (step "orders"): topic authorization failed for user "onlooker"
    Needed: READ on the topic for a source, WRITE for a sink.
    "#);
    let mut reading = Reading::assigned(&source, false, &open_context(), &[first]);
    let (start, mut batch) = (Instant::now(), RecordBatch::default());
    let error = loop {
        match reading.reader.read(&mut batch, Duration::from_millis(200)) {
            Err(told) => break told,
            Ok(read) => assert!(matches!(read, Read::Idle), "nothing may be read"),
        }
        assert!(start.elapsed() < LONG, "nothing was said");
    };
    assert_snapshot!(shown(&error, &topic), @r#"
    E0121 failed to read from Kafka (step "orders", record [topic][0]@0): topic authorization failed for user "onlooker"
    Needed: READ on the topic for a source, WRITE for a sink.
    "#);
}

/// What a writer says of a record that it may not write, with and without the broker's help against duplicates.
fn unwritten(address: &str, security: &Security, topic: &Topic, idempotent: bool) -> String {
    let sink = Sink::new(address, &topic.name).with_security(security.clone());
    let mut writing = Writing::open(&sink.with_idempotent(idempotent));
    let batch = batches(numbered(0..1), 1).remove(0);
    let (start, mut from, mut rejected) = (Instant::now(), 0, Vec::new());
    loop {
        if let Err(error) = writing.writer.poll(&mut rejected) {
            return shown(&error, topic);
        }
        if let Some(record) = rejected.first() {
            return shown(&record.error, topic);
        }
        if from < batch.len() {
            from = writing.writer.write(1, &batch, from).expect("the client goes on");
        }
        assert!(start.elapsed() < LONG, "nothing was said");
        std::thread::yield_now();
    }
}

#[test]
fn user_who_may_not_write_is_told_so() {
    let Some(broker) = secure() else { return };
    let (topic, address) = (broker.topic("unwritten"), broker.listener("SASL_TLS"));
    let onlooker = broker.tls().with_login(plain("onlooker"));
    assert_snapshot!(unwritten(&address, &onlooker, &topic, false), @r#"
    E0121 failed to deliver a record to Kafka (step "orders", partition [topic][0], epoch 1): topic authorization failed for user "onlooker"
    Needed: WRITE on the topic "[topic]".
    "#);
    assert_snapshot!(unwritten(&address, &onlooker, &topic, true), @r#"
    E0121 failed to write to Kafka (step "orders", topic "[topic]"): cluster authorization failed for user "onlooker"
    Needed: WRITE on the topic for a sink, CREATE on the topic or the cluster to make one.
    "#);
}
