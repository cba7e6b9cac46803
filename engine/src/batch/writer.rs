//! Writes one record, piece by piece, straight into the arena of a batch.
//!
//! Invariant: a record that is not finished leaves no trace.

use super::destination_column::{Mark, NONE as NOWHERE};
use super::headers::encode;
use super::{Entry, NO_TIME, Record, RecordBatch};

/// A record under construction. The order is key, value, headers; what is not written is absent.
///
/// [`RecordWriter::finish`] adds the record to the batch; dropping the writer instead takes everything back.
#[derive(Debug)]
pub struct RecordWriter<'b> {
    batch: &'b mut RecordBatch,
    start: usize,
    key_end: Option<usize>,
    value_start: usize,
    value_end: Option<usize>,
    /// The value is being appended to: it ends where the next part begins.
    value_open: bool,
    headers_start: Option<usize>,
    time: i64,
    position: u64,
    /// A topic's name was offered to the batch.
    has_topic: bool,
    /// An ordering key was offered to the batch.
    has_ordering_key: bool,
    partition: u32,
}

impl<'b> RecordWriter<'b> {
    #[inline]
    pub(super) fn new(batch: &'b mut RecordBatch) -> Self {
        let start = batch.arena.len();
        Self {
            batch,
            start,
            key_end: None,
            value_start: start,
            value_end: None,
            value_open: false,
            headers_start: None,
            time: NO_TIME,
            position: 0,
            has_topic: false,
            has_ordering_key: false,
            partition: NOWHERE,
        }
    }

    /// Sets the key; it comes before the value.
    ///
    /// # Panics
    /// When a value or a header was written before.
    #[inline]
    pub fn key(&mut self, key: &[u8]) -> &mut Self {
        assert!(
            self.value_end.is_none() && !self.value_open && self.headers_start.is_none(),
            "the key comes before value and headers"
        );
        self.batch.arena.truncate(self.start);
        self.batch.arena.extend_from_slice(key);
        self.key_end = Some(self.batch.arena.len());
        self.value_start = self.batch.arena.len();
        self
    }

    /// Sets the value.
    #[inline]
    pub fn value(&mut self, value: &[u8]) -> &mut Self {
        self.value_buffer().extend_from_slice(value);
        self.end_value()
    }

