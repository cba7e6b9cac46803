//! Neighbouring records of a partition, one after the other in one piece of memory.
//!
//! A record lies there whole, its lengths before its bytes: a writer that routes to thousands of topics waits for one place per
//! record, not for two. Invariant: what lies behind a segment's start is a whole number of frames.

use millstream_engine::batch::{NO_TIME, Record, RecordBatch};

/// Bytes before those of a record: three lengths, a word that is free, time and position.
pub(crate) const HEAD_BYTES: usize = 32;

/// Bytes of memory that are kept for reuse: one oversized record must not hold its memory for good.
const MAX_KEPT_BYTES: usize = 128 << 10;

/// The length of a key or value that is none.
const NONE: u32 = u32::MAX;

/// Records, framed.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    frames: Vec<u8>,
    /// The position after the last record.
    end: u64,
}

/// A record as it lies in a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) position: u64,
    time: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: &'a [u8],
}

impl Segment {
    /// An empty segment in this memory, with room for `n_bytes`.
    pub(crate) fn in_memory(mut frames: Vec<u8>, n_bytes: usize) -> Self {
        frames.reserve_exact(n_bytes);
        Self { frames, end: 0 }
    }

    /// The segment's memory, for another one.
    pub(crate) fn into_memory(mut self) -> Vec<u8> {
        self.clear();
        self.frames
    }

    /// Bytes of all records, their heads included.
    #[inline]
    pub(crate) fn n_bytes(&self) -> usize {
        self.frames.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The position after the last record.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Gives up all records and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.frames.shrink_to(MAX_KEPT_BYTES);
    }

    /// Appends a copy of `record`.
    #[inline]
    pub(crate) fn push(&mut self, record: Record<'_>, time: i64, position: u64) {
        let headers = record.headers().encoded();
        let mut head = [0; HEAD_BYTES];
        head[0..4].copy_from_slice(&length(record.key()).to_le_bytes());
        head[4..8].copy_from_slice(&length(record.value()).to_le_bytes());
        head[8..12].copy_from_slice(&length(Some(headers)).to_le_bytes());
        head[16..24].copy_from_slice(&time.to_le_bytes());
        head[24..32].copy_from_slice(&position.to_le_bytes());
        self.frames.extend_from_slice(&head);
        self.frames.extend_from_slice(record.encoded());
        self.end = position + 1;
    }

    /// The records, in order.
    pub(crate) fn frames(&self) -> Frames<'_> {
        Frames { rest: &self.frames }
    }
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a batch, and so a record, holds less than 4 GiB"
)]
fn length(part: Option<&[u8]>) -> u32 {
    part.map_or(NONE, |bytes| bytes.len() as u32)
}

/// The records of a segment.
#[derive(Clone, Debug)]
pub(crate) struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    fn take(&mut self, n_bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n_bytes)?;
        self.rest = rest;
        Some(taken)
    }

    fn part(&mut self, length: [u8; 4]) -> Option<&'a [u8]> {
        match u32::from_le_bytes(length) {
            NONE => None,
            n_bytes => self.take(n_bytes as usize),
        }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    #[inline]
    fn next(&mut self) -> Option<Frame<'a>> {
        let (head, rest) = self.rest.split_first_chunk::<HEAD_BYTES>()?;
        self.rest = rest;
        let word = |at: usize| [head[at], head[at + 1], head[at + 2], head[at + 3]];
        let long = |at: usize| head[at..].first_chunk().copied().unwrap_or_default();
        Some(Frame {
            key: self.part(word(0)),
            value: self.part(word(4)),
            headers: self.part(word(8)).unwrap_or_default(),
            time: i64::from_le_bytes(long(16)),
            position: u64::from_le_bytes(long(24)),
        })
    }
}

impl Frame<'_> {
    /// Bytes of key and value.
    pub(crate) fn n_bytes(self) -> usize {
        self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len)
    }

    /// Copies the record to a batch.
    #[inline]
    pub(crate) fn copy_to(self, out: &mut RecordBatch) {
        out.push(self.key, self.value, self.time, self.position);
        if !self.headers.is_empty() {
            out.push_encoded_headers(self.headers);
        }
    }

    pub(crate) fn time(self) -> Option<i64> {
        (self.time != NO_TIME).then_some(self.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were() {
        let mut batch = RecordBatch::default();
        batch.push(None, None, NO_TIME, 5);
        batch.push(Some(b""), Some(b""), 0, 6);
        batch.push(Some(b"key"), Some(&[7; 300]), -1, 7);
        batch.push_header("name", Some(b"value"));
        batch.push_header("none", None);
        let mut segment = Segment::default();
        for record in batch.iter() {
            segment.push(record, record.time().unwrap_or(NO_TIME), record.position());
        }
        assert_eq!((segment.end(), segment.n_bytes()), (8, 3 * HEAD_BYTES + batch.n_bytes()));
        let mut out = RecordBatch::default();
        segment.frames().for_each(|frame| frame.copy_to(&mut out));
        let owned = |of: &RecordBatch| of.iter().map(Record::to_owned).collect::<Vec<_>>();
        assert_eq!(owned(&out), owned(&batch));
        let times: Vec<_> = segment.frames().map(Frame::time).collect();
        assert_eq!(times, [None, Some(0), Some(-1)]);
    }

    #[test]
    fn memory_is_used_again() {
        let mut batch = RecordBatch::default();
        batch.push(None, Some(b"value"), NO_TIME, 0);
        let record = batch.get(0).expect("it was pushed");
        let mut segment = Segment::in_memory(Vec::new(), 1000);
        let start = segment.frames.as_ptr();
        segment.push(record, 1, 0);
        let again = Segment::in_memory(segment.into_memory(), 1000);
        assert!(again.is_empty());
        assert_eq!(again.frames.as_ptr(), start);
        let large = Segment::in_memory(Vec::new(), 2 * MAX_KEPT_BYTES);
        assert!(large.into_memory().capacity() <= MAX_KEPT_BYTES);
    }
}
