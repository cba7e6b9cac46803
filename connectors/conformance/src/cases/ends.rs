//! What is promised of a bounded source: where it ends, and that it does.
#![expect(clippy::missing_panics_doc, reason = "a case panics where the promise is broken")]

use std::ops::Range;
use std::time::{Duration, Instant};

use millstream_engine::batch::OwnedRecord;
use millstream_engine::source::{Read, Source};

use super::source_of;
use crate::reading::{Limits, Reading, number, numbered, numbers, numbers_of};
use crate::run::Skipped;
use crate::subject::{End, SourceSetup, Start, Subject};

/// The time of the record with number 0.
const EPOCH: i64 = 1_700_000_000_000;

/// A bounded source ends after the last record of every partition, empty ones among them.
///
/// # Errors
/// Skipped without a bounded source.
pub fn bounded_source_ends(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(3);
    subject.produce(&topic, 0, &numbered(0..10));
    subject.produce(&topic, 2, &numbered(10..1000));
    assert_eq!(read_to_the_end(subject, &topic)?, 1000, "everything is read before the end");
    Ok(())
}

/// A bounded source of an empty topic ends.
///
/// # Errors
/// Skipped without a bounded source.
pub fn bounded_source_ends_without_records(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(2);
    assert_eq!(read_to_the_end(subject, &topic)?, 0, "an empty topic has no record");
    Ok(())
}

/// A bounded reader without partitions ends.
///
/// # Errors
/// Skipped without a bounded source.
pub fn bounded_reader_ends_without_partitions(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(1);
    subject.produce(&topic, 0, &numbered(0..10));
    let source = source_that_ends(subject, &topic, &at_the_end())?;
    let reading = Reading::open_idle(subject, &*source, Limits::default()).expect("opening");
    assert_eq!(count_to_the_end(subject, reading), 0, "no partition is no record");
    Ok(())
}

/// A partition with a position to end at hands out what lies before it, the others all that is there.
///
/// # Errors
/// Skipped without a source that ends at positions.
pub fn reading_ends_before_positions(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(3);
    for index in 0..3 {
        let first = u64::from(index) * 100;
        subject.produce(&topic, index, &timed(first..first + 50));
    }
    let end = End::Positions([(0, 20), (1, 0)].into());
    let seen = read_up_to(subject, &topic, end, &SourceSetup::default())?;
    assert_eq!(seen, (0..20).chain(200..250).collect::<Vec<_>>(), "each partition ends at its end");
    Ok(())
}

/// What lies before the first record of a time is handed out, per partition.
///
/// # Errors
/// Skipped without a source that ends at a time.
pub fn reading_ends_before_a_time(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(2);
    subject.produce(&topic, 0, &timed(0..100));
    subject.produce(&topic, 1, &timed(100..110));
    for (time, n_expected) in [(40, 40), (105, 105), (1_000_000, 110), (-1, 0)] {
        let setup = SourceSetup { group: format!("until{time}"), ..SourceSetup::default() };
        let seen = read_up_to(subject, &topic, End::Time(EPOCH + time), &setup)?;
        assert_eq!(
            seen,
            numbers_of(0..n_expected),
            "reading ends before the first record of a time"
        );
    }
    Ok(())
}

/// A partition whose end lies before its start ends at once.
///
/// # Errors
/// Skipped without a source that ends at positions or at a time.
pub fn end_before_the_start_is_at_once(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(1);
    subject.produce(&topic, 0, &timed(0..50));
    let setup = SourceSetup { start: Start::Latest, ..SourceSetup::default() };
    let source = source_of(subject, &topic, &setup)?;
    Reading::open(subject, &*source, Limits::default()).expect("opening the source").close();
    // Reading goes on here, because the first run pinned its start, and there is something to hand out too much of.
    subject.produce(&topic, 0, &timed(50..100));
    for end in [End::Positions([(0, 20)].into()), End::Time(EPOCH)] {
        let seen = read_up_to(subject, &topic, end, &setup)?;
        assert!(seen.is_empty(), "an end before the start is at once");
    }
    Ok(())
}

/// Numbered records, each a millisecond later than the one before.
fn timed(range: Range<u64>) -> Vec<OwnedRecord> {
    let mut records = numbered(range);
    for record in &mut records {
        record.time = i64::try_from(number(record)).ok().map(|number| EPOCH + number);
    }
    records
}

/// The numbers that are handed out up to an end, sorted.
fn read_up_to(
    subject: &dyn Subject,
    topic: &str,
    end: End,
    setup: &SourceSetup,
) -> Result<Vec<u64>, Skipped> {
    let setup = SourceSetup { end, ..setup.clone() };
    let source = source_that_ends(subject, topic, &setup)?;
    let reading = Reading::open(subject, &*source, Limits::default()).expect("opening the source");
    let mut seen = numbers(&records_to_the_end(subject, reading));
    seen.sort_unstable();
    Ok(seen)
}

fn at_the_end() -> SourceSetup {
    SourceSetup { end: End::Latest, ..SourceSetup::default() }
}

fn source_that_ends(
    subject: &dyn Subject,
    topic: &str,
    setup: &SourceSetup,
) -> Result<Box<dyn Source>, Skipped> {
    let source = source_of(subject, topic, setup)?;
    assert!(source.capabilities().bounded, "a source that ends says so");
    Ok(source)
}

fn read_to_the_end(subject: &dyn Subject, topic: &str) -> Result<usize, Skipped> {
    let source = source_that_ends(subject, topic, &at_the_end())?;
    let reading = Reading::open(subject, &*source, Limits::default()).expect("opening the source");
    Ok(count_to_the_end(subject, reading))
}

fn count_to_the_end(subject: &dyn Subject, reading: Reading) -> usize {
    records_to_the_end(subject, reading).len()
}

fn records_to_the_end(subject: &dyn Subject, mut reading: Reading) -> Vec<OwnedRecord> {
    let deadline = Instant::now() + subject.patience();
    let mut records = Vec::new();
    loop {
        assert!(Instant::now() < deadline, "a bounded source ends");
        match reading.read(Duration::from_millis(50)).expect("reading") {
            Read::Records => records.extend(reading.records()),
            Read::Idle => {}
            Read::End => break,
        }
    }
    reading.close();
    records
}
