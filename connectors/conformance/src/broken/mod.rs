//! Connectors broken on purpose: the suite must notice each of them.
//!
//! Invariant: one fault breaks one promise, and leaves everything else to the connector inside.

mod reader;
mod writer;

use std::time::Duration;

use millstream_engine::batch::{OwnedRecord, Record, RecordBatch};
use millstream_engine::sink::Sink;
use millstream_engine::source::Source;

use crate::subject::{End, Expired, SourceSetup, Subject};

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

/// Turns null values into empty ones.
fn empty_for_null(records: &mut Vec<OwnedRecord>) {
    for record in records {
        record.value.get_or_insert_default();
    }
}
