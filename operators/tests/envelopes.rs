//! What only some brokers say of a record: how far it travels, and how it shows in errors and dead letters.

use std::sync::{Arc, Mutex};

use millstream_engine::batch::{OwnedEnvelope, OwnedRecord, Record, RecordBatch};
use millstream_engine::flow::DeadLetter;
use millstream_engine::source::{self, FromFn};
use millstream_engine::testing::{TestSink, run_on};
use millstream_engine::{Config, Dataflow, ErrorKind, run};
use millstream_operators::prelude::*;

fn id(number: usize) -> String {
    format!("12:{}:{}", number / 3, number % 3)
}

fn envelope(number: usize) -> OwnedEnvelope {
    OwnedEnvelope {
        redelivery_count: 1,
        publish_time: Some(1_700_000_000_000),
        producer_name: Some("p".to_owned()),
        ordering_key: number.is_multiple_of(2).then(|| number.to_string().into_bytes()),
        id: Some(id(number)),
    }
}

/// `n` records, of which every fifth comes from a broker that says nothing.
fn received(n: usize) -> FromFn {
    source::from_iter((0..n).map(|number| OwnedRecord {
        envelope: (number % 5 != 4).then(|| Box::new(envelope(number))),
        ..OwnedRecord::of(number.to_string())
    }))
}

fn number(record: &OwnedRecord) -> usize {
    record.text().and_then(|text| text.parse().ok()).expect("values are numbers")
}

/// What the sink got, by number.
fn sorted(sink: &TestSink) -> Vec<OwnedRecord> {
    let mut records = sink.records();
    records.sort_by_key(number);
    records
}

#[test]
fn envelopes_stay_with_records_that_are_dropped_copied_and_exchanged() {
    run_on([1, 2, 4], |config| {
        let sink = TestSink::new();
        let to = sink.clone();
        let flow = Dataflow::new("copy", move |flow| {
            flow.source("in", received(5000))
                .filter(|record| record.position() % 7 != 0)
                .rebalance()
                .filter(|record| record.position() % 11 != 0)
                .sink("out", to.clone());
        });
        run(&flow, config).expect("nothing fails");
        let records = sorted(&sink);
        assert_eq!(records.len(), (0..5000).filter(|n| n % 7 != 0 && n % 11 != 0).count());
        for record in &records {
            let number = number(record);
            let wanted = (number % 5 != 4).then(|| envelope(number));
            assert_eq!(record.envelope.as_deref(), wanted.as_ref(), "{number}");
        }
    });
}

#[test]
fn record_written_anew_keeps_what_the_broker_said_of_its_origin() {
    let sink = TestSink::new();
    let (to, looked) = (sink.clone(), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&looked);
    let flow = Dataflow::new("encode", move |flow| {
        let seen = Arc::clone(&seen);
        flow.source("in", received(10))
            .map(|record| String::from_utf8_lossy(record.value_or_empty()).into_owned())
            .encode(|text, out| {
                out.value(text.as_bytes());
                Ok::<_, std::fmt::Error>(())
            })
            .errors_fail()
            .inspect(move |record: Record<'_>| {
                let id = record.id().map(|id| id.to_string()).unwrap_or_default();
                seen.lock().expect("no panic").push(id);
            })
            .sink("out", to.clone());
    });
    run(&flow, Config::default()).expect("nothing fails");
    let wanted = |number| if number % 5 == 4 { String::new() } else { id(number) };
    assert_eq!(*looked.lock().expect("no panic"), (0..10).map(wanted).collect::<Vec<_>>());
    for record in sorted(&sink) {
        let number = number(&record);
        let same = (number % 5 != 4)
            .then(|| Box::new(OwnedEnvelope { ordering_key: None, ..envelope(number) }));
        assert_eq!(record.envelope, same, "the ordering key is the producer's, not the broker's");
    }
}

fn refuse(record: Record<'_>) -> Result<(), String> {
    if record.value_or_empty() == b"7" { Err("it is seven".to_owned()) } else { Ok(()) }
}

#[test]
fn error_names_the_record_as_the_broker_does() {
    let flow = Dataflow::new("stops", |flow| {
        flow.source("in", received(10)).try_map(refuse).errors_fail().discard();
    });
    let error = run(&flow, Config::default()).expect_err("the seventh is refused");
    assert_eq!(error.kind(), ErrorKind::BadItem);
    assert_eq!(error.place().position.as_deref(), Some("12:2:1"));
}

#[test]
fn panic_names_the_record_as_the_broker_does() {
    let flow = Dataflow::new("panics", |flow| {
        let panic = |record: Record<'_>| refuse(record).expect("seven is welcome");
        flow.source("in", received(10)).map(panic).discard();
    });
    let error = run(&flow, Config::default()).expect_err("the seventh makes it panic");
    assert_eq!(error.kind(), ErrorKind::Panic);
    assert_eq!(error.place().position.as_deref(), Some("12:2:1"));
}

#[test]
fn dead_letter_names_the_record_as_the_broker_does() {
    let sink = TestSink::new();
    let to = sink.clone();
    let flow = Dataflow::new("sets-aside", move |flow| {
        let (good, errors) = flow.source("in", received(10)).try_map(refuse).split_errors();
        good.discard();
        errors.dead_letters("rejected", to.clone());
    });
    run(&flow, Config::default()).expect("errors are set aside");
    let letter = sink.records().pop().expect("one is refused");
    let header = letter.headers.iter().find(|(name, _)| name == "millstream-position");
    assert_eq!(header.and_then(|(_, value)| value.as_deref()), Some(&b"12:2:1"[..]));
    let mut batch = RecordBatch::default();
    batch.push_owned(&letter);
    let read = DeadLetter::read(batch.get(0).expect("one record")).expect("it is a dead letter");
    let envelope = read.error.record.envelope.expect("it has an id");
    assert_eq!((envelope.id.as_deref(), read.error.record.position), (Some("12:2:1"), 0));
}
