//! What is promised of records and batches on their way in.
#![expect(clippy::missing_panics_doc, reason = "a case panics where the promise is broken")]

use std::thread;
use std::time::{Duration, Instant};

use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::codes;
use millstream_engine::source::{Read, Source};

use super::{needs, source_of};
use crate::reading::{Limits, Reading, comes_from, number, numbered, numbers, open_context};
use crate::run::Skipped;
use crate::subject::{SourceSetup, Subject};

/// What a wait may take longer than asked, on a busy machine.
const SLACK: Duration = Duration::from_secs(2);

/// Records of one partition come in the order they were written, at rising positions.
///
/// # Errors
/// Skipped without a source.
pub fn records_of_a_partition_arrive_in_order(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(3);
    for round in 0..10 {
        for index in 0..3 {
            subject.produce(&topic, index, &numbered(round * 100..(round + 1) * 100));
        }
    }
    let source = source_of(subject, &topic, &SourceSetup::default())?;
    let mut reading =
        Reading::open(subject, &*source, Limits::default()).expect("opening the source");
    let records = reading.take(3000).expect("reading");
    for index in 0..3 {
        let own = records.iter().filter(comes_from(subject, &topic, index));
        let own: Vec<_> = own.map(|record| (number(record), record.position)).collect();
        assert!(own.is_sorted(), "records of a partition come in order, at rising positions");
        assert_eq!(own.len(), 1000, "every record of the partition is read");
    }
    reading.close();
    Ok(())
}

/// Without a failure, each of 100,000 records is read exactly once.
///
/// # Errors
/// Skipped without a source.
pub fn nothing_is_lost_or_repeated(subject: &dyn Subject) -> Result<(), Skipped> {
    const N: u64 = 100_000;
    let topic = subject.create_topic(4);
    for (index, first) in (0..4).zip((0..N).step_by(25_000)) {
        subject.produce(&topic, index, &numbered(first..first + 25_000));
    }
    let source = source_of(subject, &topic, &SourceSetup::default())?;
    let mut reading =
        Reading::open(subject, &*source, Limits::default()).expect("opening the source");
    let mut seen = numbers(&reading.take(100_000).expect("reading"));
    seen.extend(numbers(&reading.rest().expect("reading on")));
    seen.sort_unstable();
    let n_seen = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), n_seen, "no record is read twice");
    assert_eq!(n_seen, 100_000, "no record is lost");
    reading.close();
    Ok(())
}

/// A null key, value or header is not an empty one.
///
/// # Errors
/// Skipped without a source.
pub fn null_and_empty_are_read_apart(subject: &dyn Subject) -> Result<(), Skipped> {
    needs(!subject.values_only(), "records are values alone")?;
    let topic = subject.create_topic(1);
    let written = records_of_all_kinds(subject);
    subject.produce(&topic, 0, &written);
    let source = source_of(subject, &topic, &SourceSetup::default())?;
    let mut reading =
        Reading::open(subject, &*source, Limits::default()).expect("opening the source");
    let read = reading.take(written.len()).expect("reading");
    assert_same_content(&read, &written);
    reading.close();
    Ok(())
}

/// Every mixture of null, empty and present.
pub(super) fn records_of_all_kinds(subject: &dyn Subject) -> Vec<OwnedRecord> {
    let may_be_null = !subject.text_headers();
    let parts = || [None, Some(Vec::new()), Some(b"x".to_vec())];
    let mut records = Vec::new();
    for key in parts() {
        for value in parts() {
            for header in parts().into_iter().filter(|header| may_be_null || header.is_some()) {
                let headers = vec![("h".to_owned(), header), ("h".to_owned(), Some(b"2".to_vec()))];
                let time =
                    Some(1_700_000_000_000 + i64::try_from(records.len()).unwrap_or_default());
                let (key, value) = (key.clone(), value.clone());
                records.push(OwnedRecord { key, value, headers, time, ..OwnedRecord::default() });
            }
        }
    }
    records.push(OwnedRecord { time: Some(1_700_000_000_000), ..OwnedRecord::of("no header") });
    records
}

pub(super) fn assert_same_content(read: &[OwnedRecord], written: &[OwnedRecord]) {
    assert_eq!(read.len(), written.len(), "as many records come back as were written");
    for (back, sent) in read.iter().zip(written) {
        assert_eq!(back.key, sent.key, "null and empty keys are kept apart");
        assert_eq!(back.value, sent.value, "null and empty values are kept apart");
        assert_eq!(back.headers, sent.headers, "headers are kept, in order, null apart from empty");
        assert_eq!(back.time, sent.time, "the event time is kept");
    }
}

