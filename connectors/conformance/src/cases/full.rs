//! What is promised of records that a sink's queue has no room for: they wait, or they are rejected, as the program chose.
#![expect(clippy::missing_panics_doc, reason = "a case panics where the promise is broken")]

use std::ops::Range;
use std::sync::mpsc::channel;

use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::codes;
use millstream_engine::sink::{Sink, WhenFull};
use millstream_engine::{Dataflow, ErrorKind, ErrorRecord, run};

use super::parts::{Parts, bounded, one_worker};
use super::{sink_of, source_of};
use crate::reading::{number, numbered, numbers, numbers_of};
use crate::run::Skipped;
use crate::subject::{QUEUED_RECORDS, Subject};
use crate::writing::{Writing, batch_of};

/// A sink that waits takes what its queue holds, and the rest as room comes; it rejects nothing.
///
/// # Errors
/// Skipped without a sink whose queue holds ten records.
pub fn full_queue_waits(subject: &dyn Subject) -> Result<(), Skipped> {
    let (topic, sink) = sink_of_ten(subject, WhenFull::Wait)?;
    let mut writing = Writing::open(subject, &*sink);
    let taken = writing.write_some(1, &batch_of(&of_a_hundred_bytes(0..30)));
    assert_eq!(taken, QUEUED_RECORDS, "a sink that waits takes what its queue holds");
    let rest = batch_of(&of_a_hundred_bytes(taken as u64..30));
    writing.write_all(1, &rest, || drop(subject.records(&topic, 0)));
    writing.settle();
    assert!(writing.rejected.is_empty(), "a sink that waits rejects nothing");
    let arrived = numbers(&subject.records(&topic, 30));
    assert_eq!(arrived, numbers_of(0..30), "what waits arrives, once, in order");
    writing.close();
    Ok(())
}

/// A sink that rejects takes everything at once: what its queue holds is delivered, the rest comes back with `E0142`, once.
///
/// # Errors
/// Skipped without a sink whose queue holds ten records and that can reject.
pub fn full_queue_rejects_where_asked(subject: &dyn Subject) -> Result<(), Skipped> {
    let (topic, sink) = sink_of_ten(subject, WhenFull::Reject)?;
    let mut writing = Writing::open(subject, &*sink);
    let taken = writing.write_some(1, &batch_of(&of_a_hundred_bytes(0..30)));
    assert_eq!(taken, 30, "a sink that rejects takes every record at once");
    assert_eq!(writing.oldest_unconfirmed(), Some(1), "what is queued or to be told is open");
    writing.settle();
    let told: Vec<u64> = writing.rejected.iter().map(|told| number(&told.record)).collect();
    assert_eq!(told, numbers_of(10..30), "what finds no room is rejected, exactly once");
    for rejected in &writing.rejected {
        let said = (rejected.epoch, rejected.error.code(), rejected.error.kind());
        let expected = (1, codes::QUEUE_FULL, ErrorKind::Unavailable);
        assert_eq!(said, expected, "a rejection says why: {}", rejected.error.report());
    }
    let arrived = numbers(&subject.records(&topic, QUEUED_RECORDS));
    assert_eq!(arrived, numbers_of(0..10), "what is queued goes on, and nothing rejected is sent");
    let n_told = told.len();
    writing.write_all(2, &batch_of(&of_a_hundred_bytes(30..35)), || ());
    writing.settle();
    assert_eq!(writing.rejected.len(), n_told, "where there is room again nothing is rejected");
    let in_the_end = numbers(&subject.records(&topic, QUEUED_RECORDS + 5));
    assert_eq!(in_the_end, [numbers_of(0..10), numbers_of(30..35)].concat(), "and order is kept");
    writing.close();
    Ok(())
}

/// A dataflow whose sink rejects goes on at full speed: each record is delivered or on the error stream, once, in order.
///
/// # Errors
/// Skipped without a source, or a sink whose queue holds ten records and that can reject.
pub fn full_queue_sheds_load_to_the_error_stream(subject: &dyn Subject) -> Result<(), Skipped> {
    let (to, sink) = sink_of_ten(subject, WhenFull::Reject)?;
    let from = subject.create_topic(1);
    subject.produce(&from, 0, &numbered(0..3000));
    let sources = Parts::new(1, || source_of(subject, &from, &bounded()))?;
    let sinks = Parts::of_two(sink_of(subject, &to)?, sink);
    let (send, errors) = channel();
    let flow = Dataflow::new("conformance", move |flow| {
        let send = send.clone();
        let undelivered = flow.source("in", sources.take()).sink_with_errors("out", sinks.take());
        undelivered.for_each(move |error| send.send(error).expect("the case listens"));
    });
    run(&flow, one_worker()).expect("what finds no room stops nothing on an error stream");
    drop(flow);
    let errors: Vec<ErrorRecord> = errors.into_iter().collect();
    assert!(!errors.is_empty(), "a full queue sheds load");
    let is_named = |error: &ErrorRecord| &*error.code == codes::QUEUE_FULL.0;
    assert!(errors.iter().all(is_named), "errors have the code of a full queue");
    let told: Vec<u64> = errors.iter().map(|error| number(&error.record)).collect();
    let delivered = numbers(&subject.records(&to, 3000 - told.len().min(3000)));
    assert!(delivered.len() >= QUEUED_RECORDS, "what is queued goes on");
    assert!(told.is_sorted() && delivered.is_sorted(), "both sides keep their order");
    let mut all = [told, delivered].concat();
    all.sort_unstable();
    assert_eq!(all, numbers_of(0..3000), "each record is delivered or told, exactly once");
    Ok(())
}

/// In direct style the dataflow stops at the first record that finds no room, and says so.
///
/// # Errors
/// Skipped without a source, or a sink whose queue holds ten records and that can reject.
pub fn full_queue_stops_the_dataflow_where_asked(subject: &dyn Subject) -> Result<(), Skipped> {
    let (to, sink) = sink_of_ten(subject, WhenFull::Reject)?;
    let from = subject.create_topic(1);
    subject.produce(&from, 0, &numbered(0..3000));
    let sources = Parts::new(1, || source_of(subject, &from, &bounded()))?;
    let sinks = Parts::of_two(sink_of(subject, &to)?, sink);
    let flow = Dataflow::new("conformance", move |flow| {
        flow.source("in", sources.take()).sink("out", sinks.take());
    });
    let error = run(&flow, one_worker()).expect_err("a dataflow without error stream stops");
    let report = error.report();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "a restart can help: {report}");
    assert!(report.contains(codes::QUEUE_FULL.0), "the stop names the full queue: {report}");
    Ok(())
}

fn sink_of_ten(
    subject: &dyn Subject,
    when_full: WhenFull,
) -> Result<(String, Box<dyn Sink>), Skipped> {
    let made = subject.sink_of_ten(when_full);
    made.ok_or(Skipped("the connector has no sink of ten records that does so when it is full"))
}

/// Numbered records of a hundred bytes each.
fn of_a_hundred_bytes(numbers: Range<u64>) -> Vec<OwnedRecord> {
    let padded = |n: u64| OwnedRecord::of(format!("{n:098}")).with_key(format!("k{}", n % 7));
    numbers.map(padded).collect()
}
