//! What a copy says of wrong URLs, before it opens anything.

use insta::assert_snapshot;
use millstream::copy::Copying;
use millstream::memory::Broker;

use crate::support::{copy, url};

fn report(copying: &Copying) -> String {
    copy(&Broker::new(), copying).expect_err("it is wrong").report()
}

fn between(from: &str, to: &str) -> String {
    report(&Copying::new(url(from), url(to)))
}

#[test]
fn unknown_connectors_are_told_with_those_there_are() {
    assert_snapshot!(between("memry:in", "memory:out"), @r#"
    E0201 failed to use the URL memry:in: there is no connector memry (did you mean "memory"?) (step "from")
    There are memory, file, generator, stdio, kafka, pulsar.
    "#);
    assert_snapshot!(between("memory:in", "smtp://h/out"), @r#"
    E0201 failed to use the URL smtp://h/out: there is no connector smtp (step "to")
    There are memory, file, generator, stdio, kafka, pulsar.
    "#);
}

#[test]
#[cfg(not(feature = "kafka"))]
fn connector_that_was_not_built_is_told_with_its_feature() {
    assert_snapshot!(between("kafka://h:9092/in", "memory:out"), @"
    E0201 failed to use the URL kafka://h:9092/in: this build has no connector kafka (step \"from\")
    Build it with the feature: cargo run --features kafka …
    ");
}

#[test]
fn wrong_fields_are_told_with_the_step() {
    assert_snapshot!(between("memory:in?grop=a&start=soon", "memory:out"), @r#"
    E0201 failed to use the URL memory:in?grop=…&start=…&end=… (step "from"): "start" is not earliest, latest or time:MILLIS; there is no field "grop" (did you mean "group"?)
    Its fields are group, start, expired, positions, end.
    "#);
    assert_snapshot!(between("memory:in", "memory:out?when_full=drop"), @r#"
    E0201 failed to use the URL memory:out?when_full=… (step "to"): "when_full" is not one of wait, reject
    Its fields are topics, max_topics, creation, when_full.
    "#);
}

#[test]
#[cfg(feature = "kafka")]
fn wrong_fields_of_kafka_are_told() {
    let told = between("kafka://h:9092/in?start=soon&password=canary", "memory:out");
    assert!(
        told.contains("\"start\" is not earliest") && told.contains("password_env=NAME"),
        "{told}"
    );
    assert!(!told.contains("canary"), "{told}");
    let sink = between("memory:in", "kafka://h:9092/out?compresion=lz4");
    assert!(
        sink.contains("there is no field \"compresion\" (did you mean \"compression\"?)"),
        "{sink}"
    );
}

#[test]
fn unknown_topic_is_told() {
    assert_snapshot!(between("memory:in", "memory:out"), @r#"
    E0110 failed to find topic "in" on the embedded broker (step "from")
    Create it first, with `Broker::create_topic`.
    "#);
}

#[test]
fn routing_needs_a_field_and_topics() {
    let one = Copying::new(url("memory:in"), url("memory:out")).with_route_by("country");
    assert_snapshot!(report(&one), @"
    E0201 failed to route records to memory:out: it is one place
    End its topic in *, for which the field's value stands, or name topics: ?topics=a,b.
    ");
    assert_snapshot!(between("memory:in", "memory:out.*"), @"
    E0201 failed to copy to memory:out.*: nothing says which topic a record goes to
    Name the JSON field that does: --route-by FIELD.
    ");
}

#[test]
fn source_without_an_end_is_told() {
    assert_snapshot!(between("memory:in?end=never", "memory:out"), @r#"
    E0201 failed to read memory:in?end=… until its end: it has none (step "from")
    Leave out the field that keeps it going, or say where it ends (generator: count=NUMBER).
    "#);
}
