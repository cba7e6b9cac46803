//! An entry that was opened: checked, decompressed, and read record by record.
//!
//! Invariant: nothing of an entry is handed out before its checksum was compared, and nothing is skipped in silence but what the broker
//! says is acknowledged or compacted out.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use millstream_engine::batch::{self, Envelope};

use super::inbox::Delivered;
use crate::encryption::decryptor::{Decryptor, Undecryptable};
use crate::encryption::{Decryption, OnUndecryptable};
use crate::position::EntryId;
use crate::wire::compression::{BadPayload, Decompressor};
use crate::wire::entry::read::{BadBatch, BatchCursor, Message, unbatched};
use crate::wire::frame::{BadEnvelope, open_envelope};
use crate::wire::head::Head;

/// Why an entry cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Envelope(BadEnvelope),
    Metadata,
    Payload(BadPayload),
    Batch(BadBatch),
    Key,
    Encrypted(Undecryptable),
    Chunk,
}

impl Unreadable {
    /// The reason, for people.
    pub(crate) fn reason(self) -> String {
        match self {
            Self::Envelope(BadEnvelope::Truncated) => "it ends too early".to_owned(),
            Self::Envelope(BadEnvelope::Checksum { written, computed }) => {
                format!("its checksum is {computed:08x}, and {written:08x} was written")
            }
            Self::Metadata => "its metadata is not what Pulsar's protocol says".to_owned(),
            Self::Payload(BadPayload::UnknownCodec(codec)) => {
                format!("it is compressed by a codec of number {codec}, which is not known")
            }
            Self::Payload(BadPayload::TooLarge { n_bytes, limit }) => {
                format!("it says that it has {n_bytes} bytes, and {limit} are the limit")
            }
            Self::Payload(BadPayload::Corrupt(codec)) => {
                format!("it does not decompress by {codec:?} to the size that it says")
            }
            Self::Batch(bad) => format!("from record {} on, {}", bad.index, bad.why),
            Self::Key => "the key of a record is not base64, as it says".to_owned(),
            Self::Encrypted(why) => why.0,
            Self::Chunk => "it is a part of a message of several entries".to_owned(),
        }
    }
}

/// What an entry costs, known before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Those that the broker has counted: without the acknowledged ones.
    pub(crate) n_permits: u32,
    pub(crate) n_bytes: usize,
}

#[derive(Debug)]
enum Payload {
    Plain(Bytes),
    Unpacked(Vec<u8>),
}

impl Payload {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Unpacked(bytes) => bytes,
        }
    }
}

#[derive(Debug)]
enum Cursor {
    Batch(BatchCursor),
    Single { is_read: bool },
}

/// An entry, and how far it was read.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: EntryId,
    pub(crate) redelivery_count: u32,
    pub(crate) publish_time: u64,
    producer_name: Bytes,
    /// Messages of the batch, acknowledged ones counted; 1 where it is none.
    pub(crate) n_messages: u32,
    /// A bit per message, set where it is to be read; empty: all are.
    pub(crate) ack_set: Vec<i64>,
    /// Entries of the broker's own have no records.
    is_marker: bool,
    /// So many records at the front were read before.
    n_skipped: u32,
    metadata: Bytes,
    payload: Payload,
    cursor: Cursor,
    /// It is handed on without being decrypted.
    is_sealed: bool,
}

/// Opens entries, with memory that is used again.
pub(crate) struct Opener {
    decompressor: Decompressor,
    decryptor: Option<(Decryptor, OnUndecryptable)>,
    scratch: Vec<u8>,
    /// Bytes of an entry, decompressed, at most.
    limit: usize,
}

/// A payload as it can be read.
struct Unpacked {
    payload: Payload,
    is_sealed: bool,
}

impl Opener {
    pub(crate) fn new(limit: usize, decryption: Option<&Decryption>) -> Self {
        let decryptor =
            decryption.map(|d| (Decryptor::new(Arc::clone(&d.keys)), d.on_undecryptable));
        Self { decompressor: Decompressor::new(), decryptor, scratch: Vec::new(), limit }
    }

    /// Opens an entry, and says what it costs, also where it cannot be read: none where that is not known.
    pub(crate) fn open(
        &mut self,
        delivered: Delivered,
    ) -> (Option<Cost>, Result<Entry, Unreadable>) {
        let n_bytes = delivered.frame.len();
        let envelope = match open_envelope(delivered.frame) {
            Ok(envelope) => envelope,
            Err(bad) => return (None, Err(Unreadable::Envelope(bad))),
        };
        let Ok(head) = Head::read(&envelope.metadata) else {
            return (None, Err(Unreadable::Metadata));
        };
        let n_acked = n_acknowledged(&delivered.ack_set, head.n_records());
        let cost = Some(Cost { n_permits: head.n_records() - n_acked, n_bytes });
        let unpacked = self.unpack(&head, &envelope.metadata, envelope.payload);
        let Unpacked { payload, is_sealed } = match unpacked {
            Ok(unpacked) => unpacked,
            Err(why) => return (cost, Err(why)),
        };
        let is_batch = head.n_messages.is_some() && !is_sealed;
        if is_batch && head.n_records() as usize > payload.bytes().len() {
            return (cost, Err(Unreadable::Metadata));
        }
        let entry = Entry {
            id: delivered.id,
            redelivery_count: delivered.redelivery_count,
            publish_time: head.publish_time,
            producer_name: envelope.metadata.slice_ref(head.producer_name),
            n_messages: head.n_records(),
            ack_set: delivered.ack_set,
            is_marker: head.is_marker,
            n_skipped: 0,
            cursor: match head.n_messages {
                Some(n_messages) if is_batch => Cursor::Batch(BatchCursor::new(n_messages)),
                _ => Cursor::Single { is_read: false },
            },
            is_sealed,
            metadata: envelope.metadata.clone(),
            payload,
        };
        (cost, Ok(entry))
    }

