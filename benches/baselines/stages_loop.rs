//! The five stages as one loop over the batches, written by hand: nothing stands between a record and the sums.

use std::sync::Arc;

use millstream::ErrorRecord;
use millstream::batch::{Record, RecordBatch};
use millstream::clock::{SharedClock, SystemClock};

use crate::steps::{BadEvent, double, is_large, is_wanted, mark, parse};
use crate::tally::Tally;

/// Works off `n_batches`, in turns those of `batches`; returns the sums of events and errors.
pub(crate) fn run(batches: &[RecordBatch], n_batches: usize) -> (Tally, Tally) {
    let origins = Origins::new();
    let (mut events, mut failures) = (Tally::default(), Tally::default());
    let mut errors = Vec::new();
    for batch in batches.iter().cycle().take(n_batches) {
        for record in batch.iter() {
            match parse(record.value_or_empty()) {
                Err(bad) => errors.push(origins.error_record(record, &bad)),
                Ok(event) if is_large(&event) => {
                    let event = mark(double(event));
                    if is_wanted(&event) {
                        events.event(&event);
                    }
                }
                Ok(_) => {}
            }
        }
        for error in errors.drain(..) {
            failures.error(&error);
        }
    }
    (events, failures)
}

/// The names that every error shares, and the clock.
#[derive(Clone)]
pub(crate) struct Origins {
    dataflow: Arc<str>,
    step: Arc<str>,
    clock: SharedClock,
}

impl Origins {
    pub(crate) fn new() -> Self {
        Self { dataflow: "stages".into(), step: "parse".into(), clock: SystemClock::new() }
    }

    /// The same as the engine's: where it failed and why, with the record's bytes.
    #[cold]
    pub(crate) fn error_record(&self, record: Record<'_>, bad: &BadEvent) -> ErrorRecord {
        ErrorRecord {
            dataflow: Arc::clone(&self.dataflow),
            step: Arc::clone(&self.step),
            code: "E0301".into(),
            error: bad.to_string(),
            record: record.to_owned(),
            failed_at: self.clock.unix_millis(),
            attempts: 1,
        }
    }
}
