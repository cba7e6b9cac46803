//! The running half: makes the records that are due, and remembers where each batch ends.
//!
//! Invariant: partitions take turns, so that none of them waits for another one's records.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_engine::Result;
use millstream_engine::batch::{Origin, RecordBatch};
use millstream_engine::source::{
    Assignment, Confirmed, Partition, Read, Reader, ReaderContext, ResumePosition,
};

use crate::finder::parse;
use crate::pace::Pace;
use crate::source::{CONNECTOR, Source};

/// A partition that is generated here.
struct Lane {
    origin: Origin,
    /// The number of its next record.
    next: u64,
    /// Where it ends.
    end: Option<u64>,
}

/// Where a batch ends in one of its partitions.
struct BatchEnd {
    batch: u64,
    partition: u32,
    next: u64,
}

/// Generates the partitions assigned to one worker.
pub(crate) struct GeneratorReader {
    source: Source,
    cx: ReaderContext,
    lanes: Vec<Lane>,
    /// Whose turn it is.
    turn: usize,
    pace: Pace,
    n_read: u64,
    n_confirmed: u64,
    unconfirmed: VecDeque<BatchEnd>,
}

impl GeneratorReader {
    pub(crate) fn new(source: Source, cx: ReaderContext) -> Self {
        let pace = Pace::new(source.rate, 1.0, cx.open.clock.micros());
        Self {
            source,
            cx,
            lanes: Vec::new(),
            turn: 0,
            pace,
            n_read: 0,
            n_confirmed: 0,
            unconfirmed: VecDeque::new(),
        }
    }

    /// Makes what is due, so far as it fits.
    fn fill(&mut self, batch: &mut RecordBatch) {
        let most = self.cx.batch_records.max(1);
        let due = self.pace.due(self.cx.open.clock.micros(), most);
        let each = due.div_ceil(self.lanes.len().max(1));
        for _ in 0..self.lanes.len() {
            let lane = self.turn % self.lanes.len();
            self.turn = lane + 1;
            self.fill_from(lane, batch, each.min(due - batch.len()));
        }
        self.pace.made(batch.len());
    }

    /// Makes up to `n` records of one partition.
    fn fill_from(&mut self, lane: usize, batch: &mut RecordBatch, n: usize) {
        let lane = &mut self.lanes[lane];
        let now = self.cx.open.clock.unix_millis();
        batch.set_origin(&lane.origin);
        for _ in 0..n {
            if lane.has_ended() || batch.n_bytes() >= self.cx.batch_bytes {
                return;
            }
            let (stride, first) =
                (u64::from(self.source.partitions), u64::from(lane.origin.partition));
            let mut writer = batch.writer();
            writer.time(now);
            self.source.shape.write(self.source.seed, lane.next * stride + first, &mut writer);
            writer.position(lane.next);
            writer.finish();
            lane.next += 1;
        }
    }

    fn remember(&mut self, batch: &RecordBatch) {
        for (origin, last) in batch.run_ends() {
            let end = BatchEnd { batch: self.n_read, partition: origin.partition, next: last + 1 };
            self.unconfirmed.push_back(end);
        }
        self.n_read += 1;
    }

    fn has_ended(&self) -> bool {
        self.cx.bounded && self.lanes.iter().all(Lane::has_ended)
    }
}

impl Lane {
    fn has_ended(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }
}

impl Reader for GeneratorReader {
    fn assign(&mut self, assignments: &[Assignment]) -> Result<()> {
        for Assignment { partition, start, .. } in assignments {
            self.lanes.push(Lane {
                origin: Origin::new(CONNECTOR, &partition.topic, partition.index),
                next: parse(partition, start)?,
                end: self.source.len_of(partition.index),
            });
        }
        let n_all = f64::from(self.source.partitions);
        let n_here = u32::try_from(self.lanes.len()).map_or(n_all, f64::from);
        self.pace = Pace::new(self.source.rate, n_here / n_all, self.cx.open.clock.micros());
        Ok(())
    }

    fn read(&mut self, batch: &mut RecordBatch, wait: Duration) -> Result<Read> {
        let started = Instant::now();
        loop {
            if self.has_ended() {
                return Ok(Read::End);
            }
            let now = self.cx.open.clock.micros();
            self.fill(batch);
            if !batch.is_empty() {
                batch.ingest_micros = now;
                self.remember(batch);
                return Ok(Read::Records);
            }
            let left = wait.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(Read::Idle);
            }
            let next = if self.lanes.is_empty() { left } else { self.pace.wait(now) };
            std::thread::park_timeout(left.min(next));
        }
    }

    fn confirm(&mut self, n_batches: u64, resume: &mut Vec<Confirmed>) -> Result<()> {
        self.n_confirmed = self.n_read.min(self.n_confirmed + n_batches);
        let mut confirmed = BTreeMap::new();
        while let Some(end) = self.unconfirmed.pop_front_if(|end| end.batch < self.n_confirmed) {
            confirmed.insert(end.partition, end.next);
        }
        let topic: Arc<str> = self.source.shape.name().into();
        resume.extend(confirmed.into_iter().map(|(index, next)| Confirmed {
            partition: Partition { topic: Arc::clone(&topic), index },
            resume: ResumePosition(next.to_string()),
        }));
        Ok(())
    }

    fn close(&mut self, _deadline: Duration) -> Result<()> {
        self.lanes.clear();
        Ok(())
    }
}

impl fmt::Debug for GeneratorReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneratorReader")
            .field("n_partitions", &self.lanes.len())
            .finish_non_exhaustive()
    }
}
