//! Batches that we wrote, read again: the producer hands records back that it gave up on.
//!
//! Invariant: nothing is reserved by a number from the batch before it was compared with a bound.

use millstream_engine::batch::Header;

use super::batch::{Head, split};
use super::codec::{Malformed, Reader};
use super::compression::decompress;
use super::varint;

/// A record of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Read<'b> {
    pub(crate) key: Option<&'b [u8]>,
    pub(crate) value: Option<&'b [u8]>,
    pub(crate) headers: ReadHeaders<'b>,
    /// In milliseconds since the Unix epoch.
    pub(crate) time: i64,
}

/// The headers of a record, in their order.
#[derive(Clone, Debug)]
pub(crate) struct ReadHeaders<'b> {
    reader: Reader<'b>,
    n_left: usize,
}

impl<'b> Iterator for ReadHeaders<'b> {
    type Item = Header<'b>;

    fn next(&mut self) -> Option<Header<'b>> {
        self.n_left = self.n_left.checked_sub(1)?;
        header(&mut self.reader).ok()
    }
}

/// Calls `each` with the records of a batch, in their order; they take `max_bytes` at most, decompressed.
///
/// # Errors
/// Where the batch is not one, or is larger. Records before the fault were handed to `each` then.
pub(crate) fn decode(
    batch: &[u8],
    max_bytes: usize,
    mut each: impl FnMut(Read<'_>),
) -> Result<(), Malformed> {
    let (head, body) = split(batch)?;
    let bytes = decompress(head.attributes, body, max_bytes)?;
    let mut reader = Reader::new(&bytes);
    for place in 0..head.n_records {
        let record = bytes_of(&mut reader)?.ok_or(Malformed)?;
        each(read(record, place, head)?);
    }
    whole(reader)
}

fn read(record: &[u8], place: u32, head: Head) -> Result<Read<'_>, Malformed> {
    let mut reader = Reader::new(record);
    let _attributes = reader.i8()?;
    let time = head.base_time.wrapping_add(reader.varint()?);
    if reader.varint()? != i64::from(place) {
        return Err(Malformed);
    }
    let (key, value) = (bytes_of(&mut reader)?, bytes_of(&mut reader)?);
    let n_headers = usize::try_from(reader.varint()?).or(Err(Malformed))?;
    let headers = ReadHeaders { reader, n_left: n_headers };
    for _ in 0..n_headers {
        header(&mut reader)?;
    }
    whole(reader)?;
    Ok(Read { key, value, headers, time })
}

fn header<'b>(reader: &mut Reader<'b>) -> Result<Header<'b>, Malformed> {
    let name = bytes_of(reader)?.ok_or(Malformed)?;
    let name = std::str::from_utf8(name).or(Err(Malformed))?;
    Ok(Header { name, value: bytes_of(reader)? })
}

/// Bytes behind their length, or null.
fn bytes_of<'b>(reader: &mut Reader<'b>) -> Result<Option<&'b [u8]>, Malformed> {
    match reader.varint()? {
        varint::NULL => Ok(None),
        n_bytes => reader.take(usize::try_from(n_bytes).or(Err(Malformed))?).map(Some),
    }
}

/// That nothing is left.
fn whole(reader: Reader<'_>) -> Result<(), Malformed> {
    if reader.rest().is_empty() { Ok(()) } else { Err(Malformed) }
}
