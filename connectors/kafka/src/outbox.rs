//! What writers have in common, to one topic or to many: the bound of the queue, the way to the producer, and what was refused.
//!
//! Invariant: every record counted as taken is settled once, by what the producer tells or by being rejected here.

use std::sync::Arc;

use millstream_engine::batch::{Origin, OwnedDestination, OwnedRecord, Record, RecordBatch};
use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::sink::{Rejected, WhenFull, WriterContext, queue_full};
use rdkafka::types::RDKafkaErrorCode;

use crate::config::{Security, SinkConfig};
use crate::control::{Control, Terms};
use crate::error::{from_code, is_refusal, name_user, not_delivered};
use crate::listener::Listener;
use crate::net::address::Address;
use crate::net::asker::Asker;
use crate::net::dial::Dialer;
use crate::producer::{Done, Failure, Filling, GivenUp, MAX_BATCH, Producer, Run, Ways};
use crate::slots::Slots;
use crate::wire::decode::Read;

/// Hands records to a producer, within the bounds of a writer.
pub(crate) struct Outbox {
    pub(crate) producer: Producer,
    pub(crate) control: Arc<Control>,
    listener: Arc<Listener>,
    pub(crate) books: Books,
    done: Vec<Done>,
}

/// What is counted and bounded, apart from the producer so that both can be used at once.
pub(crate) struct Books {
    pub(crate) cx: WriterContext,
    pub(crate) slots: Slots,
    max_records: usize,
    max_bytes: usize,
    max_record_bytes: usize,
    when_full: WhenFull,
    security: Security,
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
    /// Starts a producer, and the thread that looks topics up for it.
    pub(crate) fn open(config: &SinkConfig, cx: WriterContext) -> Result<Self> {
        let name = cx.open.qualified_name();
        let client_id = config.client_id.as_deref().unwrap_or(&name);
        let security = &config.security;
        let listener = Listener::new(&cx.open.step, Arc::clone(&cx.open.clock), security);
        let (dialer, listener) = (Arc::new(Dialer::new(config, client_id)), Arc::new(listener));
        let bootstrap = Address::parse_list(&config.brokers, security)?;
        let asker = Asker::new(Arc::clone(&dialer), client_id, bootstrap, cx.shard);
        let control = |wake_io| {
            let (terms, wake) = (Terms::of(config), cx.wake.clone());
            let control = Control::start(asker, terms, Arc::clone(&listener), wake, wake_io);
            control.map(Arc::new).map_err(|error| error.at_step(&cx.open.step))
        };
        let (producer, control) =
            Producer::start(config, client_id, (&dialer, &listener), &cx, control)?;
        let books = Books {
            slots: Slots::default(),
            max_records: config.queue_records,
            max_bytes: config.queue_bytes,
            max_record_bytes: config.max_record_bytes.min(MAX_BATCH / 2),
            when_full: config.when_full,
            security: config.security.clone(),
            cx,
        };
        Ok(Self { producer, control, listener, books, done: Vec::new() })
    }

    /// The producer, to put records down, and the books to count them in.
    pub(crate) fn fill(&mut self) -> (Filling<'_>, &mut Books) {
        let now = self.books.cx.open.clock.unix_millis();
        (self.producer.fill(now), &mut self.books)
    }

    /// Opens the ways to the first `n_partitions` partitions of a topic.
    pub(crate) fn open_ways(&self, topic: &Arc<str>, n_partitions: u32) -> Ways {
        let mut ways = self.producer.ways(topic, &self.control);
        ways.grow(n_partitions);
        ways
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

    /// The error that the producer cannot go on after.
    pub(crate) fn fatal(&self) -> Option<Error> {
        let step = &self.books.cx.open.step;
        if let Some(trouble) = self.listener.lasting_trouble() {
            return Some(trouble.error_at_once("", self.listener.security()).at_step(step));
        }
        let what = "write to Kafka: the client cannot go on";
        let error = match self.producer.failure()? {
            Failure::Refused(code) if is_refusal(code) => return Some(self.books.refused(code)),
            Failure::Refused(code) => {
                let error = Error::new(ErrorKind::Unavailable, codes::NOT_DELIVERED, what);
                error.with_source(crate::error::reason(code))
            }
            Failure::Ended => Error::new(ErrorKind::Panic, codes::NOT_DELIVERED, what)
                .with_source("the thread that writes has ended"),
        };
        Some(error.at_step(step))
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

    /// Counts a record as taken, unless it is too large and is rejected; says which.
    #[inline]
    pub(crate) fn take(
        &mut self,
        (topic, partition): (&str, Option<u32>),
        record: Record<'_>,
        job: &Job<'_>,
    ) -> bool {
        let n_bytes = size_of_record(record);
        if n_bytes > self.max_record_bytes {
            let error = not_delivered(RDKafkaErrorCode::MessageSizeTooLarge, topic);
            let error = match partition {
                Some(partition) => error.at_partition(topic, partition),
                None => error,
            };
            self.reject(job.epoch, record, error);
            return false;
        }
        self.slots.take(job.slot, n_bytes);
        true
    }

    /// Rejects a record that is not counted.
    #[cold]
    pub(crate) fn reject(&mut self, epoch: u64, record: Record<'_>, error: Error) {
        let error = error.at_step(&self.cx.open.step).at_epoch(epoch);
        self.slots.refuse(Rejected { epoch, record: record.to_owned(), error, attempts: 0 });
        self.cx.wake.wake();
    }

    /// Rejects a record that was counted.
    pub(crate) fn reject_taken(&mut self, job: &Job<'_>, record: Record<'_>, error: Error) {
        let n_bytes = size_of_record(record);
        self.slots.settle(Run { slot: job.slot, is_timed: false, n_records: 1, n_bytes });
        self.reject(job.epoch, record, error);
    }

    /// The error of a client that the cluster does not let write.
    pub(crate) fn refused(&self, code: RDKafkaErrorCode) -> Error {
        let error = from_code(code, "write to Kafka");
        name_user(error, code, &self.security).at_step(&self.cx.open.step)
    }

    /// Rejects the records of a batch that will not be sent again.
    #[cold]
    fn give_up(&mut self, given_up: &GivenUp) {
        let GivenUp { topic, partition, batch, code } = given_up;
        batch.for_each(|record, run, place| {
            let epoch = self.slots.epoch_of(run.slot);
            let error = not_delivered(*code, topic).at_partition(topic, *partition);
            let error = name_user(error, *code, &self.security);
            let error = error.at_epoch(epoch).at_step(&self.cx.open.step);
            let record = owned(&record, run.is_timed, place);
            let attempts = batch.n_attempts;
            self.slots.refuse(Rejected { epoch, record, error, attempts });
        });
        batch.runs.iter().for_each(|run| self.slots.settle(*run));
    }
}

/// A record as it was handed to us, but for where it was to go.
fn owned(
    record: &Read<'_>,
    is_timed: bool,
    (origin, position): (Option<&Origin>, u64),
) -> OwnedRecord {
    let headers = record.headers.clone();
    OwnedRecord {
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: headers
            .map(|header| (header.name.to_owned(), header.value.map(<[u8]>::to_vec)))
            .collect(),
        time: is_timed.then_some(record.time),
        position,
        origin: origin.cloned(),
        destination: OwnedDestination::default(),
        envelope: None,
    }
}

/// Bytes that a record is counted with.
#[inline]
pub(crate) fn size_of_record(record: Record<'_>) -> usize {
    record.n_bytes() + record.headers().encoded().len()
}
