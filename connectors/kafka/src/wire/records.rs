//! Records on their way into one batch, in the form they have inside it.
//!
//! Used by the producer for every record, so: one reservation a record, and its length known before it is written. Invariant: the
//! bytes are whole records; the first one's time is what the times of all are told from.

use millstream_engine::batch::Headers;

use super::varint;

/// Bytes of a record beside its key, value and headers at most: its length, attributes, time, place, and four lengths.
const MAX_FRAME: usize = 5 + 1 + 10 + 5 + 3 * 5;

/// Name and value of a header.
pub(crate) type RawHeader<'h> = (&'h [u8], Option<&'h [u8]>);

/// Encoded records, not compressed.
#[derive(Debug, Default)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    len: u32,
    base_time: i64,
    max_time: i64,
}

impl Records {
    /// No records yet, in memory that was used before: it is cleared.
    pub(crate) fn new(mut memory: Vec<u8>) -> Self {
        memory.clear();
        Self { bytes: memory, ..Self::default() }
    }

    /// Adds a record; `time` in milliseconds since the Unix epoch.
    ///
    /// The batch stays below 2 GiB and 2^31 records: that is the caller's bound to keep.
    #[inline]
    pub(crate) fn push<'h>(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = RawHeader<'h>> + Clone,
        time: i64,
    ) {
        if self.len == 0 {
            (self.base_time, self.max_time) = (time, time);
        }
        self.max_time = self.max_time.max(time);
        let since_base = time.wrapping_sub(self.base_time);
        let place = i64::from(self.len);
        let (n_headers, header_bytes) = measure(&headers);
        let n_bytes = 1
            + varint::size(since_base)
            + varint::size(place)
            + size_of_bytes(key)
            + size_of_bytes(value)
            + varint::size(n_headers)
            + header_bytes;
        let out = &mut self.bytes;
        out.reserve(5 + n_bytes);
        varint::put(out, n_bytes.cast_signed() as i64);
        out.push(0); // attributes: none is defined
        varint::put(out, since_base);
        varint::put(out, place);
        put_bytes(out, key);
        put_bytes(out, value);
        varint::put(out, n_headers);
        for (name, content) in headers {
            put_bytes(out, Some(name));
            put_bytes(out, content);
        }
        self.len += 1;
    }

    pub(crate) fn n_records(&self) -> u32 {
        self.len
    }

    /// Bytes of the records, without the head of their batch.
    pub(crate) fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The time of the first record and the latest of all.
    pub(super) fn times(&self) -> (i64, i64) {
        (self.base_time, self.max_time)
    }

    /// The memory, to be used for other records.
    pub(crate) fn into_memory(self) -> Vec<u8> {
        self.bytes
    }
}

/// Bytes that a record takes in a batch at most.
#[inline]
pub(crate) fn size_of(key: Option<&[u8]>, value: Option<&[u8]>, headers: &Headers<'_>) -> usize {
    // A header's two lengths take 6 bytes in the engine's form and no more here, up to 8 where its value is of a mebibyte.
    let n_header_bytes = headers.encoded().len();
    let of_mebibytes = n_header_bytes >> 19;
    let n_bytes = key.unwrap_or_default().len() + value.unwrap_or_default().len();
    MAX_FRAME + n_bytes + n_header_bytes + of_mebibytes
}

/// How many headers there are, and their bytes.
#[inline]
fn measure<'h>(headers: &(impl Iterator<Item = RawHeader<'h>> + Clone)) -> (i64, usize) {
    headers.clone().fold((0, 0), |(n_headers, n_bytes), (name, value)| {
        (n_headers + 1, n_bytes + size_of_bytes(Some(name)) + size_of_bytes(value))
    })
}

/// Bytes that this takes with its length.
#[inline]
fn size_of_bytes(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint::size(varint::length(bytes)) + bytes.len())
}

#[inline]
fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint::put(out, bytes.map_or(varint::NULL, varint::length));
    out.extend_from_slice(bytes.unwrap_or_default());
}
