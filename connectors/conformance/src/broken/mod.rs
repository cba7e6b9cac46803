//! Connectors broken on purpose: the suite must notice each of them.
//!
//! Invariant: one fault breaks one promise, and leaves everything else to the connector inside.

mod reader;
mod writer;

use std::time::Duration;

use millstream_engine::batch::{OwnedRecord, Record, RecordBatch};
use millstream_engine::routing::TopicPolicy;
use millstream_engine::sink::{Sink, WhenFull};
use millstream_engine::source::Source;

use crate::subject::{End, Expired, Secretive, SourceSetup, Subject};

/// A promise to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The reader loses a record.
    LosesARecord,
    /// The reader hands a record out twice.
    RepeatsARecord,
    /// The reader swaps two neighbours.
    Reorders,
    /// The reader turns null values into empty ones.
    ReadsNullAsEmpty,
    /// The reader puts two batches into one.
    FillsBatchesTwice,
    /// The reader says that there are records when there are none.
    ReturnsEmptyBatches,
    /// The reader waits longer than asked.
    WaitsTooLong,
    /// The reader does not wait at all.
    NeverWaits,
    /// The reader waits out its time although records arrived.
    NeverReturnsEarly,
    /// The bounded reader does not end.
    NeverEnds,
    /// The source ends where the topic ends, whatever end was asked for.
    IgnoresTheEnd,
    /// The reader commits what it has read, confirmed or not.
    CommitsUnconfirmed,
    /// The reader commits one batch less than confirmed.
    CommitsTooLittle,
    /// The source goes on silently after an expired position.
    HidesExpiry,
    /// The source stops whatever the policy says.
    IgnoresThePolicy,
    /// The finder leaves no trace of where reading starts.
    PinsNothing,
    /// The finder starts new partitions by the start setting.
    TreatsNewPartitionsAsOld,
    /// The finder ignores stored positions.
    IgnoresStoredPositions,
    /// Errors carry no hint.
    GivesNoHint,
    /// The reader closes later than asked.
    ClosesLate,
    /// The writer turns null values into empty ones.
    WritesNullAsEmpty,
    /// The writer swaps two neighbours.
    ReordersWrites,
    /// The writer sends a prefix again after it took less than offered.
    SendsAPrefixTwice,
    /// The writer says that it took everything when its queue was full.
    LosesTheRest,
    /// The writer never wakes its operator.
    NeverWakes,
    /// The writer keeps rejections to itself.
    SwallowsRejections,
    /// The writer tells each rejection twice.
    TellsRejectionsTwice,
    /// The writer says that everything is durable.
    ConfirmsTooEarly,
    /// The reader does not say where its records come from.
    ForgetsOrigins,
    /// The writer leaves headers out.
    LeavesHeadersOut,
    /// The writer sends all records of a batch to the topic of the first.
    RoutesAllToOneTopic,
    /// The writer chooses partitions although records say theirs.
    ForgetsPartitions,
    /// The sink writes every topic, whatever its policy allows.
    IgnoresTheAllowList,
    /// The sink uses as many topics as it likes.
    IgnoresTheCap,
    /// The sink creates topics although nobody allowed it.
    CreatesUnasked,
    /// The sink creates no topics although it should.
    NeverCreates,
    /// The sink does the opposite of what was chosen when its queue is full.
    IgnoresTheChoice,
}

/// A subject whose sources and sinks break one promise.
#[derive(Debug)]
pub struct Broken<S> {
    subject: S,
    fault: Fault,
}

impl<S: Subject> Broken<S> {
    /// Breaks `subject`.
    pub fn new(subject: S, fault: Fault) -> Self {
        Self { subject, fault }
    }
}

impl<S: Subject> Subject for Broken<S> {
    /// Short: what does not come because of the fault is waited for in vain.
    fn patience(&self) -> Duration {
        Duration::from_millis(500)
    }

    fn isolate(&self) {
        self.subject.isolate();
    }

    fn create_topic(&self, n_partitions: u32) -> String {
        self.subject.create_topic(n_partitions)
    }

    fn produce(&self, topic: &str, partition: u32, records: &[OwnedRecord]) {
        self.subject.produce(topic, partition, records);
    }

    fn records(&self, topic: &str, n_expected: usize) -> Vec<OwnedRecord> {
        self.subject.records(topic, n_expected)
    }

