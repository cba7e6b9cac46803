//! The head of a record batch, version 2: what stands before the records, and who sends it.
//!
//! A batch is stamped after it was built, as its place among those to its partition is known only when it is sent; the checksum
//! covers the stamp. Invariant: what [`put_batch`] writes is whole but for the checksum.

use std::ops::Range;

use super::codec::{Malformed, Reader, put_i16, put_i32};
use super::records::Records;

/// Bytes of the head of a batch.
pub(crate) const HEAD: usize = 61;

/// Up to the length, which counts what follows it.
const UP_TO_LENGTH: usize = 12;
const VERSION: i8 = 2;
const CHECKSUM: Range<usize> = 17..21;
/// The producer's id, its epoch and the sequence.
const SENDER: Range<usize> = 43..57;
/// Who sends a batch, and its place among those to its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    /// The place of the first record.
    pub(crate) sequence: i32,
}

impl Stamp {
    /// Nobody that the broker knows: it takes the batch as often as it comes.
    pub(crate) const NOBODY: Self = Self { producer_id: -1, epoch: -1, sequence: -1 };

    fn bytes(self) -> [u8; SENDER.end - SENDER.start] {
        let mut bytes = [0; SENDER.end - SENDER.start];
        bytes[..8].copy_from_slice(&self.producer_id.to_be_bytes());
        bytes[8..10].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[10..].copy_from_slice(&self.sequence.to_be_bytes());
        bytes
    }
}

/// Writes who sends a batch and its place among those to its partition, and the checksum, which is wrong until then.
pub(crate) fn stamp(batch: &mut [u8], stamp: Stamp) {
    batch[SENDER].copy_from_slice(&stamp.bytes());
    let checksum = crc32c::crc32c(&batch[CHECKSUM.end..]);
    batch[CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
}

/// Appends a batch: its head, not stamped yet, and `body`, which is the records as the attributes say.
pub(super) fn put_batch(out: &mut Vec<u8>, records: &Records, attributes: i16, body: &[u8]) {
    let n_records = records.n_records().cast_signed();
    let (base_time, max_time) = records.times();
    let n_bytes = HEAD - UP_TO_LENGTH + body.len();
    out.reserve(HEAD + body.len());
    out.extend_from_slice(&0_i64.to_be_bytes()); // the broker gives the place in the partition
    put_i32(out, i32::try_from(n_bytes).unwrap_or(i32::MAX));
    put_i32(out, -1); // the leader's epoch: the broker's to write
    out.extend_from_slice(&VERSION.to_be_bytes());
    put_i32(out, 0); // the checksum
    put_i16(out, attributes);
    put_i32(out, n_records - 1);
    out.extend_from_slice(&base_time.to_be_bytes());
    out.extend_from_slice(&max_time.to_be_bytes());
    out.extend_from_slice(&Stamp::NOBODY.bytes());
    put_i32(out, n_records);
    out.extend_from_slice(body);
}

/// What the head of a batch says of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) attributes: i16,
    pub(super) base_time: i64,
    pub(super) n_records: u32,
}

/// Splits a batch into its head and the rest. The checksum is not looked at: before the stamp there is none.
pub(super) fn split(batch: &[u8]) -> Result<(Head, &[u8]), Malformed> {
    let mut reader = Reader::new(batch);
    let _base_offset = reader.i64()?;
    let n_bytes = reader.i32()?;
    let whole = usize::try_from(n_bytes).is_ok_and(|n_bytes| n_bytes == reader.rest().len());
    let _leader_epoch = reader.i32()?;
    let version = reader.i8()?;
    if !whole || version != VERSION {
        return Err(Malformed);
    }
    let _checksum = reader.i32()?;
    let attributes = reader.i16()?;
    let _last_offset = reader.i32()?;
    let base_time = reader.i64()?;
    let _max_time = reader.i64()?;
    let _sender = reader.take(SENDER.len())?;
    let n_records = u32::try_from(reader.i32()?).or(Err(Malformed))?;
    Ok((Head { attributes, base_time, n_records }, reader.rest()))
}
