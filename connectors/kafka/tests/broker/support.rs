//! Topics, readers and writers for the tests, without a dataflow around them.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use millstream_engine::batch::{OwnedRecord, Record, RecordBatch};
use millstream_engine::clock::SystemClock;
use millstream_engine::runtime::Wake;
use millstream_engine::sink::{Rejected, Sink as _, Writer, WriterContext};
use millstream_engine::source::{
    Assignment, Confirmed, Found, OpenContext, Partition, PartitionFinder, Read, Reader,
    ReaderContext, ResumePosition, Source as _,
};
use millstream_kafka::{Sink, Source};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};

/// Nothing on a local broker takes this long.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// The broker to test with. Where there is none the test is skipped, which must not happen unseen on CI.
#[expect(clippy::print_stdout, reason = "a skipped test must be seen")]
pub(crate) fn broker() -> Option<String> {
    let found = std::env::var("MILLSTREAM_TEST_KAFKA").ok();
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "MILLSTREAM_TEST_KAFKA must be set on CI");
        println!("SKIPPED: MILLSTREAM_TEST_KAFKA is not set");
    }
    found
}

/// A topic of its own for a test, deleted at its end.
pub(crate) struct Topic {
    pub(crate) brokers: String,
    pub(crate) name: String,
}

impl Topic {
    pub(crate) fn new(brokers: &str, prefix: &str, n_partitions: i32) -> Self {
        Self::with_max_bytes(brokers, prefix, n_partitions, 1_048_588)
    }

    /// A topic that takes batches of so many bytes, compressed, at most.
    pub(crate) fn with_max_bytes(
        brokers: &str,
        prefix: &str,
        n_partitions: i32,
        max_bytes: usize,
    ) -> Self {
        let unique = RandomState::new().hash_one(prefix);
        let topic = Self { brokers: brokers.to_owned(), name: format!("{prefix}-{unique:016x}") };
        assert!(topic.create(n_partitions, max_bytes), "the name is new");
        topic
    }

    /// A topic of this name, which no other test has.
    pub(crate) fn named(brokers: &str, name: String, n_partitions: i32) -> Self {
        let topic = Self { brokers: brokers.to_owned(), name };
        assert!(topic.create(n_partitions, 1_048_588), "the name is new");
        topic
    }

    /// Whether the topic could be made.
    fn create(&self, n_partitions: i32, max_bytes: usize) -> bool {
        let max_bytes = max_bytes.to_string();
        let new = NewTopic::new(&self.name, n_partitions, TopicReplication::Fixed(1))
            .set("max.message.bytes", &max_bytes);
        let made = block_on(self.admin().create_topics([&new], &AdminOptions::new()))
            .expect("the broker answers");
        made.iter().all(Result::is_ok)
    }

    /// Deletes the topic and makes it again, with so many partitions.
    pub(crate) fn make_again(&self, n_partitions: i32) {
        self.delete();
        let start = Instant::now();
        // The broker knows of the deletion a moment later.
        while !self.create(n_partitions, 1_048_588) {
            assert!(start.elapsed() < LONG, "the topic stays deleted");
        }
    }

    pub(crate) fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .create()
            .expect("an admin client")
    }

    pub(crate) fn add_partitions(&self, n_partitions: usize) {
        let new = NewPartitions::new(&self.name, n_partitions);
        let made = block_on(self.admin().create_partitions([&new], &AdminOptions::new()))
            .expect("the broker answers");
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }

    /// Deletes the records of a partition before an offset.
    pub(crate) fn delete_before(&self, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition, Offset::Offset(offset))
            .expect("an offset");
        block_on(self.admin().delete_records(&list, &AdminOptions::new()))
            .expect("records are deleted");
    }

    pub(crate) fn delete(&self) {
        block_on(self.admin().delete_topics(&[&self.name], &AdminOptions::new()))
            .expect("the topic is deleted");
    }

    pub(crate) fn source(&self) -> Source {
        Source::new(&self.brokers, &self.name)
    }

    pub(crate) fn sink(&self) -> Sink {
        Sink::new(&self.brokers, &self.name)
    }

    pub(crate) fn partition(&self, index: u32) -> Partition {
        Partition::new(&self.name, index)
    }

    /// Writes records one after the other and waits until they are durable.
    pub(crate) fn fill(&self, records: impl IntoIterator<Item = OwnedRecord>) {
        let mut writing = Writing::open(&self.sink());
        for batch in batches(records, 1000) {
            writing.write(1, &batch);
        }
        assert!(writing.settle().is_empty());
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // A topic that is deleted already, or stays behind, is no failure of the test.
        drop(block_on(self.admin().delete_topics(&[&self.name], &AdminOptions::new())));
    }
}

pub(crate) fn open_context() -> OpenContext {
    let unique = RandomState::new().hash_one("group");
    OpenContext {
        dataflow: format!("test-{unique:x}").into(),
        step: "orders".into(),
        clock: SystemClock::new(),
        open_timeout: Duration::from_secs(20),
    }
}

