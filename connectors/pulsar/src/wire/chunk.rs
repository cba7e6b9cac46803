//! Messages larger than the broker takes: cut into chunks by the producer, put together again by the consumer.
//!
//! A chunk is a message of its own whose metadata says which one it belongs to (`uuid`), its place, and how many there are. They
//! come in order, but between those of other producers. Invariant: what waits for its end is bounded in number, bytes and time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;

use super::proto::MessageMetadata;

/// What a chunk's metadata has besides: three numbers of up to 5 bytes, four names, a length; and the checksum and lengths around it.
const MORE_METADATA: usize = 3 * 5 + 4 * 2 + 2 + 32;

/// Cuts `payload`, compressed and not encrypted, into chunks that take `max_bytes` at most, metadata counted; what encryption
/// adds is the caller's to leave room for. A chunk is encrypted by itself.
///
/// None where the metadata alone leaves no room, or where there would be more chunks or bytes than the protocol can count.
pub(crate) fn split<'m>(
    metadata: &'m MessageMetadata,
    payload: &Bytes,
    max_bytes: usize,
) -> Option<impl ExactSizeIterator<Item = (MessageMetadata, Bytes)> + use<'m>> {
    // As Java names it: the same message has the same name when it is sent again.
    let uuid = format!("{}-{}", metadata.producer_name, metadata.sequence_id);
    let n_metadata = metadata.encoded_len() + uuid.len() + MORE_METADATA;
    let room = max_bytes.checked_sub(n_metadata).filter(|room| *room > 0)?;
    let n_chunks = i32::try_from(payload.len().div_ceil(room).max(1)).ok()?;
    let total = i32::try_from(payload.len()).ok()?;
    let payload = payload.clone();
    let chunk = move |chunk_id: i32| {
        let start = usize::try_from(chunk_id).unwrap_or(0) * room;
        let end = payload.len().min(start + room);
        let metadata = MessageMetadata {
            uuid: Some(uuid.clone()),
            num_chunks_from_msg: Some(n_chunks),
            total_chunk_msg_size: Some(total),
            chunk_id: Some(chunk_id),
            ..metadata.clone()
        };
        (metadata, payload.slice(start..end))
    };
    Some((0..n_chunks).map(chunk))
}

/// Whether the metadata is that of a chunk.
pub(crate) fn is_chunk(metadata: &MessageMetadata) -> bool {
    metadata.num_chunks_from_msg.is_some_and(|n_chunks| n_chunks > 1)
}

/// How much may wait for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkLimits {
    /// Messages of which some chunks have come. Default: 10, as in Java's client.
    pub(crate) max_pending: usize,
    /// Bytes of all of them. Default: 64 MiB.
    pub(crate) max_bytes: usize,
    /// From the first chunk on. Default: 60 s, as in Java's client.
    pub(crate) expiry: Duration,
}

impl Default for ChunkLimits {
    fn default() -> Self {
        Self { max_pending: 10, max_bytes: 64 << 20, expiry: Duration::from_mins(1) }
    }
}

/// What became of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Put<I> {
    /// It waits for the next one, or had come before under the same id.
    Kept,
    /// It was the last one: the payload, still compressed, and the ids of all chunks, in order.
    Whole { payload: Vec<u8>, ids: Vec<I> },
    /// Its producer sent it twice: this id is to be acknowledged with nothing to show for it.
    Repeated(I),
    /// It fits nowhere.
    Refused(I, BadChunk),
}

/// Why there is no message of some chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadChunk {
    /// Its metadata contradicts itself, or that of the chunks before.
    Malformed,
    /// Those before it have not come, or were given up.
    Missing,
    /// The message is larger than all that may wait.
    TooLarge { n_bytes: usize, limit: usize },
    /// The others did not come in time.
    Expired,
    /// There were too many others, or too large ones.
    NoRoom,
}

/// Chunks that are given up, oldest message first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GivenUp<I> {
    pub(crate) ids: Vec<I>,
    pub(crate) why: BadChunk,
}

/// The chunks of messages that are not whole yet. `I` is how the consumer knows a message.
#[derive(Debug)]
pub(crate) struct Assembly<I> {
    limits: ChunkLimits,
    /// The oldest first.
    pending: Vec<Pending<I>>,
    given_up: Vec<GivenUp<I>>,
}

#[derive(Debug)]
struct Pending<I> {
    uuid: String,
    shape: Shape,
    payload: Vec<u8>,
    /// Of the chunks that came: as many as came.
    ids: Vec<I>,
    since: Instant,
}

/// What all chunks of a message say alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    n_chunks: usize,
    n_bytes: usize,
}

