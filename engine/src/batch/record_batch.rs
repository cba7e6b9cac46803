//! The arena batch: what readers fill, stages read and writers take.

use serde::{Deserialize, Serialize};

use super::destination_column::{DestinationColumn, Mark, NONE as NOWHERE};
use super::{Destination, Origin, OwnedRecord, Record, RecordWriter, Run};

/// The arena size at which a batch is full: 128 KiB.
///
/// Smaller batches cost a channel hop more often; larger ones fall out of the cache between reader and worker.
pub const BATCH_BYTES: usize = 128 << 10;

/// Marks an absent key or value, which is not an empty one.
const NONE: u32 = u32::MAX;

/// The time of a record that carries none.
pub const NO_TIME: i64 = i64::MIN;

/// One record's place in the arena: 32 bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub(super) offset: u32,
    pub(super) key_len: u32,
    pub(super) value_len: u32,
    pub(super) headers_len: u32,
    /// Event time in milliseconds since the Unix epoch, or [`NO_TIME`].
    pub time: i64,
    /// Where the record stands in its partition, in the connector's own numbering.
    pub position: u64,
}

impl Entry {
    #[inline]
    pub(super) fn key_bytes(self) -> usize {
        if self.key_len == NONE { 0 } else { self.key_len as usize }
    }

    #[inline]
    pub(super) fn value_bytes(self) -> usize {
        if self.value_len == NONE { 0 } else { self.value_len as usize }
    }

    /// Where the record's bytes end in the arena.
    fn end(self) -> usize {
        self.offset as usize + self.key_bytes() + self.value_bytes() + self.headers_len as usize
    }

    #[inline]
    pub(super) fn has_key(self) -> bool {
        self.key_len != NONE
    }

    #[inline]
    pub(super) fn has_value(self) -> bool {
        self.value_len != NONE
    }
}

