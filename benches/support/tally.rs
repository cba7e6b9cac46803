//! What comes out at the end of the stages, summed up so that contenders can be compared.

use std::sync::atomic::{AtomicU64, Ordering};

use millstream::ErrorRecord;

use crate::run::Seen;
use crate::steps::{Event, digest};

/// Sums of one side, kept by the thread that works.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    n_items: u64,
    sum: u64,
}

impl Tally {
    #[inline]
    pub(crate) fn event(&mut self, event: &Event) {
        self.n_items += 1;
        self.sum = self.sum.wrapping_add(digest(event));
    }

    /// Reads the text and the bytes of an error, as whoever writes it somewhere does.
    pub(crate) fn error(&mut self, error: &ErrorRecord) {
        let record = &error.record;
        let bytes = [&record.key, &record.value].into_iter().flatten().flatten();
        let bytes = bytes.chain(error.error.as_bytes()).chain(error.step.as_bytes());
        self.n_items += 1;
        self.sum += bytes.map(|byte| u64::from(*byte)).sum::<u64>() + record.position;
    }
}

/// Where the tallies of both sides arrive once the work is done.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    events: [AtomicU64; 2],
    errors: [AtomicU64; 2],
}

impl Tallies {
    pub(crate) const fn new() -> Self {
        Self {
            events: [AtomicU64::new(0), AtomicU64::new(0)],
            errors: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }

    pub(crate) fn set_events(&self, tally: &Tally) {
        set(&self.events, tally);
    }

    pub(crate) fn set_errors(&self, tally: &Tally) {
        set(&self.errors, tally);
    }

    pub(crate) fn seen(&self) -> Seen {
        let get =
            |name: &str, number: &AtomicU64| (name.to_owned(), number.load(Ordering::Relaxed));
        Seen::from([
            get("events", &self.events[0]),
            get("sum of events", &self.events[1]),
            get("errors", &self.errors[0]),
            get("sum of errors", &self.errors[1]),
        ])
    }
}

fn set(to: &[AtomicU64; 2], tally: &Tally) {
    to[0].store(tally.n_items, Ordering::Relaxed);
    to[1].store(tally.sum, Ordering::Relaxed);
}
