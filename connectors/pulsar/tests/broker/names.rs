//! Names of producers, exclusive access and schemas: what people read when they are refused.

use insta::assert_snapshot;
use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::codes;
use millstream_engine::sink::Sink as _;
use millstream_pulsar::{AccessMode, Schema, Sink};

use crate::plain::Plain;
use crate::write::{Writing, batch_of, numbered, open_context};

#[test]
fn taken_name_is_said() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("taken", 0);
    let sink = Sink::new(&plain.address, &topic).with_producer_name("till-1");
    let mut first = Writing::open(&sink);
    first.write(1, &batch_of(numbered(0..10)));
    assert!(first.settle().is_empty());
    let refused = sink.prepare(&open_context()).expect_err("the name is taken");
    assert_eq!(refused.code(), codes::BAD_CONFIG);
    let report = refused.report().replace(&topic, "[topic]");
    assert!(report.starts_with("E0201 failed to be the producer of this name ("), "{report}");
    let mut second = Writing::open_unprepared(&sink);
    second.write(1, &batch_of([OwnedRecord::of("x")]));
    assert_eq!(second.wait_for_failure().code(), codes::BAD_CONFIG);
    first.writer.close();
    // The name is free as soon as the broker has closed the producer.
    sink.prepare(&open_context()).expect("the name is free");
}

#[test]
fn fenced_producer_stops() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("fenced", 0);
    let sink = Sink::new(&plain.address, &topic);
    let mut old = Writing::open(&sink.clone().with_access_mode(AccessMode::Exclusive));
    old.write(1, &batch_of(numbered(0..10)));
    assert!(old.settle().is_empty());
    let shared = sink.prepare(&open_context()).expect_err("somebody has it for himself");
    assert_eq!(shared.code(), codes::BAD_CONFIG, "{}", shared.report());
    let mut new =
        Writing::open_unprepared(&sink.with_access_mode(AccessMode::ExclusiveWithFencing));
    new.write(1, &batch_of(numbered(10..20)));
    assert!(new.settle().is_empty());
    old.write(2, &batch_of(numbered(20..30)));
    let error = old.wait_for_failure();
    assert_eq!(error.code(), codes::BAD_CONFIG, "{}", error.report());
    let n_stored: usize = plain.stored(&topic, 20).iter().map(|m| m.records.len()).sum();
    assert_eq!(n_stored, 20, "nothing of the fenced one came through");
}

#[test]
fn schema_is_declared_and_checked() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("schema", 0);
    let order = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"int"}]}"#;
    let sink = Sink::new(&plain.address, &topic);
    let mut writing = Writing::open(&sink.clone().with_schema(Schema::Json(order.to_owned())));
    writing.write(1, &batch_of([OwnedRecord::of(r#"{"id":1}"#)]));
    assert!(writing.settle().is_empty());
    let (status, said) = plain.admin("GET", &format!("schemas/{topic}/schema"), "");
    assert!(status == 200 && said.contains("JSON"), "{said}");
    assert!(plain.stored(&topic, 1)[0].metadata.schema_version.is_some());
    let other = sink.with_schema(Schema::String).prepare(&open_context()).expect_err("JSON");
    assert_eq!(other.code(), codes::BAD_CONFIG, "{}", other.report());
    assert_snapshot!(other.hint().unwrap_or_default(), @"The topic has another schema: change `with_schema`, or what the topic allows.");
}
