//! The five stages as one loop over the batches, written by hand: nothing stands between a record and the sums.

use millstream::ErrorRecord;
use millstream::batch::{Record, RecordBatch};
use millstream::clock::{SharedClock, SystemClock};

use crate::steps::{BadEvent, double, is_large, is_wanted, mark, parse};
use crate::tally::Tally;

/// Works off `n_batches`, in turns those of `batches`; returns the sums of events and errors.
pub(crate) fn run(batches: &[RecordBatch], n_batches: usize) -> (Tally, Tally) {
    let clock = SystemClock::new();
    let (mut events, mut failures) = (Tally::default(), Tally::default());
    let mut errors = Vec::new();
    for batch in batches.iter().cycle().take(n_batches) {
        for record in batch.iter() {
            match parse(record.value_or_empty()) {
                Err(bad) => errors.push(error_record(record, &bad, &clock)),
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

/// The same as the engine's: where it failed and why, with the record's bytes.
#[cold]
pub(crate) fn error_record(record: Record<'_>, bad: &BadEvent, clock: &SharedClock) -> ErrorRecord {
    ErrorRecord {
        dataflow: "stages".to_owned(),
        step: "parse".to_owned(),
        code: "E0301".to_owned(),
        error: bad.to_string(),
        record: record.to_owned(),
        failed_at: clock.unix_millis(),
        attempts: 1,
    }
}
