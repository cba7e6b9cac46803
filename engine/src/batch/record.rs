//! A record borrowed from its batch.

use super::{
    Destination, Entry, Envelope, Headers, NO_TIME, Origin, OwnedEnvelope, OwnedRecord,
    RecordBatch, RecordId, Run,
};

/// A borrowed record: key, value, headers, time and position, as bytes.
///
/// Two words, freely copied. It lives as long as its batch; [`Record::to_owned`] keeps one longer.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    batch: &'a RecordBatch,
    entry: &'a Entry,
}

impl<'a> Record<'a> {
    #[inline]
    pub(super) fn new(batch: &'a RecordBatch, entry: &'a Entry) -> Self {
        Self { batch, entry }
    }

    #[inline]
    pub(super) fn entry(self) -> &'a Entry {
        self.entry
    }

    #[inline]
    pub(super) fn bytes(self) -> &'a [u8] {
        let start = self.entry.offset as usize;
        let len =
            self.entry.key_bytes() + self.entry.value_bytes() + self.entry.headers_len as usize;
        &self.batch.arena[start..start + len]
    }

    /// The key; `None` is no key, which is not an empty one.
    #[inline]
    pub fn key(self) -> Option<&'a [u8]> {
        let start = self.entry.offset as usize;
        self.entry.has_key().then(|| &self.batch.arena[start..start + self.entry.key_len as usize])
    }

    /// The value; `None` is a null value (a tombstone on a compacted topic), which is not an empty one.
    #[inline]
    pub fn value(self) -> Option<&'a [u8]> {
        let start = self.entry.offset as usize + self.entry.key_bytes();
        self.entry
            .has_value()
            .then(|| &self.batch.arena[start..start + self.entry.value_len as usize])
    }

    /// The value, with a null value read as empty.
    #[inline]
    pub fn value_or_empty(self) -> &'a [u8] {
        let start = self.entry.offset as usize + self.entry.key_bytes();
        &self.batch.arena[start..start + self.entry.value_bytes()]
    }

    /// The headers, decoded while iterating.
    #[inline]
    pub fn headers(self) -> Headers<'a> {
        let start = self.entry.offset as usize + self.entry.key_bytes() + self.entry.value_bytes();
        Headers::new(&self.batch.arena[start..start + self.entry.headers_len as usize])
    }

    /// Event time in milliseconds since the Unix epoch, where the record carries one.
    #[inline]
    pub fn time(self) -> Option<i64> {
        (self.entry.time != NO_TIME).then_some(self.entry.time)
    }

    /// Where the record stands in its partition, in the connector's own numbering.
    #[inline]
    pub fn position(self) -> u64 {
        self.entry.position
    }

    /// Bytes of key and value.
    #[inline]
    pub fn n_bytes(self) -> usize {
        self.entry.key_bytes() + self.entry.value_bytes()
    }

    /// Connector, topic and partition, where the record came from a connector.
    pub fn origin(self) -> Option<&'a Origin> {
        self.batch.run_of(self.index()).map(|run| &run.origin)
    }

    /// The partition; 0 where the record came from no connector.
    pub fn partition(self) -> u32 {
        self.origin().map_or(0, |origin| origin.partition)
    }

    /// The topic; empty where the record came from no connector.
    pub fn topic(self) -> &'a str {
        self.origin().map_or("", |origin| &origin.topic)
    }

    /// Where the record is to go, where it says so: written by [`RecordWriter::topic`](super::RecordWriter::topic) and
    /// [`partition`](super::RecordWriter::partition). Records of a source have none.
    #[inline]
    pub fn destination(self) -> Destination<'a> {
        match &self.batch.destinations {
            Some(column) => column.get(self.index()),
            None => Destination::default(),
        }
    }

    /// What only some brokers say of a record; all of it absent with the others.
    #[inline]
    pub fn envelope(self) -> Envelope<'a> {
        match &self.batch.envelopes {
            Some(column) => column.get(self.index()),
            None => Envelope::default(),
        }
    }

    /// How often the broker has handed the record out before; 0 the first time, and where the broker does not say.
    pub fn redelivery_count(self) -> u32 {
        self.envelope().redelivery_count
    }

    /// When the producer handed the record to the broker, in milliseconds since the Unix epoch, where the broker says so. Its event
    /// time is [`Record::time`].
    pub fn publish_time(self) -> Option<i64> {
        self.envelope().publish_time
    }

    /// The name of the producer, where the broker says it.
    pub fn producer_name(self) -> Option<&'a str> {
        self.envelope().producer_name
    }

    /// What the broker orders and deals out by, where that is not the key.
    pub fn ordering_key(self) -> Option<&'a [u8]> {
        self.batch.envelopes.as_ref()?.ordering_key(self.index())
    }

    /// The broker's own id of the record, where that is not its position.
    pub fn id(self) -> Option<RecordId<'a>> {
        self.envelope().entry.map(|entry| RecordId::new(entry, self.position()))
    }

    /// A copy that outlives the batch.
    pub fn to_owned(self) -> OwnedRecord {
        OwnedRecord {
            key: self.key().map(<[u8]>::to_vec),
            value: self.value().map(<[u8]>::to_vec),
            headers: self
                .headers()
                .map(|h| (h.name.to_owned(), h.value.map(<[u8]>::to_vec)))
                .collect(),
            time: self.time(),
            position: self.position(),
            origin: self.origin().cloned(),
            destination: self.destination().to_owned(),
            envelope: self.owned_envelope(),
        }
    }

    fn owned_envelope(self) -> Option<Box<OwnedEnvelope>> {
        let column = self.batch.envelopes.as_ref()?;
        let envelope = column.get(self.index());
        let owned = OwnedEnvelope {
            redelivery_count: envelope.redelivery_count,
            publish_time: envelope.publish_time,
            producer_name: envelope.producer_name.map(str::to_owned),
            ordering_key: self.ordering_key().map(<[u8]>::to_vec),
            id: self.id().map(|id| id.to_string()),
        };
        (owned != OwnedEnvelope::default()).then(|| Box::new(owned))
    }

    /// Index in the batch, from the entry's address: kept out of the record so that it stays two words.
    pub(super) fn index(self) -> usize {
        let base = self.batch.entries.as_ptr() as usize;
        (std::ptr::from_ref(self.entry) as usize).wrapping_sub(base) / size_of::<Entry>()
    }

    /// The run that the record belongs to.
    #[inline]
    pub(crate) fn run(self) -> Option<&'a Run> {
        match self.batch.runs() {
            [only] => Some(only),
            _ => self.batch.run_of(self.index()),
        }
    }

    /// The batch the record lies in.
    #[inline]
    pub(crate) fn batch(self) -> &'a RecordBatch {
        self.batch
    }
}
