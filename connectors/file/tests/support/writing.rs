//! Drives a sink to files as the engine does.

use std::time::{Duration, Instant};

use millstream_engine::Error;
use millstream_engine::batch::{OwnedRecord, RecordBatch};
use millstream_engine::runtime::Wake;
use millstream_engine::sink::{Rejected, Sink as _, Writer, WriterContext};
use millstream_file::Sink;

use super::{PATIENCE, open_context};

/// An open writer.
pub(crate) struct Writing {
    writer: Box<dyn Writer>,
    pub(crate) rejected: Vec<Rejected>,
}

impl Writing {
    pub(crate) fn open(sink: &Sink) -> Self {
        Self::open_shard(sink, 0)
    }

    pub(crate) fn open_shard(sink: &Sink, shard: usize) -> Self {
        sink.prepare(&open_context()).expect("the folder is there");
        let test = std::thread::current();
        let wake = Wake::new(move || test.unpark());
        let cx = WriterContext { open: open_context(), shard, n_shards: 2, generation: 1, wake };
        let writer = sink.writer(cx).expect("it opens nothing");
        Self { writer, rejected: Vec::new() }
    }

    /// Writes values, all of which find room.
    pub(crate) fn write(&mut self, epoch: u64, values: &[&str]) {
        let records: Vec<_> = values.iter().map(|value| OwnedRecord::of(*value)).collect();
        self.write_records(epoch, &records);
    }

    pub(crate) fn write_records(&mut self, epoch: u64, records: &[OwnedRecord]) {
        let mut batch = RecordBatch::default();
        for record in records {
            batch.push_owned(record);
        }
        let taken = self.writer.write(epoch, &batch, 0).expect("it goes on");
        assert_eq!(taken, batch.len(), "there is room");
    }

    /// Waits until everything is durable or rejected.
    pub(crate) fn settle(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.writer.poll(&mut self.rejected)?;
            if self.writer.oldest_unconfirmed().is_none() {
                return Ok(());
            }
            assert!(Instant::now() < deadline, "what is written becomes durable");
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    pub(crate) fn oldest_unconfirmed(&self) -> Option<u64> {
        self.writer.oldest_unconfirmed()
    }

    pub(crate) fn close(mut self) {
        self.writer.close();
    }
}
