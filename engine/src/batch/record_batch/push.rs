//! How records get into a batch: one by one, piece by piece, as copies, in ranges.

use std::ops::Range;

use crate::batch::entry::NONE;
use crate::batch::headers;
use crate::batch::{Entry, NO_TIME, OwnedEnvelope, OwnedRecord, Record, RecordBatch, RecordWriter};

impl RecordBatch {
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
        headers::encode(name, value, &mut self.arena);
        let added = self.arena.len() - before;
        let last = self.entries.last_mut().expect("a header follows its record");
        last.headers_len += u32::try_from(added).expect("a batch holds at most 4 GiB");
    }

    /// Gives the record pushed last an ordering key.
    ///
    /// # Panics
    /// When there is no record yet.
    pub fn push_ordering_key(&mut self, key: &[u8]) {
        let last = self.entries.len().checked_sub(1).expect("an ordering key follows its record");
        self.envelopes.get_or_insert_default().push_key(last, key);
    }

    /// Starts a record that is written piece by piece.
    #[inline]
    pub fn writer(&mut self) -> RecordWriter<'_> {
        RecordWriter::new(self)
    }

    /// Appends a copy of `record`: key, value, headers, time, position, destination and envelope.
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
        if self.envelopes.is_some() || record.batch().envelopes.is_some() {
            self.copy_envelope(record);
        }
    }

    /// Appends a copy of `record` where it arrived: key, value and headers, with this time and position, without destination or
    /// envelope.
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

    /// Appends copies of the records of `other` at `range`, with one copy of their bytes: the records must lie one after the
    /// other in its arena, as they were pushed. Destinations and envelopes are carried over, origins
    /// are not.
    ///
    /// # Panics
    /// When the range lies outside `other`, or the arena would pass 4 GiB.
    pub fn push_range(&mut self, other: &Self, range: Range<usize>) {
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
            self.column().push_range(n_before, column, range.clone());
        }
        if self.envelopes.is_some() || other.envelopes.is_some() {
            self.copy_envelopes(n_before, other, range);
        }
    }

    /// Appends an owned record.
    pub fn push_owned(&mut self, record: &OwnedRecord) {
        if let Some(origin) = &record.origin {
            self.set_origin(origin);
        }
        let envelope = record.envelope.as_deref();
        self.set_envelope(&envelope.map(OwnedEnvelope::as_ref).unwrap_or_default());
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
        if let Some(key) = envelope.and_then(|envelope| envelope.ordering_key.as_deref()) {
            self.push_ordering_key(key);
        }
    }
}
