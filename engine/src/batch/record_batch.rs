//! The arena batch: what readers fill, stages read and writers take.

use serde::{Deserialize, Serialize};

use super::destination_column::DestinationColumn;
use super::envelope_column::EnvelopeColumn;
use super::{Entry, Origin, Record, Run};

mod columns;
mod push;

/// The arena size at which a batch is full: 128 KiB.
///
/// Smaller batches cost a channel hop more often; larger ones fall out of the cache between reader and worker.
pub const BATCH_BYTES: usize = 128 << 10;

/// Many records in one shared byte arena.
///
/// A record is key, value and headers, one after the other in the arena, and an [`Entry`] of 32 bytes. Where the records came
/// from is kept per run of neighbours; where they are to go, where they say so, in a side column that other batches do without:
/// 8 bytes a record and each topic's name once. Another such column has the [`Envelope`](super::Envelope)s of the brokers that
/// write one, per run of neighbours. Batches are recycled: `clear` keeps the allocations.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RecordBatch {
    pub(super) arena: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    pub(super) runs: Vec<Run>,
    /// Absent until a record has a destination.
    pub(super) destinations: Option<Box<DestinationColumn>>,
    /// Absent until a record has an envelope.
    pub(super) envelopes: Option<Box<EnvelopeColumn>>,
    /// When the reader took the first record of the batch in, in microseconds of the dataflow's clock.
    pub ingest_micros: u64,
}

impl RecordBatch {
    /// An empty batch with room for `bytes` of arena and `n_records` entries.
    pub fn with_capacity(bytes: usize, n_records: usize) -> Self {
        Self {
            arena: Vec::with_capacity(bytes),
            entries: Vec::with_capacity(n_records),
            runs: Vec::with_capacity(1),
            destinations: None,
            envelopes: None,
            ingest_micros: 0,
        }
    }

    /// Number of records.
    #[inline]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no record.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of keys, values and headers.
    #[inline]
    pub fn n_bytes(&self) -> usize {
        self.arena.len()
    }

    /// Bytes of memory in use: arena, entries and side columns.
    pub fn memory(&self) -> usize {
        self.arena.capacity() + self.entries.capacity() * size_of::<Entry>() + self.column_bytes()
    }

    /// Whether it has memory to be used again; asked for each record that is collected.
    #[inline]
    pub(crate) fn is_allocated(&self) -> bool {
        self.arena.capacity() > 0 || self.entries.capacity() > 0
    }

    /// Bytes of memory that destinations and envelopes use.
    pub(crate) fn column_bytes(&self) -> usize {
        self.destinations.as_ref().map_or(0, |column| column.n_bytes())
            + self.envelopes.as_ref().map_or(0, |column| column.n_bytes())
    }

    /// Removes all records and keeps the memory for the next ones, up to a limit: one oversized record must not pin its arena.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.entries.clear();
        self.runs.clear();
        self.ingest_micros = 0;
        if let Some(column) = &mut self.destinations {
            column.clear();
        }
        if let Some(column) = &mut self.envelopes {
            column.clear();
        }
        if self.arena.capacity() > 4 * BATCH_BYTES {
            self.arena.shrink_to(2 * BATCH_BYTES);
        }
    }

    /// Removes all records and starts a run of `origin`; the same origin again is free.
    pub(crate) fn restart(&mut self, origin: Option<&Origin>) {
        let mut runs = std::mem::take(&mut self.runs);
        self.clear();
        match (runs.as_slice(), origin) {
            ([only], Some(origin)) if only.origin.same(origin) => self.runs = runs,
            (_, Some(origin)) => {
                runs.clear();
                self.runs = runs;
                self.set_origin(origin);
            }
            (_, None) => {}
        }
    }

    /// Swaps the records with those of another batch; origins stay where they are.
    #[cfg(feature = "io")]
    pub(crate) fn swap_records(&mut self, other: &mut Self) {
        std::mem::swap(self, other);
        std::mem::swap(&mut self.runs, &mut other.runs);
    }

    /// Says where the records pushed from here on come from; the same origin again is free.
    #[inline]
    pub fn set_origin(&mut self, origin: &Origin) {
        if self.runs.last().is_some_and(|run| run.origin.same(origin)) {
            return;
        }
        self.start_run(origin);
    }

    #[cold]
    fn start_run(&mut self, origin: &Origin) {
        let first = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.runs.retain(|run| run.first < first);
        self.runs.push(Run { first, origin: origin.clone() });
    }

    /// The record at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Record<'_>> {
        self.entries.get(index).map(|entry| Record::new(self, entry))
    }

    /// The records, in order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.entries.iter().map(move |entry| Record::new(self, entry))
    }

    /// The runs of neighbouring records of one origin, in order.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The position of the last record of each run, with the run's origin.
    pub fn run_ends(&self) -> impl Iterator<Item = (&Origin, u64)> {
        let ends =
            self.runs.iter().skip(1).map(|run| run.first as usize).chain([self.entries.len()]);
        self.runs.iter().zip(ends).filter_map(|(run, end)| {
            let last = end.checked_sub(1).filter(|last| *last >= run.first as usize)?;
            Some((&run.origin, self.entries[last].position))
        })
    }

    /// Keeps the records that `keep` says yes to, in place; the arena stays as it is.
    #[inline]
    pub fn retain(&mut self, mut keep: impl FnMut(Record<'_>) -> bool) {
        let (mut kept, mut run, mut envelope_run) = (0, 0, 0);
        let n_before = self.entries.len();
        for index in 0..n_before {
            while run < self.runs.len() && self.runs[run].first as usize == index {
                self.runs[run].first = u32::try_from(kept).unwrap_or(u32::MAX);
                run += 1;
            }
            if let Some(column) = &mut self.envelopes {
                column.reach(index, kept, &mut envelope_run);
            }
            // The entry must be looked at in its place: a record finds its run by its place.
            if keep(Record::new(self, &self.entries[index])) {
                self.entries[kept] = self.entries[index];
                if let Some(column) = &mut self.destinations {
                    column.move_to(index, kept);
                }
                if let Some(column) = &mut self.envelopes {
                    column.move_key(index, kept);
                }
                kept += 1;
            }
        }
        self.entries.truncate(kept);
        if let Some(column) = &mut self.destinations {
            column.truncate(kept);
        }
        if let Some(column) = &mut self.envelopes {
            column.reach(n_before, kept, &mut envelope_run);
            column.truncate(kept);
        }
    }

    /// The index of the run that the record at `index` belongs to.
    pub(crate) fn run_of(&self, index: usize) -> Option<&Run> {
        match self.runs.as_slice() {
            [] => None,
            [only] => Some(only),
            runs => runs
                .partition_point(|run| run.first as usize <= index)
                .checked_sub(1)
                .map(|at| &runs[at]),
        }
    }
}

#[cfg(test)]
mod tests;