    /// The arena, to append the value to, which ends where the next part of the record begins. Only append: the bytes before
    /// are other records of the batch.
    #[inline]
    pub fn value_buffer(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.headers_start.is_none(), "the value comes before the headers");
        self.batch.arena.truncate(self.value_start);
        (self.value_end, self.value_open) = (None, true);
        &mut self.batch.arena
    }

    /// Everything appended since [`RecordWriter::value_buffer`] is the value; said for the next part to follow in one chain.
    ///
    /// # Panics
    /// When something removed bytes that lay in the arena before: other records of the batch.
    #[inline]
    pub fn end_value(&mut self) -> &mut Self {
        assert!(
            self.batch.arena.len() >= self.value_start,
            "a serializer appends to the buffer and never clears it"
        );
        (self.value_end, self.value_open) = (Some(self.batch.arena.len()), false);
        self
    }

    /// Makes the value null, whatever was appended since [`RecordWriter::value_buffer`].
    #[inline]
    pub fn null_value(&mut self) -> &mut Self {
        self.value_buffer();
        self.value_open = false;
        self
    }

    /// Adds a header.
    pub fn header(&mut self, name: &str, value: Option<&[u8]>) -> &mut Self {
        self.start_headers();
        encode(name, value, &mut self.batch.arena);
        self
    }

    /// Adds headers in their encoded form, as [`super::Headers::encoded`] gives them.
    pub fn encoded_headers(&mut self, encoded: &[u8]) -> &mut Self {
        if !encoded.is_empty() {
            self.start_headers();
            self.batch.arena.extend_from_slice(encoded);
        }
        self
    }

    /// Sets the event time in milliseconds since the Unix epoch; without one the connector sets its own.
    #[inline]
    pub fn time(&mut self, millis: i64) -> &mut Self {
        self.time = millis;
        self
    }

    /// Sets the position.
    #[inline]
    pub fn position(&mut self, position: u64) -> &mut Self {
        self.position = position;
        self
    }

    /// Sets the topic that the record is to go to; it needs a sink that routes. Without one it goes where its sink writes.
    #[inline]
    pub fn topic(&mut self, name: &str) -> &mut Self {
        self.batch.column().names.offer(name);
        self.has_topic = true;
        self
    }

    /// Sets the partition that the record is to go to; without one the sink chooses, as a rule by the key. A partition that its
    /// topic does not have is refused by the sink.
    #[inline]
    pub fn partition(&mut self, partition: u32) -> &mut Self {
        self.partition = partition.min(NOWHERE - 1);
        self
    }

    /// Sets what the broker orders and deals out by, where that is not the key. Brokers that know none ignore it.
    #[inline]
    pub fn ordering_key(&mut self, key: &[u8]) -> &mut Self {
        self.batch.envelopes.get_or_insert_default().offer_key(key);
        self.has_ordering_key = true;
        self
    }

    /// Makes the record a copy of another one: key, value, headers, time, position, destination and ordering key. What follows
    /// changes the copy; key and value must not be set again where it has headers.
    #[inline]
    pub fn copy(&mut self, record: Record<'_>) -> &mut Self {
        let (entry, bytes) = (record.entry(), record.bytes());
        self.batch.arena.truncate(self.start);
        self.batch.arena.extend_from_slice(bytes);
        self.value_start = self.start + entry.key_bytes();
        let value_end = self.value_start + entry.value_bytes();
        self.key_end = entry.has_key().then_some(self.value_start);
        self.value_end = entry.has_value().then_some(value_end);
        self.value_open = false;
        self.headers_start = (entry.headers_len > 0).then_some(value_end);
        (self.time, self.position) = (entry.time, entry.position);
        let destination = record.destination();
        if let Some(topic) = destination.topic {
            self.topic(topic);
        }
        self.partition = destination.partition.unwrap_or(NOWHERE);
        if let Some(key) = record.ordering_key() {
            self.ordering_key(key);
        }
        self
    }

    /// Adds the record to the batch.
    ///
    /// # Panics
    /// When the arena would pass 4 GiB.
    #[inline]
    pub fn finish(mut self) {
        self.close_value();
        let end = self.batch.arena.len();
        let value_end = self.value_end.unwrap_or(self.value_start);
        assert!(u32::try_from(end).is_ok_and(|n| n < u32::MAX), "a batch holds at most 4 GiB");
        #[expect(
            clippy::cast_possible_truncation,
            reason = "asserted above: the whole arena fits u32"
        )]
        let entry = Entry {
            offset: self.start as u32,
            key_len: self.key_end.map_or(u32::MAX, |at| (at - self.start) as u32),
            value_len: self.value_end.map_or(u32::MAX, |at| (at - self.value_start) as u32),
            headers_len: self.headers_start.map_or(0, |start| (end - start) as u32),
            time: self.time,
            position: self.position,
        };
        debug_assert!(
            self.headers_start.is_some() || value_end == end,
            "no bytes beside key, value and headers"
        );
        self.batch.entries.push(entry);
        if self.has_topic || self.partition != NOWHERE {
            self.set_destination();
        }
        if self.has_ordering_key {
            self.set_ordering_key();
        }
        std::mem::forget(self);
    }

    #[cold]
    fn set_ordering_key(&mut self) {
        let last = self.batch.entries.len() - 1;
        if let Some(column) = &mut self.batch.envelopes {
            column.accept_key(last);
        }
    }

    #[inline]
    fn set_destination(&mut self) {
        let last = self.batch.entries.len() - 1;
        let column = self.batch.column();
        let topic = if self.has_topic { column.names.accept() } else { NOWHERE };
        column.push(last, Mark { topic, partition: self.partition });
    }

    #[inline]
    fn close_value(&mut self) {
        if self.value_open {
            self.end_value();
        }
    }

    fn start_headers(&mut self) {
        self.close_value();
        let end = self.value_end.unwrap_or(self.value_start);
        if self.headers_start.is_none() {
            self.batch.arena.truncate(end);
            self.headers_start = Some(end);
        }
    }
}

