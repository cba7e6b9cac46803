//! A sink and a source driven as the engine drives them, without a dataflow around them.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use millstream_engine::batch::{OwnedRecord, Record, RecordBatch};
use millstream_engine::clock::SystemClock;
use millstream_engine::error::Result;
use millstream_engine::runtime::Wake;
use millstream_engine::sink::{Sink as _, WriterContext};
use millstream_engine::source::{
    Found, OpenContext, PartitionFinder, Read, Reader, ReaderContext, Source as _,
};
use millstream_pulsar::{Sink, Source};

/// Nothing on a local broker takes this long.
const LONG: Duration = Duration::from_mins(1);

fn open_context() -> OpenContext {
    OpenContext {
        dataflow: "interop".into(),
        step: "orders".into(),
        clock: SystemClock::new(),
        open_timeout: LONG,
    }
}

/// Writes records, and waits until they are durable.
pub(crate) fn write(sink: &Sink, records: &[OwnedRecord]) {
    let (call, woken) = channel();
    // Nobody waits any more when the channel is gone.
    let wake = Wake::new(move || call.send(()).unwrap_or_default());
    sink.prepare(&open_context()).expect("the topic can be written");
    let open = open_context();
    let cx = WriterContext { open, shard: 0, n_shards: 1, generation: 1, wake: wake.clone() };
    let mut writer = sink.writer(cx).expect("a writer");
    let mut batch = RecordBatch::default();
    for record in records {
        batch.push_owned(record);
    }
    let mut rejected = Vec::new();
    let mut from = 0;
    while from < batch.len() || writer.oldest_unconfirmed().is_some() {
        wake.reset();
        writer.poll(&mut rejected).expect("the client goes on");
        let end = writer.write(0, &batch, from).expect("the client goes on");
        if end == from && writer.oldest_unconfirmed().is_some() {
            woken.recv_timeout(LONG).expect("the writer wakes");
        }
        from = end;
    }
    let why: Vec<_> = rejected.iter().map(|rejected| rejected.error.report()).collect();
    assert!(why.is_empty(), "rejected: {why:?}");
}

/// A source with all its partitions assigned to one reader.
pub(crate) struct Reading {
    _finder: Box<dyn PartitionFinder>,
    reader: Box<dyn Reader>,
}

impl Reading {
    pub(crate) fn open(source: &Source) -> Self {
        let open = open_context();
        let mut finder = source.finder(&open).expect("the topic is there");
        let wanted: Vec<_> =
            finder.find().expect("partitions").into_iter().map(|p| (p, None)).collect();
        let assignments = finder.resolve(&wanted, Found::AtStart).expect("positions");
        finder.pin(&assignments).expect("positions");
        let bounded = source.capabilities().bounded;
        let (batch_bytes, batch_records) = (128 << 10, 10_000);
        let cx = ReaderContext { open, worker: 0, batch_bytes, batch_records, bounded };
        let mut reader = source.reader(cx).expect("a reader");
        reader.assign(&assignments).expect("the topic is there");
        Self { _finder: finder, reader }
    }

    /// The records up to the end, or up to a failure; after one it may be called again.
    pub(crate) fn read(&mut self) -> Result<Vec<OwnedRecord>> {
        let (mut batch, mut records) = (RecordBatch::default(), Vec::new());
        let start = Instant::now();
        loop {
            batch.clear();
            if self.reader.read(&mut batch, Duration::from_millis(50))? == Read::End {
                return Ok(records);
            }
            records.extend(batch.iter().map(Record::to_owned));
            assert!(start.elapsed() < LONG, "{} came, and no end", records.len());
        }
    }
}
