//! What is promised of positions: where reading resumes, and what is committed.
#![expect(clippy::missing_panics_doc, reason = "a case panics where the promise is broken")]

use std::time::{Duration, Instant};

use millstream_engine::error::{ErrorKind, codes};
use millstream_engine::source::Found;

use super::{needs, source_of};
use crate::reading::{Limits, Reading, comes_from, numbered, numbers, numbers_of};
use crate::run::Skipped;
use crate::subject::{Expired, SourceSetup, Start, Subject};

const TENS: Limits = Limits { bytes: 128 << 10, records: 10 };

/// What closing may take longer than its deadline, on a busy machine.
const SLACK: Duration = Duration::from_secs(2);

/// A reader that confirmed some of its batches is followed by one that goes on exactly after them.
///
/// # Errors
/// Skipped without a source.
pub fn reading_resumes_after_confirmed_batches(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(1);
    subject.produce(&topic, 0, &numbered(0..100));
    let setup = SourceSetup::default();
    let source = source_of(subject, &topic, &setup)?;
    let mut first = Reading::open(subject, &*source, TENS).expect("opening the source");
    let mut n_confirmed = 0;
    for n_batches in [1, 2] {
        for _ in 0..n_batches {
            n_confirmed += first.batch().expect("reading").len() as u64;
        }
        assert_eq!(first.confirm(n_batches).len(), 1, "one position per partition is told");
    }
    first.close();
    let mut second = Reading::open(subject, &*source, TENS).expect("opening the source again");
    let rest =
        numbers(&second.take(100 - usize::try_from(n_confirmed).unwrap_or(0)).expect("reading"));
    assert_eq!(
        rest,
        numbers_of(n_confirmed..100),
        "reading resumes exactly after what was confirmed"
    );
    second.close();
    Ok(())
}

/// A position that `confirm` told, and the engine stored, is where reading resumes, whatever the broker has committed.
///
/// # Errors
/// Skipped without a replayable source.
pub fn reading_resumes_at_stored_positions(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(2);
    subject.produce(&topic, 0, &numbered(0..40));
    subject.produce(&topic, 1, &numbered(100..140));
    let source = source_of(subject, &topic, &SourceSetup::default())?;
    needs(source.capabilities().replayable, "the source does not replay")?;
    let mut first = Reading::open(subject, &*source, TENS).expect("opening the source");
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.extend(numbers(&first.batch().expect("reading")));
    }
    let stored = first.confirm(4);
    first.close();

    let other = SourceSetup { group: "other".to_owned(), ..SourceSetup::default() };
    let other = source_of(subject, &topic, &other)?;
    let mut second =
        Reading::open_at(subject, &*other, TENS, &stored).expect("opening at stored positions");
    let rest = second.take(80 - seen.len()).expect("reading");
    seen.extend(numbers(&rest));
    seen.sort_unstable();
    let all: Vec<u64> = (0..40).chain(100..140).collect();
    assert_eq!(seen, all, "stored positions lose nothing and repeat nothing");
    second.close();
    Ok(())
}

/// What was read and not confirmed comes again: nothing is committed for having been read.
///
/// # Errors
/// Skipped without a source.
pub fn unconfirmed_batches_are_never_committed(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(1);
    subject.produce(&topic, 0, &numbered(0..50));
    let source = source_of(subject, &topic, &SourceSetup::default())?;
    let mut expected_first = 0;
    for n_confirmed in [0, 1, 0] {
        let mut reading = Reading::open(subject, &*source, TENS).expect("opening the source");
        let first = reading.batch().expect("reading");
        let start = numbers(&first).first().copied();
        assert_eq!(start, Some(expected_first), "what was not confirmed comes again");
        for _ in 0..2 {
            reading.batch().expect("reading on");
        }
        reading.confirm(n_confirmed);
        reading.close();
        expected_first += n_confirmed * first.len() as u64;
    }
    Ok(())
}

/// With the policy *stop*, an expired position is an error that names the choices.
///
/// # Errors
/// Skipped when positions cannot be made to expire.
pub fn expired_position_stops_reading(subject: &dyn Subject) -> Result<(), Skipped> {
    let opened = open_expired(subject, Expired::Stop)?;
    let outcome = opened.and_then(|mut reading| reading.take(1));
    let error =
        outcome.map(|records| numbers(&records)).expect_err("an expired position is an error");
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Corrupt, codes::EXPIRED_POSITION),
        "{error:?}"
    );
    let hint = error.hint().unwrap_or_default().to_lowercase();
    assert!(
        hint.contains("earliest") && hint.contains("latest"),
        "the hint names the choices: {error:?}"
    );
    Ok(())
}

/// With the policy *earliest*, reading goes on with the first record kept.
///
/// # Errors
/// Skipped when positions cannot be made to expire.
pub fn expired_position_moves_to_the_earliest(subject: &dyn Subject) -> Result<(), Skipped> {
    let mut reading = open_expired(subject, Expired::Earliest)?.expect("opening the source again");
    let rest = numbers(&reading.take(50).expect("reading"));
    assert_eq!(rest, numbers_of(50..100), "reading goes on with the first record kept");
    reading.close();
    Ok(())
}

