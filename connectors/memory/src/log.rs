//! The records of one partition, in segments that are dropped whole.
//!
//! Invariant: positions are contiguous from `first` to before `next`; a record never changes once it is appended.

use std::collections::VecDeque;

use millstream_engine::batch::{Record, RecordBatch};

use crate::config::Start;
use crate::segment::{HEAD_BYTES, Segment};

/// Segments kept for reuse at most, so that a steady stream touches no fresh memory.
const MAX_SPARE: usize = 8;

/// Bytes that a record counts for, in limits of topics.
pub(crate) fn size_of_record(record: Record<'_>) -> usize {
    record.encoded().len() + HEAD_BYTES
}

/// When a batch is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    pub(crate) records: usize,
}

/// The memory of emptied segments, ready for new records.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Spare {
    /// The one that is used next lies here: a small topic has no other.
    next: Vec<u8>,
    more: Vec<Vec<u8>>,
}

impl Spare {
    /// An empty segment with room for `n_bytes`.
    fn take(&mut self, n_bytes: usize) -> Segment {
        let following = self.more.pop().unwrap_or_default();
        Segment::in_memory(std::mem::replace(&mut self.next, following), n_bytes)
    }

    fn put(&mut self, segment: Segment) {
        let before = std::mem::replace(&mut self.next, segment.into_memory());
        if before.capacity() > 0 && self.more.len() + 1 < MAX_SPARE {
            self.more.push(before);
        }
    }
}

/// One partition; in the order of need.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Log {
    next: u64,
    /// Takes the records: it lies here, because every append touches it.
    open: Segment,
    /// Those before it, full, oldest first.
    full: VecDeque<Segment>,
    full_bytes: usize,
    first: u64,
}

impl Log {
    /// The position of the first record kept.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The position of the next record to come.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Bytes kept.
    pub(crate) fn bytes(&self) -> usize {
        self.full_bytes + self.open.n_bytes()
    }

    /// The position after the oldest segment: what must be given up to make room.
    pub(crate) fn oldest_end(&self) -> Option<u64> {
        let oldest = self.full.front().unwrap_or(&self.open);
        (!oldest.is_empty()).then(|| oldest.end())
    }

    /// Appends a copy of `record`; a segment takes records until it holds `segment_bytes`.
    #[inline]
    pub(crate) fn append(
        &mut self,
        record: Record<'_>,
        now: i64,
        segment_bytes: usize,
        spare: &mut Spare,
    ) {
        if self.open.n_bytes() + size_of_record(record) > segment_bytes && !self.open.is_empty() {
            self.close_segment(segment_bytes, spare);
        }
        self.open.push(record, record.time().unwrap_or(now), self.next);
        self.next += 1;
    }

    /// Begins with another segment.
    #[cold]
    fn close_segment(&mut self, segment_bytes: usize, spare: &mut Spare) {
        let open = spare.take(segment_bytes);
        self.full_bytes += self.open.n_bytes();
        self.full.push_back(std::mem::replace(&mut self.open, open));
    }

    /// Gives up the oldest segment; returns the bytes that became free.
    pub(crate) fn drop_oldest(&mut self, spare: &mut Spare) -> usize {
        let Some(oldest) = self.full.pop_front() else {
            return self.drop_open();
        };
        let freed = oldest.n_bytes();
        self.first = self.first.max(oldest.end());
        self.full_bytes -= freed;
        spare.put(oldest);
        freed
    }

    /// Gives up the open segment, which keeps its memory.
    fn drop_open(&mut self) -> usize {
        let freed = self.open.n_bytes();
        self.open.clear();
        self.first = self.next;
        freed
    }

    /// Gives up everything before `position`; returns the bytes that became free.
    pub(crate) fn drop_before(&mut self, position: u64, spare: &mut Spare) -> usize {
        let mut freed = 0;
        while self.oldest_end().is_some_and(|end| end <= position) {
            freed += self.drop_oldest(spare);
        }
        self.first = self.first.max(position.min(self.next));
        freed
    }

