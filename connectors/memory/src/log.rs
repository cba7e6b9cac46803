//! The records of one partition, in segments that are dropped whole.
//!
//! Invariant: positions are contiguous from `first` to before `next`; a record never changes once it is appended.

use std::collections::VecDeque;
use std::ops::Range;

use millstream_engine::batch::{Entry, Record, RecordBatch};

use crate::config::Start;

/// Segments kept for reuse at most, so that a steady stream touches no fresh memory.
const MAX_SPARE: usize = 8;

/// Bytes that a record counts for, in limits of topics.
pub(crate) fn size_of_record(record: Record<'_>) -> usize {
    record.n_bytes() + record.headers().encoded().len() + size_of::<Entry>()
}

/// When a batch is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    pub(crate) records: usize,
}

/// Neighbouring records.
#[derive(Default)]
#[repr(C)]
struct Segment {
    records: RecordBatch,
    /// The position of the first one.
    base: u64,
}

impl Segment {
    /// The position after the last one.
    fn end(&self) -> u64 {
        self.base + self.records.len() as u64
    }

    /// What its records count for, as [`size_of_record`] has it.
    #[inline]
    fn bytes(&self) -> usize {
        self.records.n_bytes() + self.records.len() * size_of::<Entry>()
    }

    /// The index up to which records of `range` fit into `out`; an empty batch takes one of any size.
    fn fitting(&self, range: Range<usize>, out: &RecordBatch, limits: Limits) -> usize {
        let room = limits.records.saturating_sub(out.len());
        let mut n_bytes = out.n_bytes();
        let is_empty = out.is_empty();
        for index in range.clone() {
            let Some(record) = self.records.get(index) else {
                return index;
            };
            n_bytes += record.n_bytes();
            let first = is_empty && index == range.start;
            if index - range.start >= room || (!first && n_bytes > limits.bytes) {
                return index;
            }
        }
        range.end
    }
}

/// Emptied segments, ready for new records.
#[derive(Default)]
pub(crate) struct Spare(Vec<RecordBatch>);

impl Spare {
    /// An emptied segment, else a new one with the room that the one before turned out to need.
    fn take(&mut self, before: &RecordBatch) -> RecordBatch {
        let sized = || {
            let (n_bytes, n_records) = (before.n_bytes(), before.len());
            RecordBatch::with_capacity(n_bytes + n_bytes / 8, n_records + n_records / 8)
        };
        self.0.pop().unwrap_or_else(sized)
    }

    fn put(&mut self, mut records: RecordBatch) {
        if self.0.len() < MAX_SPARE {
            records.clear();
            self.0.push(records);
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
        self.full_bytes + self.open.bytes()
    }

    /// The position after the oldest segment: what must be given up to make room.
    pub(crate) fn oldest_end(&self) -> Option<u64> {
        let oldest = self.full.front().unwrap_or(&self.open);
        (!oldest.records.is_empty()).then(|| oldest.end())
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
        if self.open.bytes() >= segment_bytes {
            self.close_segment(spare);
        }
        self.open.records.push_placed(record, record.time().unwrap_or(now), self.next);
        self.next += 1;
    }

    /// Begins with another segment.
    #[cold]
    fn close_segment(&mut self, spare: &mut Spare) {
        let records = spare.take(&self.open.records);
        let open = Segment { base: self.next, records };
        self.full_bytes += self.open.bytes();
        self.full.push_back(std::mem::replace(&mut self.open, open));
    }

    /// Gives up the oldest segment; returns the bytes that became free.
    pub(crate) fn drop_oldest(&mut self, spare: &mut Spare) -> usize {
        let Some(oldest) = self.full.pop_front() else {
            return self.drop_open();
        };
        let freed = oldest.bytes();
        self.first = self.first.max(oldest.end());
        self.full_bytes -= freed;
        spare.put(oldest.records);
        freed
    }

    /// Gives up the open segment, which keeps its memory.
    fn drop_open(&mut self) -> usize {
        let freed = self.open.bytes();
        self.open.records.clear();
        (self.open.base, self.first) = (self.next, self.next);
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
        let mut at = from;
        let first = self.full.partition_point(|segment| segment.end() <= from);
        for segment in self.segments().skip(first) {
            let skip = usize::try_from(at - segment.base).unwrap_or(usize::MAX);
            let take = usize::try_from(until.saturating_sub(at)).unwrap_or(usize::MAX);
            let end = segment.records.len().min(skip.saturating_add(take));
            let fitting = skip..segment.fitting(skip..end, out, limits);
            let is_full = fitting.end < end;
            at += fitting.len() as u64;
            out.push_range(&segment.records, fitting);
            if is_full {
                return at;
            }
            if at >= until {
                break;
            }
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
        let records = self.segments().flat_map(|segment| segment.records.iter());
        let mut kept = records.filter(|record| record.position() >= self.first);
        kept.find(|record| record.time().is_some_and(|time| time >= millis))
            .map_or(self.next, Record::position)
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