    fn source(&self, topic: &str, setup: &SourceSetup) -> Option<Box<dyn Source>> {
        let mut changed = setup.clone();
        match self.fault {
            Fault::HidesExpiry => changed.expired = Expired::Earliest,
            Fault::IgnoresTheEnd if changed.end != End::Never => changed.end = End::Latest,
            Fault::IgnoresThePolicy => changed.expired = Expired::Stop,
            _ => {}
        }
        let source = self.subject.source(topic, &changed)?;
        Some(Box::new(reader::BrokenSource { source, fault: self.fault }))
    }

    fn sink(&self, topic: &str) -> Option<Box<dyn Sink>> {
        let sink = self.subject.sink(topic)?;
        Some(Box::new(writer::BrokenSink { sink, fault: self.fault }))
    }

    fn small_sink(&self) -> Option<(String, Box<dyn Sink>)> {
        let (topic, sink) = self.subject.small_sink()?;
        Some((topic, Box::new(writer::BrokenSink { sink, fault: self.fault })))
    }

    fn sink_of_ten(&self, when_full: WhenFull) -> Option<(String, Box<dyn Sink>)> {
        let chosen = match (self.fault, when_full) {
            (Fault::IgnoresTheChoice, WhenFull::Wait) => WhenFull::Reject,
            (Fault::IgnoresTheChoice, WhenFull::Reject) => WhenFull::Wait,
            _ => when_full,
        };
        let (topic, sink) = self.subject.sink_of_ten(chosen)?;
        Some((topic, Box::new(writer::BrokenSink { sink, fault: self.fault })))
    }

    fn impatient_sink(&self) -> Option<(String, Box<dyn Sink>)> {
        let (topic, sink) = self.subject.impatient_sink()?;
        Some((topic, Box::new(writer::BrokenSink { sink, fault: self.fault })))
    }

    fn secretive(&self, topic: &str) -> Option<Secretive> {
        self.subject.secretive(topic)
    }

    fn routed_sink(&self, policy: TopicPolicy) -> Option<Box<dyn Sink>> {
        let every_topic = TopicPolicy::every_topic_of_the_cluster;
        let max_topics = policy.max_topics();
        let changed = match self.fault {
            Fault::IgnoresTheCap => policy.with_max_topics(1000),
            Fault::CreatesUnasked => policy.with_creation(1),
            // The one forgets what is allowed, the other that topics may be created.
            Fault::IgnoresTheAllowList | Fault::NeverCreates => {
                every_topic().with_max_topics(max_topics)
            }
            _ => policy,
        };
        let sink = self.subject.routed_sink(changed)?;
        Some(Box::new(writer::BrokenSink { sink, fault: self.fault }))
    }

    fn create_topics(&self, n_topics: usize, n_partitions: u32) -> Vec<String> {
        self.subject.create_topics(n_topics, n_partitions)
    }

    fn new_name(&self) -> String {
        self.subject.new_name()
    }

    fn records_of(&self, topics: &[String], n_each: usize) -> Vec<Vec<OwnedRecord>> {
        self.subject.records_of(topics, n_each)
    }

    fn add_partitions(&self, topic: &str, n_more: u32) -> bool {
        self.subject.add_partitions(topic, n_more)
    }

    fn expire(&self, topic: &str, partition: u32, n_records: u64) -> bool {
        self.subject.expire(topic, partition, n_records)
    }

    fn stall(&self, topic: &str) -> bool {
        self.subject.stall(topic)
    }

    fn hold_confirmations(&self, topic: &str) -> bool {
        self.subject.hold_confirmations(topic)
    }

    fn release(&self, topic: &str) {
        self.subject.release(topic);
    }

    fn too_large(&self) -> usize {
        self.subject.too_large()
    }

    fn refuse(&self, topic: &str) -> Option<Vec<u8>> {
        self.subject.refuse(topic)
    }
}

/// A batch's records with one change, in a batch again.
fn changed(batch: &RecordBatch, change: impl FnOnce(&mut Vec<OwnedRecord>)) -> RecordBatch {
    let mut records: Vec<_> = batch.iter().map(Record::to_owned).collect();
    change(&mut records);
    crate::writing::batch_of(&records)
}

fn without_headers(records: &mut [OwnedRecord]) {
    for record in records {
        record.headers.clear();
    }
}

fn without_origins(records: &mut [OwnedRecord]) {
    for record in records {
        record.origin = None;
    }
}

/// Sends all records to the topic of the first.
fn all_to_one_topic(records: &mut Vec<OwnedRecord>) {
    let topic = records.first().and_then(|first| first.destination.topic.clone());
    for record in records {
        record.destination.topic.clone_from(&topic);
    }
}

/// Turns null values into empty ones.
fn empty_for_null(records: &mut Vec<OwnedRecord>) {
    for record in records {
        record.value.get_or_insert_default();
    }
}
