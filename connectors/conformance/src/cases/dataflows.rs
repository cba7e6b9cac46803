//! What is promised of a whole dataflow: from a source of the connector to a sink of the connector, stopped and started again.
#![expect(clippy::missing_panics_doc, reason = "a case panics where the promise is broken")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use millstream_engine::batch::OwnedRecord;
use millstream_engine::sink::Sink;
use millstream_engine::source::Source;
use millstream_engine::testing::run_on;
use millstream_engine::{Config, Dataflow, Handle, run, start};

use super::{needs, sink_of, source_of};
use crate::reading::{number, numbered, numbers, numbers_of};
use crate::run::Skipped;
use crate::subject::{End, SourceSetup, Subject};

const N_PARTITIONS: u32 = 3;
const N_RECORDS: u64 = 30_000;

/// Every record arrives once and in the order of its key, on 1, 2 and 4 workers.
///
/// # Errors
/// Skipped without a bounded source or a sink.
pub fn dataflow_copies_all_in_order(subject: &dyn Subject) -> Result<(), Skipped> {
    let mut outcome = Ok(());
    run_on([1, 2, 4], |config| {
        outcome = outcome.and_then(|()| {
            let copy = Copy::new(subject)?;
            run(&copy.flow(subject, config.workers, true)?, config)
                .expect("the dataflow ends by itself");
            copy.assert_all_once(subject);
            Ok(())
        });
    });
    outcome
}

/// A graceful stop delivers and commits what was read: the next run goes on exactly there.
///
/// # Errors
/// Skipped without a replayable source or a sink.
pub fn stopped_dataflow_goes_on_exactly(subject: &dyn Subject) -> Result<(), Skipped> {
    run_on_each(|config| {
        let copy = Copy::new(subject)?;
        let mut n_copied = 0;
        for _ in 0..3 {
            let left = N_RECORDS - n_copied;
            let handle = start(&copy.flow(subject, config.workers, false)?, config.clone())
                .expect("the dataflow starts");
            wait_until_written(&handle, left.min(1), subject.patience());
            handle.stop();
            let counted = handle.wait().expect("a graceful stop is no error");
            n_copied += counted.step("out").map_or(0, |out| out.records);
        }
        run(&copy.flow(subject, config.workers, true)?, config)
            .expect("the dataflow ends by itself");
        copy.assert_all_once(subject);
        Ok(())
    })
}

/// A dataflow that is stopped at once confirms nothing it has not made durable: the next runs lose nothing.
///
/// # Errors
/// Skipped without a replayable source or a sink.
pub fn dataflow_stopped_at_once_loses_nothing(subject: &dyn Subject) -> Result<(), Skipped> {
    run_on_each(|config| {
        let copy = Copy::new(subject)?;
        let handle = start(&copy.flow(subject, config.workers, false)?, config.clone())
            .expect("the dataflow starts");
        wait_until_written(&handle, N_RECORDS / 5, subject.patience());
        handle.stop_now();
        let stopped = handle.wait().expect_err("it was not done");
        assert_eq!(stopped.code().to_string(), "E0603");
        run(&copy.flow(subject, config.workers, true)?, config)
            .expect("the dataflow ends by itself");
        copy.assert_none_lost(subject);
        Ok(())
    })
}

fn run_on_each(mut case: impl FnMut(Config) -> Result<(), Skipped>) -> Result<(), Skipped> {
    let mut outcome = Ok(());
    run_on([1, 3], |config| {
        let config = Config { commit_interval: Duration::from_millis(20), ..config };
        outcome = outcome.and_then(|()| case(config));
    });
    outcome
}

fn wait_until_written(handle: &Handle, n_records: u64, patience: Duration) {
    let end = Instant::now() + patience;
    while handle.metrics().step("out").is_none_or(|out| out.records < n_records) {
        assert!(Instant::now() < end, "{n_records} records are written in time");
        assert!(!handle.has_ended(), "the dataflow goes on until it is stopped");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// A topic of numbered records, and one to copy them to.
struct Copy {
    from: String,
    to: String,
}

impl Copy {
    fn new(subject: &dyn Subject) -> Result<Self, Skipped> {
        let copy = Self {
            from: subject.create_topic(N_PARTITIONS),
            to: subject.create_topic(N_PARTITIONS),
        };
        let source = source_of(subject, &copy.from, &setup(true))?;
        let can = source.capabilities();
        needs(can.replayable || can.redelivers, "the source cannot be read again")?;
        let per_partition = N_RECORDS / u64::from(N_PARTITIONS);
        for partition in 0..N_PARTITIONS {
            let first = u64::from(partition) * per_partition;
            subject.produce(&copy.from, partition, &numbered(first..first + per_partition));
        }
        Ok(copy)
    }

    /// A dataflow from one topic to the other. Its closure must own what it builds with: a source and a sink for the check
    /// and for every worker are made here.
    fn flow(
        &self,
        subject: &dyn Subject,
        n_workers: usize,
        until_end: bool,
    ) -> Result<Dataflow, Skipped> {
        let mut parts: Vec<(Box<dyn Source>, Box<dyn Sink>)> = Vec::new();
        for _ in 0..=n_workers {
            parts.push((
                source_of(subject, &self.from, &setup(until_end))?,
                sink_of(subject, &self.to)?,
            ));
        }
        let parts = Arc::new(Mutex::new(parts));
        Ok(Dataflow::new("conformance", move |flow| {
            let part = parts.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let (source, sink) = part.expect("the closure runs once, and once per worker");
            flow.source("in", source).sink("out", sink);
        }))
    }

    fn assert_all_once(&self, subject: &dyn Subject) {
        let n = usize::try_from(N_RECORDS).expect("it fits");
        let records = subject.records(&self.to, n);
        let mut seen = numbers(&records);
        seen.sort_unstable();
        assert_eq!(seen, numbers_of(0..N_RECORDS), "every record arrives once");
        assert!(
            subject.values_only() || records.iter().all(|record| record.key.is_some()),
            "every record was written with a key"
        );
        assert_in_order(&records);
    }

    fn assert_none_lost(&self, subject: &dyn Subject) {
        let n = usize::try_from(N_RECORDS).expect("it fits");
        let mut seen = numbers(&subject.records(&self.to, n));
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, numbers_of(0..N_RECORDS), "every record arrives");
    }
}

/// Records of one key that came from one partition keep their order; a key lies in several, so each third is checked alone.
fn assert_in_order(records: &[OwnedRecord]) {
    let per_partition = N_RECORDS / u64::from(N_PARTITIONS);
    let mut last: BTreeMap<(Option<Vec<u8>>, u64), u64> = BTreeMap::new();
    for record in records {
        let place = (record.key.clone(), number(record) / per_partition);
        let before = last.insert(place, number(record));
        assert!(before.is_none_or(|b| b < number(record)), "records of a key keep their order");
    }
}

fn setup(until_end: bool) -> SourceSetup {
    let end = if until_end { End::Latest } else { End::Never };
    SourceSetup { end, ..SourceSetup::default() }
}
