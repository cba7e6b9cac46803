//! The half of the sink that runs on the worker: takes records into the queue, and tells what is durable.
//!
//! Invariant: it touches no file, so that it never waits for a disk; a refused record counts as unconfirmed until `poll` has handed
//! it over.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::sink::{Rejected, Writer, WriterContext, queue_full};
use millstream_engine::{Error, Result};

use crate::output::{Bounds, Output};
use crate::queue::Queue;
use crate::rule::refusal;
use crate::{error, io_thread};

/// How long closing may wait for the disk: what it does not finish, the next start does.
const CLOSE: Duration = Duration::from_secs(10);

/// Writes one worker's share.
pub(crate) struct QueueWriter {
    bounds: Bounds,
    target: String,
    queue: Arc<Queue>,
    rejected: Vec<Rejected>,
    is_closed: bool,
}

impl QueueWriter {
    pub(crate) fn open(
        output: Box<dyn Output>,
        bounds: Bounds,
        target: String,
        cx: WriterContext,
    ) -> Result<Self> {
        let queue = Queue::new(cx.wake);
        io_thread::start(output, &bounds, Arc::clone(&queue))?;
        Ok(Self { bounds, target, queue, rejected: Vec::new(), is_closed: false })
    }

    /// Why a record cannot be written.
    fn refusal(&self, record: Record<'_>) -> Option<Error> {
        let partition = record.destination().partition.filter(|partition| *partition != 0);
        if let Some(partition) = partition {
            return Some(error::unknown_partition(&self.target, partition));
        }
        let why = refusal(self.bounds.format, record.value())?;
        Some(error::unwritable(&self.target, why))
    }

    fn reject(&mut self, epoch: u64, batch: &RecordBatch, index: usize, error: Error) {
        let Some(record) = batch.get(index) else { return };
        self.rejected.push(Rejected { epoch, record: record.to_owned(), error, attempts: 1 });
    }
}

impl Writer for QueueWriter {
    fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<usize> {
        let n_rejected = self.rejected.len();
        let mut refused = Vec::new();
        let queue = Arc::clone(&self.queue);
        let mut shared = queue.lock();
        let (mut room, mut n_taken) = (from, 0);
        for record in batch.iter().skip(from) {
            if let Some(error) = self.refusal(record) {
                refused.push((room, error));
            } else {
                let value = record.value_or_empty();
                let n_bytes = shared.load.bytes.len() + value.len();
                let is_full = shared.n_records >= self.bounds.queue_records
                    || (shared.n_records > 0 && n_bytes >= self.bounds.queue_bytes);
                if is_full || shared.has_ended {
                    break;
                }
                shared.load.bytes.extend_from_slice(value);
                shared.load.bytes.push(b'\n');
                shared.n_records += 1;
                n_taken += 1;
            }
            room += 1;
        }
        if n_taken > 0 {
            *shared.load.counts.entry(epoch).or_default() += n_taken;
            *shared.open.entry(epoch).or_default() += n_taken;
            queue.notify();
        }
        let taken = self.bounds.when_full.taken(room, batch.len());
        shared.is_short |= taken < batch.len();
        drop(shared);
        for (index, error) in refused {
            self.reject(epoch, batch, index, error);
        }
        for index in room..taken {
            self.reject(epoch, batch, index, queue_full(&self.target));
        }
        if self.rejected.len() > n_rejected {
            queue.wake();
        }
        Ok(taken)
    }

    fn poll(&mut self, rejected: &mut Vec<Rejected>) -> Result<()> {
        rejected.append(&mut self.rejected);
        self.queue.lock().failed.take().map_or(Ok(()), Err)
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        let open = self.queue.lock().open.first_key_value().map(|(epoch, _)| *epoch);
        self.rejected.iter().map(|rejected| rejected.epoch).chain(open).min()
    }

    fn close(&mut self) {
        if !std::mem::replace(&mut self.is_closed, true) && !self.queue.close(CLOSE) {
            tracing::warn!(target = %self.target, "the disk takes long; what is not confirmed is repeated by the next run");
        }
    }
}

impl Drop for QueueWriter {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for QueueWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueWriter").field("target", &self.target).finish_non_exhaustive()
    }
}
