//! What a closure of [`from_fn`](super::from_fn) fills: one batch, and what it may know of it.
//!
//! Invariant: records stand at the positions 0, 1, 2 and so on, in the order in which they were pushed.

use std::fmt;
use std::time::Duration;

use crate::batch::{OwnedRecord, RecordBatch, RecordWriter};
use crate::source::ReaderContext;

/// A batch to be filled by a source of the program's own.
///
/// Whatever was pushed is handed out when the closure returns, also before an error or the end.
pub struct Fill<'b> {
    batch: &'b mut RecordBatch,
    first: u64,
    max_bytes: usize,
    max_records: usize,
    wait: Duration,
}

impl fmt::Debug for Fill<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fill").field("position", &self.position()).finish_non_exhaustive()
    }
}

impl<'b> Fill<'b> {
    pub(super) fn new(
        batch: &'b mut RecordBatch,
        first: u64,
        cx: &ReaderContext,
        wait: Duration,
    ) -> Self {
        let (max_bytes, max_records) = (cx.batch_bytes, cx.batch_records.max(1));
        Self { batch, first, max_bytes, max_records, wait }
    }

    /// Adds a record: a value, a key and a value, or an [`OwnedRecord`] with headers and time. Its position is set here.
    pub fn push(&mut self, record: impl Into<OwnedRecord>) {
        let record = OwnedRecord { position: self.position(), origin: None, ..record.into() };
        self.batch.push_owned(&record);
    }

    /// Starts a record that is written piece by piece, without memory of its own. Its position is set already.
    pub fn writer(&mut self) -> RecordWriter<'_> {
        let position = self.position();
        let mut writer = self.batch.writer();
        writer.position(position);
        writer
    }

    /// Bytes and records at which the batch is full.
    #[cfg(feature = "io")]
    pub(super) fn limits(&self) -> (usize, usize) {
        (self.max_bytes, self.max_records)
    }

    /// Takes the records of `other`, whose positions are set, and leaves it those of an empty batch.
    #[cfg(feature = "io")]
    pub(super) fn swap(&mut self, other: &mut RecordBatch) {
        self.batch.swap_records(other);
    }

    /// The position of the next record: how many came before it. In a source that can be replayed it starts where the last run
    /// ended, which the closure must look at; in any other at 0.
    pub fn position(&self) -> u64 {
        self.first + self.batch.len() as u64
    }

    /// Whether another record fits; a closure that goes on all the same makes a larger batch, nothing worse.
    pub fn has_room(&self) -> bool {
        self.batch.len() < self.max_records && self.batch.n_bytes() < self.max_bytes
    }

    /// Whether nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// How long the closure may wait for something to push, before it says [`Read::Idle`](super::Read::Idle).
    pub fn wait(&self) -> Duration {
        self.wait
    }
}