/// With the policy *latest*, reading goes on after the last record.
///
/// # Errors
/// Skipped when positions cannot be made to expire.
pub fn expired_position_moves_to_the_latest(subject: &dyn Subject) -> Result<(), Skipped> {
    let mut reading = open_expired(subject, Expired::Latest)?.expect("opening the source again");
    assert!(reading.rest().expect("reading").is_empty(), "nothing old is read");
    let topic = reading.partitions[0].topic.to_string();
    subject.produce(&topic, 0, &numbered(100..110));
    let rest = numbers(&reading.take(10).expect("reading"));
    assert_eq!(rest, numbers_of(100..110), "reading goes on after the last record");
    reading.close();
    Ok(())
}

/// Reads and confirms 10 of 100 records, makes the first 50 expire, and opens again.
fn open_expired(
    subject: &dyn Subject,
    expired: Expired,
) -> Result<millstream_engine::Result<Reading>, Skipped> {
    let topic = subject.create_topic(1);
    subject.produce(&topic, 0, &numbered(0..100));
    let setup = SourceSetup { expired, ..SourceSetup::default() };
    let source = source_of(subject, &topic, &setup)?;
    let mut reading = Reading::open(subject, &*source, TENS).expect("opening the source");
    reading.batch().expect("reading");
    reading.confirm(1);
    reading.close();
    needs(subject.expire(&topic, 0, 50), "positions cannot be made to expire")?;
    Ok(Reading::open(subject, &*source, TENS))
}

/// A partition that was empty at the first start is read from where it stood then, also when the start setting is *latest*.
///
/// # Errors
/// Skipped without a source.
pub fn empty_partitions_are_not_skipped_later(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(4);
    subject.produce(&topic, 0, &numbered(0..10));
    let setup = SourceSetup { start: Start::Latest, ..SourceSetup::default() };
    let source = source_of(subject, &topic, &setup)?;
    let mut first = Reading::open(subject, &*source, TENS).expect("opening the source");
    assert!(first.rest().expect("reading").is_empty(), "latest starts after the last record");
    first.close();
    for index in 0..4 {
        subject.produce(&topic, index, &numbered(100..110));
    }
    let mut second = Reading::open(subject, &*source, TENS).expect("opening the source again");
    let records = second.take(40).expect("reading");
    for index in 0..4 {
        let own = records.iter().filter(comes_from(subject, &topic, index)).count();
        assert_eq!(own, 10, "what came between two runs is read, in every partition");
    }
    second.close();
    Ok(())
}

/// A partition that appears while running is read from its first record, also when the start setting is *latest*.
///
/// # Errors
/// Skipped when partitions cannot be added.
pub fn new_partitions_are_read_from_their_start(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(1);
    let setup = SourceSetup { start: Start::Latest, ..SourceSetup::default() };
    let source = source_of(subject, &topic, &setup)?;
    let mut reading = Reading::open(subject, &*source, TENS).expect("opening the source");
    needs(subject.add_partitions(&topic, 1), "partitions cannot be added")?;
    subject.produce(&topic, 1, &numbered(0..20));
    let deadline = Instant::now() + subject.patience();
    let known = reading.partitions.clone();
    let new = loop {
        let mut found = reading.finder.find().expect("finding partitions again");
        found.retain(|partition| !known.contains(partition));
        if !found.is_empty() {
            break found;
        }
        assert!(Instant::now() < deadline, "a new partition is found");
    };
    reading.assign(&new, &[], Found::WhileRunning).expect("assigning a new partition");
    let records = numbers(&reading.take(20).expect("reading"));
    assert_eq!(records, numbers_of(0..20), "a new partition is read from its first record");
    reading.close();
    Ok(())
}

/// `close` returns by its deadline though the other side does not answer; nothing is lost by that.
///
/// # Errors
/// Skipped when the other side cannot be stalled.
pub fn reader_closes_within_its_deadline(subject: &dyn Subject) -> Result<(), Skipped> {
    subject.isolate();
    let topic = subject.create_topic(1);
    subject.produce(&topic, 0, &numbered(0..20));
    let source = source_of(subject, &topic, &SourceSetup::default())?;
    let mut reading = Reading::open(subject, &*source, TENS).expect("opening the source");
    reading.batch().expect("reading");
    needs(subject.stall(&topic), "the other side cannot be stalled")?;
    reading.confirm(1);
    let deadline = Duration::from_millis(200);
    let start = Instant::now();
    let outcome = reading.reader.close(deadline);
    let elapsed = start.elapsed();
    subject.release(&topic);
    assert!(elapsed < deadline + SLACK, "close returns by its deadline");
    if let Err(error) = outcome {
        assert_eq!(
            error.kind(),
            ErrorKind::Unavailable,
            "the error says that a retry helps: {error:?}"
        );
    }
    let mut again = Reading::open(subject, &*source, TENS).expect("opening the source again");
    let seen = numbers(&again.take(10).expect("reading"));
    assert!(matches!(seen.first(), Some(0..=10)), "nothing is lost by a close that was cut short");
    again.close();
    Ok(())
}
