//! What writers have in common, to one topic or to many: the bound of the queue, the way to the producer, and what was refused.
//!
//! Invariant: every record counted as taken is settled once, by what the producer tells or by being rejected here.

use std::sync::Arc;

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::sink::{Rejected, WhenFull, WriterContext, queue_full};

use crate::admin::Topics;
use crate::config::SinkConfig;
use crate::error::error_of;
use crate::net::Trouble;
use crate::net::cluster::Cluster;
use crate::producer::{Done, Filling, GivenUp, LaneId, Producer, Run, Ways};
use crate::slots::Slots;
use crate::survey::{Absent, Survey};
use crate::topic_name::TopicName;
use crate::wire::entry::write::Unwritable;

/// Hands records to a producer, within the bounds of a writer.
pub(crate) struct Outbox {
    producer: Producer,
    pub(crate) survey: Survey,
    pub(crate) books: Books,
    done: Vec<Done>,
}

/// What is counted and bounded, apart from the producer so that both can be used at once.
pub(crate) struct Books {
    pub(crate) cx: WriterContext,
    pub(crate) slots: Slots,
    max_records: usize,
    max_bytes: usize,
    when_full: WhenFull,
}

/// A batch of the engine on its way, and where its epoch is counted.
#[derive(Clone, Copy)]
pub(crate) struct Job<'b> {
    pub(crate) batch: &'b RecordBatch,
    pub(crate) epoch: u64,
    pub(crate) slot: u32,
}

/// What became of a record at the door of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Take,
    /// There is no room, and the program wants to wait for it.
    Wait,
    /// There is no room, and the record was rejected.
    Rejected,
}

impl Outbox {
    /// Opens nothing by itself: connections are made for what is written.
    pub(crate) fn open(config: &SinkConfig, cx: WriterContext) -> Self {
        let cluster = Cluster::new(&config.cluster);
        let survey = Survey::start(&cluster, absent(config), config.send_timeout, cx.wake.clone());
        let settings = config.settings((cx.shard, cx.n_shards));
        let told = (cx.wake.clone(), Arc::clone(&cx.open.clock));
        let producer = Producer::new(&cluster, (settings, config.limits()), told);
        let books = Books {
            slots: Slots::default(),
            max_records: config.queue_records,
            max_bytes: config.queue_bytes,
            when_full: config.when_full,
            cx,
        };
        Self { producer, survey, books, done: Vec::new() }
    }

    /// The producer, to put records down, and the books to count them in.
    pub(crate) fn fill(&mut self) -> (Filling<'_>, &mut Books) {
        (self.producer.fill(), &mut self.books)
    }

    /// Opens the ways to the partitions of a topic, or the one to a topic without.
    ///
    /// # Errors
    /// *Config* `E0135` where a public key cannot be had.
    pub(crate) fn open_ways(&self, topic: &Arc<str>, n_partitions: u32) -> Result<Ways> {
        let whole = TopicName::parse(topic).map_err(Error::config)?;
        let mut ways = self.producer.ways(topic, whole);
        ways.grow(n_partitions)?;
        Ok(ways)
    }

    /// Takes in what became of records, and hands out those that were refused.
    pub(crate) fn collect(&mut self, rejected: &mut Vec<Rejected>) {
        self.producer.take_done(&mut self.done);
        for done in self.done.drain(..) {
            match done {
                Done::Delivered(runs) => {
                    for run in runs {
                        self.books.slots.settle(run);
                    }
                }
                Done::GivenUp(given_up) => self.books.give_up(&given_up),
            }
        }
        self.books.slots.collect(rejected);
    }

    /// The error that no topic can be written after.
    pub(crate) fn fatal(&self) -> Option<Error> {
        let (place, reason) = self.producer.failure()?;
        Some(reason.fatal(&place).at_step(&self.books.cx.open.step))
    }
}

