//! Writers for the tests, without a dataflow around them.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use millstream_engine::batch::{OwnedRecord, RecordBatch};
use millstream_engine::clock::SystemClock;
use millstream_engine::runtime::Wake;
use millstream_engine::sink::{Rejected, Sink as _, Writer, WriterContext};
use millstream_engine::source::OpenContext;
use millstream_pulsar::Sink;

use crate::plain::LONG;

pub(crate) fn open_context() -> OpenContext {
    OpenContext {
        dataflow: "test".into(),
        step: "orders".into(),
        clock: SystemClock::new(),
        open_timeout: Duration::from_secs(20),
    }
}

/// A writer, and its wake.
pub(crate) struct Writing {
    pub(crate) writer: Box<dyn Writer>,
    pub(crate) rejected: Vec<Rejected>,
    wake: Wake,
    woken: Receiver<()>,
}

impl Writing {
    pub(crate) fn open(sink: &Sink) -> Self {
        sink.prepare(&open_context()).expect("the topic can be written");
        Self::open_unprepared(sink)
    }

    pub(crate) fn open_unprepared(sink: &Sink) -> Self {
        let (call, woken) = channel();
        // Nobody waits any more when the channel is gone.
        let wake = Wake::new(move || call.send(()).unwrap_or_default());
        let open = open_context();
        let cx = WriterContext { open, shard: 0, n_shards: 1, generation: 1, wake: wake.clone() };
        let writer = sink.writer(cx).expect("a writer");
        Self { writer, rejected: Vec::new(), wake, woken }
    }

    pub(crate) fn poll(&mut self) {
        self.wake.reset();
        self.writer.poll(&mut self.rejected).expect("the client goes on");
    }

    pub(crate) fn wait(&self) {
        self.woken.recv_timeout(LONG).expect("the writer wakes");
    }

    /// Polls until the sink cannot go on.
    pub(crate) fn wait_for_failure(&mut self) -> millstream_engine::Error {
        loop {
            self.wake.reset();
            if let Err(error) = self.writer.poll(&mut self.rejected) {
                return error;
            }
            self.wait();
        }
    }

    /// Writes a whole batch, waiting while the queue is full.
    pub(crate) fn write(&mut self, epoch: u64, batch: &RecordBatch) {
        let mut from = 0;
        while from < batch.len() {
            self.poll();
            let end = self.writer.write(epoch, batch, from).expect("the client goes on");
            if end == from {
                self.wait();
            }
            from = end;
        }
    }

    /// Waits until everything is durable or rejected.
    pub(crate) fn settle(&mut self) -> Vec<Rejected> {
        loop {
            self.poll();
            if self.writer.oldest_unconfirmed().is_none() {
                return std::mem::take(&mut self.rejected);
            }
            self.wait();
        }
    }
}

/// Records in one batch.
pub(crate) fn batch_of(records: impl IntoIterator<Item = OwnedRecord>) -> RecordBatch {
    let mut batch = RecordBatch::default();
    records.into_iter().for_each(|record| batch.push_owned(&record));
    batch
}

/// Numbered records of 97 keys.
pub(crate) fn numbered(range: std::ops::Range<u64>) -> impl Iterator<Item = OwnedRecord> {
    range.map(|n| OwnedRecord::of(n.to_string()).with_key(format!("key-{}", n % 97)))
}

/// The numbers of records, as they came.
pub(crate) fn numbers(records: &[OwnedRecord]) -> Vec<u64> {
    let number = |record: &OwnedRecord| record.text().and_then(|text| text.parse().ok());
    records.iter().map(|record| number(record).expect("a number")).collect()
}

pub(crate) fn sorted(mut numbers: Vec<u64>) -> Vec<u64> {
    numbers.sort_unstable();
    numbers
}