impl Shape {
    fn of(metadata: &MessageMetadata) -> Option<Self> {
        let n_chunks = usize::try_from(metadata.num_chunks_from_msg?).ok()?;
        let n_bytes = usize::try_from(metadata.total_chunk_msg_size?).ok()?;
        // No chunk is empty: their number is bounded by the bytes.
        (n_chunks > 0 && n_chunks <= n_bytes.max(1)).then_some(Self { n_chunks, n_bytes })
    }
}

impl<I: PartialEq> Assembly<I> {
    pub(crate) fn new(limits: ChunkLimits) -> Self {
        Self { limits, pending: Vec::new(), given_up: Vec::new() }
    }

    /// Adds a chunk, decrypted; ask [`given_up`](Self::given_up) after it.
    pub(crate) fn put(
        &mut self,
        metadata: &MessageMetadata,
        chunk: &[u8],
        id: I,
        now: Instant,
    ) -> Put<I> {
        let place = metadata.chunk_id.and_then(|chunk_id| usize::try_from(chunk_id).ok());
        let (Some(place), Some(shape)) = (place, Shape::of(metadata)) else {
            return Put::Refused(id, BadChunk::Malformed);
        };
        let limit = self.limits.max_bytes;
        if shape.n_bytes > limit {
            return Put::Refused(id, BadChunk::TooLarge { n_bytes: shape.n_bytes, limit });
        }
        let uuid = metadata.uuid.as_deref().unwrap_or_default();
        let index = match self.pending.iter().position(|pending| pending.uuid == uuid) {
            Some(index) => index,
            None if place == 0 => self.start(uuid, shape, now),
            None => return Put::Refused(id, BadChunk::Missing),
        };
        self.add(index, place, shape, (chunk, id))
    }

    fn start(&mut self, uuid: &str, shape: Shape, now: Instant) -> usize {
        if self.pending.len() >= self.limits.max_pending.max(1) {
            self.give_up(0, BadChunk::NoRoom);
        }
        let (payload, ids) = (Vec::new(), Vec::new());
        self.pending.push(Pending { uuid: uuid.to_owned(), shape, payload, ids, since: now });
        self.pending.len() - 1
    }

    fn add(&mut self, index: usize, place: usize, shape: Shape, (chunk, id): (&[u8], I)) -> Put<I> {
        let pending = &mut self.pending[index];
        let n_bytes = pending.payload.len() + chunk.len();
        let is_last = place + 1 == shape.n_chunks;
        let fits = if is_last { n_bytes == shape.n_bytes } else { n_bytes < shape.n_bytes };
        if pending.shape != shape {
            return Put::Refused(id, BadChunk::Malformed);
        }
        if place < pending.ids.len() {
            return if pending.ids.contains(&id) { Put::Kept } else { Put::Repeated(id) };
        }
        if place > pending.ids.len() {
            self.give_up(index, BadChunk::Missing);
            return Put::Refused(id, BadChunk::Missing);
        }
        if !fits || chunk.is_empty() && shape.n_bytes > 0 {
            self.give_up(index, BadChunk::Malformed);
            return Put::Refused(id, BadChunk::Malformed);
        }
        pending.payload.extend_from_slice(chunk);
        pending.ids.push(id);
        if is_last {
            let Pending { payload, ids, .. } = self.pending.remove(index);
            return Put::Whole { payload, ids };
        }
        self.make_room(index);
        Put::Kept
    }

    /// Gives up the oldest others until all that waits is within the limit, which the one at `index` alone is.
    fn make_room(&mut self, mut index: usize) {
        let n_bytes = |all: &[Pending<I>]| all.iter().map(|p| p.payload.len()).sum::<usize>();
        while n_bytes(&self.pending) > self.limits.max_bytes && self.pending.len() > 1 {
            let oldest = usize::from(index == 0);
            self.give_up(oldest, BadChunk::NoRoom);
            index -= usize::from(oldest < index);
        }
    }

    fn give_up(&mut self, index: usize, why: BadChunk) {
        let Pending { ids, .. } = self.pending.remove(index);
        if !ids.is_empty() {
            self.given_up.push(GivenUp { ids, why });
        }
    }

    /// What was given up since this was asked last, and what has waited too long by `now`.
    pub(crate) fn given_up(&mut self, now: Instant) -> Vec<GivenUp<I>> {
        let expiry = self.limits.expiry;
        let is_old = |p: &Pending<I>| now.saturating_duration_since(p.since) >= expiry;
        while self.pending.first().is_some_and(is_old) {
            self.give_up(0, BadChunk::Expired);
        }
        std::mem::take(&mut self.given_up)
    }
}

#[cfg(test)]
mod tests;