pub(crate) fn reader_context(open: &OpenContext, bounded: bool) -> ReaderContext {
    ReaderContext {
        open: open.clone(),
        worker: 0,
        batch_bytes: 128 << 10,
        batch_records: 4096,
        bounded,
    }
}

/// Records in batches.
pub(crate) fn batches(
    records: impl IntoIterator<Item = OwnedRecord>,
    n_records: usize,
) -> Vec<RecordBatch> {
    let mut batches = vec![RecordBatch::default()];
    for record in records {
        if batches.last().is_some_and(|batch| batch.len() == n_records) {
            batches.push(RecordBatch::default());
        }
        let last = batches.last_mut().expect("there is one from the start");
        last.push_owned(&record);
    }
    batches
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
        let open = open_context();
        sink.prepare(&open).expect("the topic is there");
        Self::open_at(sink, open)
    }

    pub(crate) fn open_at(sink: &Sink, open: OpenContext) -> Self {
        let (call, woken) = channel();
        // Nobody waits any more when the channel is gone.
        let wake = Wake::new(move || call.send(()).unwrap_or_default());
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

/// A reader of all partitions of a source, with its finder.
pub(crate) struct Reading {
    pub(crate) finder: Box<dyn PartitionFinder>,
    pub(crate) reader: Box<dyn Reader>,
    pub(crate) n_batches: u64,
    batch: RecordBatch,
}

impl Reading {
    pub(crate) fn open(source: &Source, bounded: bool) -> Self {
        Self::open_at(source, bounded, &open_context(), &[])
    }

    /// Opens with stored positions, as an engine does.
    pub(crate) fn open_at(
        source: &Source,
        bounded: bool,
        open: &OpenContext,
        stored: &[Confirmed],
    ) -> Self {
        let mut finder = source.finder(open).expect("a finder");
        let found = finder.find().expect("partitions");
        let wanted: Vec<_> =
            found.into_iter().map(|partition| with_stored(partition, stored)).collect();
        let assignments = finder.resolve(&wanted, Found::AtStart).expect("positions");
        finder.pin(&assignments).expect("pinned");
        let mut reading = Self::assigned(source, bounded, open, &assignments);
        reading.finder = finder;
        reading
    }

    pub(crate) fn assigned(
        source: &Source,
        bounded: bool,
        open: &OpenContext,
        assignments: &[Assignment],
    ) -> Self {
        let finder = source.finder(open).expect("a finder");
        let mut reader = source.reader(reader_context(open, bounded)).expect("a reader");
        reader.assign(assignments).expect("assigned");
        Self { finder, reader, n_batches: 0, batch: RecordBatch::default() }
    }

    /// Reads one batch, or nothing within a second; `None` at the end.
    pub(crate) fn batch(&mut self) -> Option<&RecordBatch> {
        self.batch.clear();
        match self.reader.read(&mut self.batch, Duration::from_secs(1)).expect("reading goes on") {
            Read::End => return None,
            Read::Idle => assert!(self.batch.is_empty()),
            Read::Records => {
                assert!(!self.batch.is_empty());
                self.n_batches += 1;
            }
        }
        Some(&self.batch)
    }

    /// Reads until `n_records` have come.
    pub(crate) fn take(&mut self, n_records: usize) -> Vec<OwnedRecord> {
        let (mut records, start) = (Vec::new(), Instant::now());
        while records.len() < n_records {
            assert!(start.elapsed() < LONG, "{} of {n_records} records came", records.len());
            records.extend(self.batch().expect("the source goes on").iter().map(Record::to_owned));
        }
        records
    }

    /// Reads to the end of a bounded source.
    pub(crate) fn read_all(&mut self) -> Vec<OwnedRecord> {
        let (mut records, start) = (Vec::new(), Instant::now());
        while let Some(batch) = self.batch() {
            records.extend(batch.iter().map(Record::to_owned));
            assert!(start.elapsed() < LONG, "the end never came");
        }
        records
    }

    pub(crate) fn confirm(&mut self, n_batches: u64) -> Vec<Confirmed> {
        let mut resume = Vec::new();
        self.reader.confirm(n_batches, &mut resume).expect("confirmed");
        resume
    }
}

fn with_stored(partition: Partition, stored: &[Confirmed]) -> (Partition, Option<ResumePosition>) {
    let found = stored.iter().rev().find(|confirmed| confirmed.partition == partition);
    (partition, found.map(|confirmed| confirmed.resume.clone()))
}

/// The offset in a position; the id of the topic stands behind it.
pub(crate) fn offset(position: &ResumePosition) -> u64 {
    let digits = position.0.split('@').next().expect("the first part of a text");
    digits.parse().expect("an offset")
}

/// Numbered records.
pub(crate) fn numbered(range: std::ops::Range<u64>) -> impl Iterator<Item = OwnedRecord> {
    range.map(|n| OwnedRecord::of(n.to_string()).with_key(format!("key-{}", n % 97)))
}

pub(crate) fn numbers(records: &[OwnedRecord]) -> Vec<u64> {
    let mut numbers: Vec<_> = records
        .iter()
        .map(|record| record.text().and_then(|text| text.parse().ok()).expect("a number"))
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Runs a future to its end on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}
