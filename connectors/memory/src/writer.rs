//! The running half of the sink: appends prefixes, and tells what is durable.
//!
//! Invariant: a refused record counts as unconfirmed until `poll` has handed it over.

use std::fmt;
use std::sync::Arc;

use millstream_engine::Result;
use millstream_engine::batch::RecordBatch;
use millstream_engine::sink::{Rejected, WhenFull, Writer, WriterContext, queue_full};

use crate::append::{Manner, Placing};
use crate::topic::Topic;

/// Writes one worker's share.
pub(crate) struct MemoryWriter {
    topic: Arc<Topic>,
    number: u64,
    when_full: WhenFull,
    cx: WriterContext,
    turn: usize,
    rejected: Vec<Rejected>,
    /// The oldest epoch whose confirmation a test holds back.
    held: Option<u64>,
}

impl MemoryWriter {
    pub(crate) fn new(topic: Arc<Topic>, when_full: WhenFull, cx: WriterContext) -> Self {
        let number = topic.writer_number();
        Self { topic, number, when_full, turn: cx.shard, cx, rejected: Vec::new(), held: None }
    }
}

impl Writer for MemoryWriter {
    fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<usize> {
        self.turn = self.turn.wrapping_add(1);
        let placing = Placing::ByKey { turn: self.turn };
        let waiter = Some((self.number, &self.cx.wake));
        let now = self.topic.clock.unix_millis();
        let manner = Manner { placing, now, waiter };
        let mut appended = self.topic.append(batch, from..batch.len(), manner)?;
        if appended.held && appended.n_taken > 0 {
            self.held = Some(self.held.map_or(epoch, |oldest| oldest.min(epoch)));
        }
        let room = appended.left.unwrap_or(batch.len());
        let taken = self.when_full.taken(room, batch.len());
        appended.refused.extend((room..taken).map(|index| (index, queue_full(&self.topic.name))));
        for (index, error) in appended.refused {
            let Some(record) = batch.get(index) else {
                continue;
            };
            self.rejected.push(Rejected { epoch, record: record.to_owned(), error, attempts: 1 });
            self.cx.wake.wake();
        }
        Ok(taken)
    }

    fn poll(&mut self, rejected: &mut Vec<Rejected>) -> Result<()> {
        rejected.append(&mut self.rejected);
        if self.held.is_some() {
            let mut state = self.topic.lock();
            if state.planned.holds_confirmations {
                state.wake_later(self.number, &self.cx.wake);
            } else {
                self.held = None;
            }
        }
        Ok(())
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        let rejected = self.rejected.iter().map(|rejected| rejected.epoch);
        rejected.chain(self.held).min()
    }

    fn close(&mut self) {
        self.topic.lock().forget_writer(self.number);
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for MemoryWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryWriter").field("topic", &self.topic.name).finish_non_exhaustive()
    }
}
