//! The running half of the source: hands out batches, and commits those that are durable.
//!
//! Invariant: what is committed for the group lies at or before the end of the last confirmed batch.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_engine::Result;
use millstream_engine::batch::RecordBatch;
use millstream_engine::source::{
    Assignment, Confirmed, Partition, Read, Reader, ReaderContext, ResumePosition,
};

use crate::config::End;
use crate::consumer::Consumer;
use crate::error;
use crate::finder::parse;
use crate::log::Limits;
use crate::source::Source;
use crate::topic::Topic;

/// Where a batch ends in one of its partitions.
struct BatchEnd {
    batch: u64,
    partition: u32,
    next: u64,
}

/// Reads the partitions assigned to one worker.
pub(crate) struct MemoryReader {
    consumer: Consumer,
    group: String,
    cx: ReaderContext,
    end: End,
    n_read: u64,
    n_confirmed: u64,
    unconfirmed: VecDeque<BatchEnd>,
    /// Confirmed by the engine, and not committed yet because the topic is frozen.
    to_commit: BTreeMap<u32, u64>,
}

impl MemoryReader {
    pub(crate) fn new(topic: Arc<Topic>, source: &Source, cx: ReaderContext) -> Self {
        Self {
            consumer: Consumer::of_none(topic, source.expired)
                .with_end(cx.bounded && source.end != End::Never),
            group: source.group_name(&cx.open),
            cx,
            end: source.end.clone(),
            n_read: 0,
            n_confirmed: 0,
            unconfirmed: VecDeque::new(),
            to_commit: BTreeMap::new(),
        }
    }

    fn remember(&mut self, batch: &RecordBatch) {
        for (origin, last) in batch.run_ends() {
            let end = BatchEnd { batch: self.n_read, partition: origin.partition, next: last + 1 };
            self.unconfirmed.push_back(end);
        }
        self.n_read += 1;
    }

    /// Commits what is confirmed; false while the topic is frozen, and then the next call covers it.
    fn commit(&mut self) -> bool {
        let positions = self.to_commit.iter().map(|(partition, next)| (*partition, *next));
        let done =
            self.to_commit.is_empty() || self.consumer.topic().commit(&self.group, positions);
        if done {
            self.to_commit.clear();
        }
        done
    }
}

impl Reader for MemoryReader {
    fn assign(&mut self, assignments: &[Assignment]) -> Result<()> {
        for assignment in assignments {
            let position = parse(&assignment.partition, &assignment.start)?;
            self.consumer.assign(assignment.partition.index, position, &self.end)?;
        }
        Ok(())
    }

    fn read(&mut self, batch: &mut RecordBatch, wait: Duration) -> Result<Read> {
        let limits = Limits { bytes: self.cx.batch_bytes, records: self.cx.batch_records.max(1) };
        self.consumer.read_up_to(batch, limits, wait)?;
        if !batch.is_empty() {
            batch.ingest_micros = self.cx.open.clock.micros();
            self.remember(batch);
            return Ok(Read::Records);
        }
        Ok(if self.consumer.has_ended() { Read::End } else { Read::Idle })
    }

    fn confirm(&mut self, n_batches: u64, resume: &mut Vec<Confirmed>) -> Result<()> {
        self.n_confirmed = self.n_read.min(self.n_confirmed + n_batches);
        let mut confirmed = BTreeMap::new();
        while let Some(end) = self.unconfirmed.pop_front_if(|end| end.batch < self.n_confirmed) {
            confirmed.insert(end.partition, end.next);
        }
        let topic = &self.consumer.topic().name;
        resume.extend(confirmed.iter().map(|(partition, next)| Confirmed {
            partition: Partition { topic: Arc::clone(topic), index: *partition },
            resume: ResumePosition(next.to_string()),
        }));
        self.to_commit.append(&mut confirmed);
        self.commit();
        Ok(())
    }

    fn lag(&self) -> Option<u64> {
        Some(self.consumer.lag())
    }

    fn close(&mut self, deadline: Duration) -> Result<()> {
        let until = Instant::now() + deadline;
        loop {
            let seen = self.consumer.topic().lock().n_changes;
            if self.commit() {
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let topic = &self.consumer.topic().name;
                return Err(error::away(topic, "commit the last positions before closing"));
            }
            self.consumer.topic().wait_past(seen, left);
        }
    }
}

impl fmt::Debug for MemoryReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReader")
            .field("topic", &self.consumer.topic().name)
            .finish_non_exhaustive()
    }
}