    fn unpack(
        &mut self,
        head: &Head<'_>,
        metadata: &[u8],
        payload: Bytes,
    ) -> Result<Unpacked, Unreadable> {
        if head.is_chunk {
            return Err(Unreadable::Chunk);
        }
        let payload = match self.decrypt(head, metadata, &payload) {
            None => payload,
            Some(Ok(decrypted)) => decrypted.into(),
            Some(Err(_)) if self.hands_on() => {
                return Ok(Unpacked { payload: Payload::Plain(payload), is_sealed: true });
            }
            Some(Err(why)) => return Err(Unreadable::Encrypted(why)),
        };
        if head.compression == 0 {
            return Ok(Unpacked { payload: Payload::Plain(payload), is_sealed: false });
        }
        let mut out = std::mem::take(&mut self.scratch);
        let (codec, n_bytes) = (head.compression, head.uncompressed_size);
        let unpacked = self.decompressor.decompress(codec, &payload, n_bytes, self.limit, &mut out);
        unpacked.map_err(Unreadable::Payload)?;
        Ok(Unpacked { payload: Payload::Unpacked(out), is_sealed: false })
    }

    /// The payload as it was before it was encrypted; none where it is not.
    fn decrypt(
        &mut self,
        head: &Head<'_>,
        metadata: &[u8],
        payload: &[u8],
    ) -> Option<Result<Vec<u8>, Undecryptable>> {
        if !head.is_encrypted {
            return None;
        }
        let Some((decryptor, _)) = &mut self.decryptor else {
            return Some(Err(Undecryptable("the source has no private keys".to_owned())));
        };
        let mut out = Vec::new();
        let outcome = decryptor.decrypt(metadata, payload, &mut out, Instant::now());
        Some(outcome.map(|()| out))
    }

    fn hands_on(&self) -> bool {
        self.decryptor.as_ref().is_some_and(|(_, on)| *on == OnUndecryptable::HandOn)
    }

    /// Takes the memory of an entry back.
    pub(crate) fn recycle(&mut self, entry: Entry) {
        if let Payload::Unpacked(memory) = entry.payload {
            self.scratch = memory;
        }
    }
}

impl Entry {
    /// The next record that is to be read; none at the end.
    ///
    /// # Errors
    /// [`Unreadable`]; what came before was good, and nothing behind it can be read.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Message<'_>>, Unreadable> {
        if self.is_marker {
            return Ok(None);
        }
        let payload = self.payload.bytes();
        match &mut self.cursor {
            Cursor::Batch(cursor) => loop {
                let message = cursor.next(payload, &self.ack_set).map_err(Unreadable::Batch)?;
                if message.is_none_or(|message| message.index >= self.n_skipped) {
                    return Ok(message);
                }
            },
            Cursor::Single { is_read } if !*is_read => {
                *is_read = true;
                unbatched(&self.metadata, payload).map(Some).or(Err(Unreadable::Metadata))
            }
            Cursor::Single { .. } => Ok(None),
        }
    }

    /// What the broker says of its records; `id` is its id as text.
    pub(crate) fn envelope<'e>(&'e self, id: &'e str) -> Envelope<'e> {
        let is_batch = matches!(self.cursor, Cursor::Batch(_));
        let first_position = is_batch.then(|| self.id.number_of(0));
        Envelope {
            redelivery_count: self.redelivery_count,
            publish_time: Some(self.publish_time.cast_signed()),
            producer_name: str::from_utf8(&self.producer_name).ok(),
            entry: Some(batch::EntryId { text: id, first_position }),
        }
    }

    /// The metadata, where the entry is handed on without being decrypted.
    pub(crate) fn sealed(&self) -> Option<&[u8]> {
        self.is_sealed.then_some(&self.metadata[..])
    }

    /// So many records at the front are left out.
    pub(crate) fn n_skipped(&self) -> u32 {
        self.n_skipped
    }

    /// Leaves out the records up to this one, which were read before.
    pub(crate) fn skip_to(&mut self, last_read: u32) {
        self.n_skipped = last_read.saturating_add(1);
    }
}

/// Clears the bits from `from` on, before `to`.
pub(crate) fn clear(words: &mut [i64], from: u32, to: u32) {
    for index in from..to {
        if let Some(word) = words.get_mut(index as usize / 64) {
            *word &= !(1 << (index % 64));
        }
    }
}

/// How many of a batch's messages are acknowledged already.
fn n_acknowledged(ack_set: &[i64], n_messages: u32) -> u32 {
    if ack_set.is_empty() {
        return 0;
    }
    n_messages.saturating_sub(ack_set.iter().map(|word| word.count_ones()).sum())
}