/// A batch keeps to the records and bytes asked for; a record larger than a batch comes alone.
///
/// # Errors
/// Skipped without a source.
pub fn batches_keep_within_their_limits(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(2);
    subject.produce(&topic, 0, &numbered(0..500));
    subject.produce(&topic, 1, &numbered(500..1000));
    subject.produce(&topic, 1, &[OwnedRecord::of(vec![b'0'; 5000])]);
    subject.produce(&topic, 1, &numbered(1000..1100));
    for limits in [Limits { bytes: 100, records: 1000 }, Limits { bytes: 1 << 20, records: 7 }] {
        let setup =
            SourceSetup { group: format!("limits-{}", limits.bytes), ..SourceSetup::default() };
        let source = source_of(subject, &topic, &setup)?;
        let mut reading = Reading::open(subject, &*source, limits).expect("opening the source");
        let records = reading.take(1101).expect("reading");
        assert_eq!(records.len(), 1101, "small batches lose nothing");
        reading.close();
    }
    Ok(())
}

/// `read` returns when its wait is over, though nothing came; with no wait it returns at once.
///
/// # Errors
/// Skipped without a source.
pub fn read_waits_no_longer_than_asked(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(2);
    let source = source_of(subject, &topic, &SourceSetup::default())?;
    let mut reading =
        Reading::open(subject, &*source, Limits::default()).expect("opening the source");
    for wait in [Duration::ZERO, Duration::from_millis(100)] {
        let start = Instant::now();
        assert_eq!(reading.read(wait).expect("reading an empty topic"), Read::Idle);
        assert!(start.elapsed() < wait + SLACK, "read waits no longer than asked");
    }
    reading.close();
    Ok(())
}

/// `read` that brings nothing has waited: otherwise its thread would spin. So does a reader without partitions, which is
/// what a worker has when there are more workers than partitions.
///
/// # Errors
/// Skipped without a source.
pub fn idle_reader_does_not_spin(subject: &dyn Subject) -> Result<(), Skipped> {
    const N_READS: u32 = 5;
    let wait = Duration::from_millis(40);
    let topic = subject.create_topic(1);
    let source = source_of(subject, &topic, &SourceSetup::default())?;
    let mut assigned = Reading::open(subject, &*source, Limits::default()).expect("opening");
    let mut unassigned = Reading::open_idle(subject, &*source, Limits::default()).expect("opening");
    for reading in [&mut assigned, &mut unassigned] {
        let start = Instant::now();
        for _ in 0..N_READS {
            assert_eq!(reading.read(wait).expect("reading"), Read::Idle, "nothing is no record");
        }
        assert!(start.elapsed() > wait * N_READS / 2, "read waits when there is nothing");
    }
    assigned.close();
    unassigned.close();
    Ok(())
}

/// `read` returns long before its wait is over when a record arrives.
///
/// # Errors
/// Skipped without a source.
pub fn read_returns_when_records_arrive(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(1);
    let source = source_of(subject, &topic, &SourceSetup::default())?;
    let mut reading =
        Reading::open(subject, &*source, Limits::default()).expect("opening the source");
    let wait = 2 * subject.patience();
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| subject.produce(&topic, 0, &numbered(0..1)));
        assert_eq!(
            reading.read(wait).expect("reading"),
            Read::Records,
            "a record that arrives is read"
        );
    });
    assert!(start.elapsed() < subject.patience(), "read returns as soon as something is there");
    reading.close();
    Ok(())
}

/// A topic that does not exist is an error that names one of a like name.
///
/// # Errors
/// Skipped without a source.
pub fn unknown_topic_names_a_suggestion(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(1);
    let source = source_of(subject, &format!("{topic}x"), &SourceSetup::default())?;
    let found = source.finder(&open_context("source")).and_then(|mut finder| finder.find());
    let error = found.expect_err("a topic that does not exist is an error");
    assert_eq!(
        error.code(),
        codes::UNKNOWN_TOPIC,
        "the error says that the topic is unknown: {error:?}"
    );
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains(&topic), "the hint names the topic of a like name: {error:?}");
    Ok(())
}