impl Books {
    /// What is to be done with a record of this size: one that is larger than the whole queue goes alone.
    #[inline]
    pub(crate) fn admit<'t>(
        &mut self,
        topic: impl FnOnce() -> &'t str,
        record: Record<'_>,
        epoch: u64,
    ) -> Admission {
        if self.has_room(size_of_record(record)) {
            return Admission::Take;
        }
        match self.when_full {
            WhenFull::Wait => Admission::Wait,
            WhenFull::Reject => {
                self.reject(epoch, record, queue_full(topic()));
                Admission::Rejected
            }
        }
    }

    #[inline]
    fn has_room(&self, n_bytes: usize) -> bool {
        let (n_records, queued) = (self.slots.n_records(), self.slots.n_bytes());
        n_records == 0 || (n_records < self.max_records && queued + n_bytes <= self.max_bytes)
    }

    /// The slot of an epoch, to count records in.
    pub(crate) fn job<'b>(&mut self, epoch: u64, batch: &'b RecordBatch) -> Job<'b> {
        Job { batch, epoch, slot: self.slots.open(epoch) }
    }

    /// Puts a record on its way and counts it as taken, or rejects it where Pulsar cannot carry it.
    #[inline]
    pub(crate) fn send(
        &mut self,
        filling: &mut Filling<'_>,
        (lane, topic): (LaneId, &str),
        record: Record<'_>,
        job: &Job<'_>,
    ) {
        let n_bytes = size_of_record(record);
        match filling.push(lane, record, (job.slot, n_bytes)) {
            Ok(()) => self.slots.take(job.slot, n_bytes),
            Err(why) => self.reject(job.epoch, record, unwritable(&why).at_topic(topic)),
        }
    }

    /// Rejects a record that is not counted.
    #[cold]
    pub(crate) fn reject(&mut self, epoch: u64, record: Record<'_>, error: Error) {
        let error = error.at_step(&self.cx.open.step).at_epoch(epoch);
        self.slots.refuse(Rejected { epoch, record: record.to_owned(), error, attempts: 0 });
        self.cx.wake.wake();
    }

    /// Lets go of the count of a record: it is to be sent or rejected anew.
    pub(crate) fn release(&mut self, job: &Job<'_>, record: Record<'_>) {
        self.slots.settle(Run { slot: job.slot, n_records: 1, n_bytes: size_of_record(record) });
    }

    /// Rejects the records of a batch that will not be sent again.
    #[cold]
    fn give_up(&mut self, given_up: &GivenUp) {
        let GivenUp { place, batch, reason, attempts } = given_up;
        batch.for_each(|record, run| {
            let epoch = self.slots.epoch_of(run.slot);
            let error = reason.error(place).at_epoch(epoch).at_step(&self.cx.open.step);
            self.slots.refuse(Rejected { epoch, record, error, attempts: *attempts });
        });
        batch.runs.iter().for_each(|run| self.slots.settle(*run));
    }
}

/// What becomes of topics that do not exist.
fn absent(config: &SinkConfig) -> Absent {
    let Some(policy) = &config.routing else { return Absent::LeftToBroker };
    match (policy.creation(), Topics::of(&config.cluster)) {
        (Some(1), Ok(topics)) => Absent::Created(topics.into(), 0),
        (Some(n_partitions), Ok(topics)) => Absent::Created(topics.into(), n_partitions),
        (Some(1), Err(_)) => Absent::LeftToBroker,
        (None | Some(_), _) => Absent::Told,
    }
}

/// The error of a record that Pulsar has no form for.
fn unwritable(why: &Unwritable) -> Error {
    let (name, what) = match why {
        Unwritable::HeaderIsNotText(name) => (name, "is not UTF-8"),
        Unwritable::HeaderIsNull(name) => (name, "is null"),
    };
    Error::new(ErrorKind::BadItem, codes::BAD_ENCODING, "write a record to Pulsar")
        .with_source(format!("the header \"{name}\" {what}, and Pulsar's properties are text"))
        .with_hint("Encode such headers as text, base64 for instance, or leave them out.")
}

/// Bytes that a record is counted with.
#[inline]
pub(crate) fn size_of_record(record: Record<'_>) -> usize {
    record.n_bytes() + record.headers().encoded().len()
}

/// The error of a topic that cannot be looked up.
pub(crate) fn not_found(trouble: &Trouble, topic: &str) -> Error {
    let error = error_of(trouble, format!("find the topic \"{topic}\""));
    match error.code() {
        codes::UNKNOWN_TOPIC => error.with_hint(
            "Create it first, or let the sink create it with `TopicPolicy::with_creation`.",
        ),
        _ => error,
    }
}