    /// Copies records from `from` on, up to before `until`, while the batch has room; returns the position to go on at.
    ///
    /// A batch without a record takes one of any size.
    pub(crate) fn copy(&self, from: u64, until: u64, out: &mut RecordBatch, limits: Limits) -> u64 {
        let until = until.min(self.next);
        let begins_empty = out.is_empty();
        let room = limits.records.saturating_sub(out.len());
        let first = self.full.partition_point(|segment| segment.end() <= from);
        let frames = self.segments().skip(first).flat_map(Segment::frames);
        let wanted = frames.skip_while(|frame| frame.position < from);
        let mut at = from;
        for frame in wanted.take_while(|frame| frame.position < until).take(room) {
            let is_first = begins_empty && at == from;
            if !is_first && out.n_bytes() + frame.n_bytes() > limits.bytes {
                break;
            }
            frame.copy_to(out);
            at = frame.position + 1;
        }
        at
    }

    /// All segments, oldest first.
    fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.full.iter().chain([&self.open])
    }

    /// Where reading starts by the setting.
    pub(crate) fn start(&self, start: Start) -> u64 {
        match start {
            Start::Earliest => self.first,
            Start::Latest => self.next,
            Start::Time(millis) => self.position_at(millis),
        }
    }

    /// The position of the first record of `millis` or later; the end where there is none.
    fn position_at(&self, millis: i64) -> u64 {
        let frames = self.segments().flat_map(Segment::frames);
        let mut kept = frames.filter(|frame| frame.position >= self.first);
        kept.find(|frame| frame.time().is_some_and(|time| time >= millis))
            .map_or(self.next, |frame| frame.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMY: Limits = Limits { bytes: usize::MAX, records: usize::MAX };

    fn log_of(n: u64, segment_bytes: usize) -> Log {
        let mut log = Log::default();
        let mut spare = Spare::default();
        let mut batch = RecordBatch::default();
        for value in 0..n {
            batch.push(None, Some(value.to_string().as_bytes()), i64::try_from(value).unwrap(), 77);
        }
        for record in batch.iter() {
            log.append(record, 0, segment_bytes, &mut spare);
        }
        log
    }

    fn texts(batch: &RecordBatch) -> Vec<String> {
        batch.iter().map(|r| r.to_owned().text().unwrap().to_owned()).collect()
    }

    #[test]
    fn copy_crosses_segments_and_stops_at_the_end() {
        let log = log_of(10, 70);
        let mut out = RecordBatch::default();
        assert_eq!(log.copy(1, 9, &mut out, ROOMY), 9);
        assert_eq!(texts(&out), ["1", "2", "3", "4", "5", "6", "7", "8"]);
        assert_eq!(out.get(0).unwrap().position(), 1);
        out.clear();
        assert_eq!(log.copy(10, u64::MAX, &mut out, ROOMY), 10);
        assert!(out.is_empty());
    }

    #[test]
    fn drop_before_may_cut_a_segment() {
        let mut log = log_of(10, 70);
        assert!(log.drop_before(5, &mut Spare::default()) > 0);
        assert_eq!((log.first(), log.next()), (5, 10));
        let mut out = RecordBatch::default();
        log.copy(5, u64::MAX, &mut out, ROOMY);
        assert_eq!(texts(&out), ["5", "6", "7", "8", "9"]);
        assert_eq!(log.position_at(0), 5);
        assert_eq!(log.position_at(7), 7);
        assert_eq!(log.position_at(99), 10);
        log.drop_before(10, &mut Spare::default());
        assert_eq!((log.first(), log.bytes(), log.oldest_end()), (10, 0, None));
        let mut batch = RecordBatch::default();
        batch.push(None, Some(b"10"), 10, 77);
        let record = batch.get(0).unwrap();
        log.append(record, 0, 70, &mut Spare::default());
        out.clear();
        assert_eq!((log.copy(10, u64::MAX, &mut out, ROOMY), log.oldest_end()), (11, Some(11)));
        assert_eq!(texts(&out), ["10"]);
    }

    #[test]
    fn limits_stop_a_copy() {
        let log = log_of(10, 1000);
        let mut out = RecordBatch::default();
        assert_eq!(log.copy(0, u64::MAX, &mut out, Limits { bytes: 3, records: 9 }), 3);
        out.clear();
        assert_eq!(log.copy(0, u64::MAX, &mut out, Limits { bytes: 0, records: 9 }), 1);
        out.clear();
        assert_eq!(log.copy(0, u64::MAX, &mut out, Limits { bytes: 99, records: 2 }), 2);
    }
}