impl Drop for RecordWriter<'_> {
    fn drop(&mut self) {
        self.batch.arena.truncate(self.start);
        if self.has_topic {
            self.batch.column().names.withdraw();
        }
        if let Some(column) = self.batch.envelopes.as_mut().filter(|_| self.has_ordering_key) {
            column.withdraw_key();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_writer_leaves_no_trace() {
        let mut batch = RecordBatch::default();
        batch.push(None, Some(b"first"), NO_TIME, 0);
        batch.writer().key(b"k").value(b"lost");
        let mut writer = batch.writer();
        writer.key(b"key").value(b"second").header("h", Some(b"x")).time(7);
        writer.finish();
        let records: Vec<_> =
            batch.iter().map(|r| (r.key(), r.value(), r.time(), r.headers().count())).collect();
        assert_eq!(
            records,
            [
                (None, Some(&b"first"[..]), None, 0),
                (Some(&b"key"[..]), Some(&b"second"[..]), Some(7), 1)
            ]
        );
    }

    #[test]
    fn value_ends_where_the_next_part_begins() {
        fn written(write: impl FnOnce(&mut RecordWriter<'_>)) -> crate::batch::OwnedRecord {
            let mut batch = RecordBatch::default();
            let mut writer = batch.writer();
            writer.value_buffer().extend_from_slice(b"value");
            write(&mut writer);
            writer.finish();
            batch.get(0).unwrap().to_owned()
        }
        let with_header = written(|writer| {
            writer.header("h", Some(b"x"));
        });
        assert_eq!(with_header.text(), Some("value"));
        assert_eq!(with_header.headers.len(), 1);
        assert_eq!(written(|_| {}).text(), Some("value"));
        let null = written(|writer| {
            writer.null_value().header("h", None);
        });
        assert_eq!((null.value, null.headers.len()), (None, 1));
    }

    #[test]
    #[should_panic(expected = "a serializer appends to the buffer and never clears it")]
    fn cleared_arena_is_noticed() {
        let mut batch = RecordBatch::default();
        batch.push(None, Some(b"first"), NO_TIME, 0);
        let mut writer = batch.writer();
        writer.value_buffer().clear();
        writer.finish();
    }

    #[test]
    fn copy_is_changed_by_what_follows() {
        let mut from = RecordBatch::default();
        for topic in [Some("a"), None] {
            let mut writer = from.writer();
            writer.key(b"k").value(b"v").header("h", None).time(5).position(9);
            if let Some(topic) = topic {
                writer.topic(topic);
            }
            writer.finish();
        }
        from.push(None, Some(b"plain"), NO_TIME, 3);
        let mut to = RecordBatch::default();
        for record in from.iter() {
            let mut writer = to.writer();
            writer.copy(record);
            writer.finish();
        }
        assert!(from.iter().zip(to.iter()).all(|(a, b)| a.to_owned() == b.to_owned()));
        to.writer().copy(from.iter().next().unwrap()).topic("lost");
        let mut writer = to.writer();
        writer.copy(from.iter().next().unwrap()).topic("b").partition(2).header("i", None);
        writer.finish();
        let changed = to.iter().last().unwrap();
        assert_eq!(
            (changed.destination().topic, changed.destination().partition),
            (Some("b"), Some(2))
        );
        assert_eq!((changed.value(), changed.headers().count()), (Some(&b"v"[..]), 2));
        assert_eq!(to.n_topics(), 2);
    }

    #[test]
    fn what_is_not_written_is_absent() {
        let mut batch = RecordBatch::default();
        batch.writer().finish();
        let mut writer = batch.writer();
        writer.header("only", None);
        writer.finish();
        assert!(batch.iter().all(|r| r.key().is_none() && r.value().is_none()));
        assert_eq!(batch.get(1).map(|r| r.headers().count()), Some(1));
    }
}
