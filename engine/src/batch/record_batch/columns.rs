//! The side columns of a batch, which batches that do not need them do without: where records are to go, and what their broker
//! said of them.

use std::ops::Range;

use crate::batch::destination_column::{DestinationColumn, Mark, NONE as NOWHERE};
use crate::batch::{Destination, Envelope, Record, RecordBatch};

impl RecordBatch {
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

    /// Says where the record pushed last is to go; it had no destination before.
    pub(in crate::batch) fn set_destination(&mut self, destination: Destination<'_>) {
        let last = self.entries.len() - 1;
        self.column().push_copy(last, destination);
    }

    pub(in crate::batch) fn column(&mut self) -> &mut DestinationColumn {
        self.destinations.get_or_insert_default()
    }

    /// Says what the broker says of the records pushed from here on; the same again is free but for a comparison. To be said where
    /// it changes, as with [`RecordBatch::set_origin`], and apart from it.
    ///
    /// # Examples
    /// A reader that takes apart what its broker handed out as one:
    /// ```
    /// use millstream_engine::batch::{EntryId, Envelope, RecordBatch};
    ///
    /// let mut batch = RecordBatch::default();
    /// let (ledger, entry, first_position) = (12, 7, 40);
    /// let id = format!("{ledger}:{entry}"); // a reader keeps one string and writes into it
    /// batch.set_envelope(&Envelope {
    ///     redelivery_count: 1,
    ///     entry: Some(EntryId { text: &id, first_position: Some(first_position) }),
    ///     ..Envelope::default()
    /// });
    /// for (position, value) in (first_position..).zip(["a", "b", "c"]) {
    ///     let mut record = batch.writer();
    ///     record.value(value.as_bytes()).position(position);
    ///     record.finish();
    /// }
    /// let last = batch.get(2).unwrap();
    /// assert_eq!(last.id().unwrap().to_string(), "12:7:2");
    /// assert_eq!(last.redelivery_count(), 1);
    /// ```
    // Out of line, like the copies below: loops over records without envelopes shall not carry this code.
    #[inline(never)]
    pub fn set_envelope(&mut self, envelope: &Envelope<'_>) {
        if self.envelopes.is_none() && envelope.is_none() {
            return;
        }
        let first = self.entries.len();
        self.envelopes.get_or_insert_default().start_run(first, envelope);
    }

    /// Says of the records pushed from here on what the broker said of the one that they are made from.
    #[inline]
    pub(crate) fn continue_envelope(&mut self, record: Record<'_>) {
        if self.envelopes.is_some() || record.batch().envelopes.is_some() {
            self.set_envelope(&record.envelope());
        }
    }

    /// Gives the record pushed last the envelope and the ordering key of the one that it is a copy of.
    #[inline(never)]
    pub(in crate::batch) fn copy_envelope(&mut self, record: Record<'_>) {
        let last = self.entries.len() - 1;
        let column = self.envelopes.get_or_insert_default();
        match &record.batch().envelopes {
            Some(other) => column.push_copy(last, other, record.index()),
            None => column.start_run(last, &Envelope::default()),
        }
    }

    /// The same for the records from `first` on, copies of those of `other` at `range`.
    #[inline(never)]
    pub(in crate::batch) fn copy_envelopes(
        &mut self,
        first: usize,
        other: &Self,
        range: Range<usize>,
    ) {
        let column = self.envelopes.get_or_insert_default();
        match &other.envelopes {
            Some(other) => column.push_range(first, other, range),
            None => column.start_run(first, &Envelope::default()),
        }
    }
}
