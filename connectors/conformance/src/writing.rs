//! Drives a writer as the engine does, and checks what holds for every call.
//!
//! Invariant: a case waits for the writer's wake, never by asking again and again.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use millstream_engine::batch::{OwnedRecord, RecordBatch};
use millstream_engine::runtime::Wake;
use millstream_engine::sink::{Rejected, Sink, Writer, WriterContext};

use crate::reading::open_context;
use crate::subject::Subject;

/// How long a call may take that never waits: far more than it needs on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Signal {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn set(&self) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits for a wake; false when none came.
    fn wait(&self, limit: Duration) -> bool {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut woken, _) = self
            .changed
            .wait_timeout_while(woken, limit, |woken| !*woken)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *woken)
    }
}

/// An open writer.
pub(crate) struct Writing {
    writer: Box<dyn Writer>,
    wake: Wake,
    signal: Arc<Signal>,
    patience: Duration,
    /// Everything rejected so far.
    pub(crate) rejected: Vec<Rejected>,
}

impl Writing {
    pub(crate) fn open(subject: &dyn Subject, sink: &dyn Sink) -> Self {
        let open = open_context("sink");
        sink.prepare(&open).expect("preparing a sink to a topic that exists");
        let signal = Arc::new(Signal::default());
        let woken = Arc::clone(&signal);
        let wake = Wake::new(move || woken.set());
        let cx = WriterContext { open, shard: 0, n_shards: 1, generation: 1, wake: wake.clone() };
        let writer = sink.writer(cx).expect("opening a writer to a topic that exists");
        Self { writer, wake, signal, patience: subject.patience(), rejected: Vec::new() }
    }

    /// One call of `write`; returns the index of the first record not taken.
    pub(crate) fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> usize {
        self.wake.reset();
        let start = Instant::now();
        let taken = self.writer.write(epoch, batch, from).expect("writing to a topic that exists");
        assert!(start.elapsed() < AT_ONCE, "write never blocks");
        assert!(
            (from..=batch.len()).contains(&taken),
            "the index lies within the rest of the batch"
        );
        taken
    }

    /// Writes until the writer takes something, which it does as soon as it knows its topic; returns how much it took.
    pub(crate) fn write_some(&mut self, epoch: u64, batch: &RecordBatch) -> usize {
        loop {
            let taken = self.write(epoch, batch, 0);
            if taken > 0 {
                return taken;
            }
            assert!(
                self.signal.wait(self.patience),
                "a writer that took nothing wakes its operator"
            );
            self.poll();
        }
    }

    /// Writes a whole batch; whenever the writer takes less, `meanwhile` runs and the writer's wake is waited for.
    pub(crate) fn write_all(
        &mut self,
        epoch: u64,
        batch: &RecordBatch,
        mut meanwhile: impl FnMut(),
    ) -> usize {
        let (mut taken, mut n_short) = (0, 0);
        loop {
            taken = self.write(epoch, batch, taken);
            if taken == batch.len() {
                return n_short;
            }
            n_short += 1;
            meanwhile();
            assert!(self.signal.wait(self.patience), "a writer that took less wakes its operator");
            self.poll();
        }
    }

    pub(crate) fn poll(&mut self) {
        self.wake.reset();
        let start = Instant::now();
        self.writer.poll(&mut self.rejected).expect("polling an open writer");
        assert!(start.elapsed() < AT_ONCE, "poll never waits");
    }

    pub(crate) fn oldest_unconfirmed(&self) -> Option<u64> {
        self.writer.oldest_unconfirmed()
    }

    /// Waits until everything is confirmed or rejected, and returns what `oldest_unconfirmed` said on the way.
    pub(crate) fn settle(&mut self) -> Vec<u64> {
        let mut seen = Vec::new();
        loop {
            self.poll();
            let Some(epoch) = self.oldest_unconfirmed() else {
                return seen;
            };
            seen.push(epoch);
            let woken = self.signal.wait(self.patience);
            assert!(woken, "a writer wakes its operator when something was confirmed or rejected");
        }
    }

    pub(crate) fn close(mut self) {
        self.writer.close();
    }
}

pub(crate) fn batch_of(records: &[OwnedRecord]) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for record in records {
        batch.push_owned(record);
    }
    batch
}