/// Many records in one shared byte arena.
///
/// A record is key, value and headers, one after the other in the arena, and an [`Entry`] of 32 bytes. Where the records came
/// from is kept per run of neighbours; where they are to go, where they say so, in a side column that other batches do without:
/// 8 bytes a record and each topic's name once. Batches are recycled: `clear` keeps the allocations.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RecordBatch {
    pub(super) arena: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    pub(super) runs: Vec<Run>,
    /// Absent until a record has a destination.
    pub(super) destinations: Option<Box<DestinationColumn>>,
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

    /// Bytes of memory in use: arena, entries and destinations.
    pub fn memory(&self) -> usize {
        self.arena.capacity()
            + self.entries.capacity() * size_of::<Entry>()
            + self.destination_bytes()
    }

    /// Bytes of memory that destinations use.
    pub(crate) fn destination_bytes(&self) -> usize {
        self.destinations.as_ref().map_or(0, |column| column.n_bytes())
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

    /// Appends a record without headers.
    ///
    /// # Panics
    /// When the arena would pass 4 GiB; readers close a batch long before.
    #[inline]
    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, time: i64, position: u64) {
        let offset = self.arena.len();
        self.arena.extend_from_slice(key.unwrap_or_default());
        self.arena.extend_from_slice(value.unwrap_or_default());
        assert!(
            u32::try_from(self.arena.len()).is_ok_and(|n| n < NONE),
            "a batch holds at most 4 GiB"
        );
        #[expect(
            clippy::cast_possible_truncation,
            reason = "asserted above: the whole arena fits u32"
        )]
        let entry = Entry {
            offset: offset as u32,
            key_len: key.map_or(NONE, |k| k.len() as u32),
            value_len: value.map_or(NONE, |v| v.len() as u32),
            headers_len: 0,
            time,
            position,
        };
        self.entries.push(entry);
    }

    /// Adds a header to the record pushed last.
    ///
    /// # Panics
    /// When there is no record yet.
    pub fn push_header(&mut self, name: &str, value: Option<&[u8]>) {
        let before = self.arena.len();
        super::headers::encode(name, value, &mut self.arena);
        let added = self.arena.len() - before;
        let last = self.entries.last_mut().expect("a header follows its record");
        last.headers_len += u32::try_from(added).expect("a batch holds at most 4 GiB");
    }

    /// Starts a record that is written piece by piece.
    #[inline]
    pub fn writer(&mut self) -> RecordWriter<'_> {
        RecordWriter::new(self)
    }

    /// Appends a copy of `record`: key, value, headers, time, position and destination.
    ///
    /// # Panics
    /// When the arena would pass 4 GiB; operators close a batch long before.
    #[inline]
    pub fn push_record(&mut self, record: Record<'_>) {
        let entry = record.entry();
        self.push_placed(record, entry.time, entry.position);
        if record.batch().destinations.is_some() {
            self.set_destination(record.destination());
        }
    }

    /// Appends a copy of `record` where it arrived: key, value and headers, with this time and position, without a destination.
    ///
    /// # Panics
    /// As for [`RecordBatch::push_record`].
    #[inline]
    pub fn push_placed(&mut self, record: Record<'_>, time: i64, position: u64) {
        let bytes = record.bytes();
        let offset = self.arena.len();
        self.arena.extend_from_slice(bytes);
        assert!(
            u32::try_from(self.arena.len()).is_ok_and(|n| n < NONE),
            "a batch holds at most 4 GiB"
        );
        #[expect(
            clippy::cast_possible_truncation,
            reason = "asserted above: the whole arena fits u32"
        )]
        self.entries.push(Entry { offset: offset as u32, time, position, ..*record.entry() });
    }

    /// Says where the record pushed last is to go; it had no destination before.
    pub(super) fn set_destination(&mut self, destination: Destination<'_>) {
        let last = self.entries.len() - 1;
        self.column().push_copy(last, destination);
    }

    pub(super) fn column(&mut self) -> &mut DestinationColumn {
        self.destinations.get_or_insert_default()
    }

    /// Appends copies of the records of `other` at `range`, with one copy of their bytes: the records must lie one after the
    /// other in its arena, as they were pushed. Destinations are carried over, origins are not.
    ///
    /// # Panics
    /// When the range lies outside `other`, or the arena would pass 4 GiB.
    pub fn push_range(&mut self, other: &Self, range: std::ops::Range<usize>) {
        let entries = &other.entries[range.clone()];
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return;
        };
        let (from, to) = (first.offset as usize, last.end());
        let shift = self.arena.len();
        self.arena.extend_from_slice(&other.arena[from..to]);
        assert!(
            u32::try_from(self.arena.len()).is_ok_and(|n| n < NONE),
            "a batch holds at most 4 GiB"
        );
        #[expect(
            clippy::cast_possible_truncation,
            reason = "asserted above: the whole arena fits u32"
        )]
        let moved = |entry: &Entry| Entry {
            offset: (entry.offset as usize - from + shift) as u32,
            ..*entry
        };
        let n_before = self.entries.len();
        self.entries.extend(entries.iter().map(moved));
        if let Some(column) = &other.destinations {
            self.column().push_range(n_before, column, range);
        }
    }

    /// Appends an owned record.
    pub fn push_owned(&mut self, record: &OwnedRecord) {
        if let Some(origin) = &record.origin {
            self.set_origin(origin);
        }
        self.push(
            record.key.as_deref(),
            record.value.as_deref(),
            record.time.unwrap_or(NO_TIME),
            record.position,
        );
        for (name, value) in &record.headers {
            self.push_header(name, value.as_deref());
        }
        let destination = record.destination.as_ref();
        if !destination.is_none() {
            self.set_destination(destination);
        }
    }

    /// Whether a record may have a destination: where none has, nothing else need be asked.
    #[inline]
    pub fn has_destinations(&self) -> bool {
        self.destinations.as_ref().is_some_and(|column| !column.marks.is_empty())
    }

    /// The topic of the first record that has one of its own.
    pub fn first_topic(&self) -> Option<&str> {
        let column = self.destinations.as_ref()?;
        let mark = column.marks.iter().find(|mark| mark.topic != NOWHERE)?;
        column.names.get(mark.topic)
    }

    /// How many names of topics the batch knows, which are numbered from 0 on. Some may be those of records that were dropped.
    pub fn n_topics(&self) -> usize {
        self.destinations.as_ref().map_or(0, |column| column.names.len())
    }

    /// The name of the topic of this number.
    pub fn topic_name(&self, number: u32) -> Option<&str> {
        self.destinations.as_ref()?.names.get(number)
    }

    /// The hash of that name, as [`hash_of_name`](super::hash_of_name) has it; in a batch of another process any number.
    #[inline]
    pub(crate) fn topic_hash(&self, number: u32) -> Option<u32> {
        self.destinations.as_ref()?.names.hash(number)
    }

    /// The number of the topic that the record at `index` is to go to, where it says so: writers look a name up once per batch.
    #[inline]
    pub fn topic_number(&self, index: usize) -> Option<u32> {
        let mark = self.mark(index);
        Some(mark.topic).filter(|number| *number != NOWHERE)
    }

    /// The partition that the record at `index` is to go to, where it says so.
    #[inline]
    pub fn partition_number(&self, index: usize) -> Option<u32> {
        let mark = self.mark(index);
        Some(mark.partition).filter(|partition| *partition != NOWHERE)
    }

    #[inline]
    fn mark(&self, index: usize) -> Mark {
        self.destinations.as_ref().map_or(Mark::NONE, |column| column.mark(index))
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
        let mut kept = 0;
        let mut run = 0;
        for index in 0..self.entries.len() {
            while run < self.runs.len() && self.runs[run].first as usize == index {
                self.runs[run].first = u32::try_from(kept).unwrap_or(u32::MAX);
                run += 1;
            }
            // The entry must be looked at in its place: a record finds its run by its place.
            if keep(Record::new(self, &self.entries[index])) {
                self.entries[kept] = self.entries[index];
                if let Some(column) = &mut self.destinations {
                    column.move_to(index, kept);
                }
                kept += 1;
            }
        }
        self.entries.truncate(kept);
        if let Some(column) = &mut self.destinations {
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
