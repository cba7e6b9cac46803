//! The running half of a sink whose records say their topic: one client for all topics, batches per topic and partition.
//!
//! A record finds its topic by two numbers, that of its name in the batch and the place of the topic in the table; names are hashed
//! once per batch. Invariant: records of one topic and partition are handed to the client in the order in which they came.

use std::sync::Arc;
use std::time::Duration;

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::error::Result;
use millstream_engine::routing::{self, Bucket, Chains, TopicTable};
use millstream_engine::sink::{Rejected, Writer, WriterContext};
use rdkafka::ClientConfig;

use crate::config::{Security, SinkConfig};
use crate::control::Found;
use crate::link::Link;
use crate::outbox::{Job, Known, Outbox, Target, goes_alone};
use crate::partitioner::Chooser;
use crate::raw::Topic;
use crate::route::{Open, Parked, Route, State};
use crate::stall::Stall;
use crate::topic_name::name_rule;

/// How long the number of a topic's partitions is believed, in microseconds.
const REFRESH: u64 = 60_000_000;

/// How long a topic stays refused before it is asked for again, in microseconds.
const REFUSED: u64 = 5_000_000;

/// Topics that one client gets to know, in multiples of those that may be in use: it keeps each of them until it is destroyed.
const KNOWN_PER_PLACE: usize = 4;

/// Writes one share of the records of a sink that routes.
pub(crate) struct Router {
    /// `None` once closed.
    link: Option<Link>,
    topics: TopicTable<Route>,
    /// By the place of the topic and the partition.
    chains: Chains<(u32, u32)>,
    outbox: Outbox,
    /// Makes those of the topics.
    chooser: Chooser,
    stall: Stall,
    config: ClientConfig,
    security: Security,
    patience: Duration,
}

impl Router {
    pub(crate) fn open(
        config: &SinkConfig,
        policy: &routing::TopicPolicy,
        cx: WriterContext,
    ) -> Result<Self> {
        let client_config = config.client_config(&cx.open.qualified_name());
        let patience = config.delivery_timeout;
        let link =
            Link::open((&client_config, &config.security), policy.creation(), patience, &cx)?;
        Ok(Self {
            link: Some(link),
            topics: TopicTable::new(policy.clone(), name_rule),
            chains: Chains::default(),
            chooser: Chooser::of_writer(config, &cx),
            outbox: Outbox::new(config, cx),
            stall: Stall::default(),
            config: client_config,
            security: config.security.clone(),
            patience,
        })
    }

    fn write_to(&mut self, link: &Link, epoch: u64, batch: &RecordBatch, from: usize) -> usize {
        let (end, n_bytes) = self.outbox.admit(&link.raw, batch, from);
        if end == from {
            return from;
        }
        let job = Outbox::take(&link.raw, epoch, batch, (end - from, n_bytes));
        let now = self.outbox.cx.open.clock.micros();
        self.topics.start_batch(batch);
        self.chains.start(batch.len());
        for index in from..end {
            if let Some(record) = batch.get(index)
                && let Err(error) = self.place(link, &job, (index, record), now)
            {
                self.outbox.reject(&link.raw, &job, record, error);
            }
        }
        let filled = self.chains.take_filled();
        for (at, partition) in &filled {
            self.flush(link, &job, *at as usize, *partition);
        }
        self.chains.give_back(filled);
        end
    }

    /// Puts a record where its topic says: into a bucket, or aside until the topic is known.
    #[inline]
    fn place(
        &mut self,
        link: &Link,
        job: &Job<'_>,
        (index, record): (usize, Record<'_>),
        now: u64,
    ) -> Result<()> {
        let number = job.batch.topic_number(index).ok_or_else(routing::no_topic)?;
        let at = match self.topics.found(number) {
            Some(at) => at,
            None => self.enter(link, job, number, now)?,
        };
        let said = job.batch.partition_number(index);
        let (name, route) = self.topics.get_named(at);
        match &mut route.state {
            State::Open(open) => {
                let partition = choose(open, said, record, now);
                let n_partitions = open.n_partitions();
                let Some(bucket) = open.buckets.get_mut(partition as usize) else {
                    let error = routing::unknown_partition(name, partition, n_partitions);
                    self.ask_again(link, at);
                    return Err(error);
                };
                if goes_alone(record) {
                    self.write_one(link, job, (at, partition), record);
                } else {
                    let place = (u32::try_from(at).unwrap_or(u32::MAX), partition);
                    let index = u32::try_from(index).unwrap_or(u32::MAX);
                    self.chains.push(bucket, place, index);
                }
            }
            State::Asked(parked) => {
                parked.batch.push_record(record);
                parked.slots.push(job.slot);
            }
            State::Refused(refusal) => {
                return Err(refusal.error(name));
            }
        }
        Ok(())
    }

    /// Finds the topic of this number of the batch in the table, or begins to look it up.
    #[cold]
    fn enter(&mut self, link: &Link, job: &Job<'_>, number: u32, now: u64) -> Result<usize> {
        let name = job.batch.topic_name(number).unwrap_or_default();
        let make = |new: &Arc<str>| {
            link.directory.ask(new);
            Ok(Route::new(now + REFRESH))
        };
        let is_idle = |route: &Route| {
            let is_past = |slot| link.raw.slots(|slots| slots.is_past(slot));
            !route.is_asked && route.last_slot.is_none_or(is_past)
        };
        let at = self.topics.enter((number, name), make, is_idle)?;
        self.topics.get_mut(at).use_in(job.slot);
        if self.topics.get(at).fresh_until < now {
            self.ask_again(link, at);
        }
        Ok(at)
    }

    /// Asks for a topic again: its partitions are perhaps more by now, or it is gone, or there at last.
    fn ask_again(&mut self, link: &Link, at: usize) {
        let (name, route) = self.topics.get_named(at);
        if std::mem::replace(&mut route.is_asked, true) {
            return;
        }
        if matches!(route.state, State::Refused(_)) {
            route.state = State::Asked(Parked::default());
        }
        link.directory.ask(name);
    }

    /// Hands the records of one partition over.
    fn flush(&mut self, link: &Link, job: &Job<'_>, at: usize, partition: u32) {
        let (name, route) = self.topics.get_named(at);
        let State::Open(open) = &mut route.state else {
            return;
        };
        let bucket = std::mem::replace(&mut open.buckets[partition as usize], Bucket::EMPTY);
        if bucket.is_empty() {
            return;
        }
        let target = Target { topic: &open.topic, name, partition };
        if self.outbox.hand_over(&link.raw, job, target, self.chains.of(bucket)) == Known::No {
            self.ask_again(link, at);
        }
    }

    /// Hands one record over that has headers or a time, after those before it.
    fn write_one(
        &mut self,
        link: &Link,
        job: &Job<'_>,
        (at, partition): (usize, u32),
        record: Record<'_>,
    ) {
        self.flush(link, job, at, partition);
        let (name, route) = self.topics.get_named(at);
        let State::Open(open) = &route.state else {
            return;
        };
        let target = Target { topic: &open.topic, name, partition };
        if self.outbox.hand_over_one(&link.raw, job, target, record) == Known::No {
            self.ask_again(link, at);
        }
    }

    /// Takes in what was found out about a topic, and hands over or rejects what was parked for it.
    fn take_in(&mut self, link: &mut Link, name: &Arc<str>, found: Found) {
        let Some(at) = self.topics.find(name) else {
            return;
        };
        let now = self.outbox.cx.open.clock.micros();
        let chooser = self.chooser.another();
        let route = self.topics.get_mut(at);
        route.is_asked = false;
        route.fresh_until = now + if found.is_ok() { REFRESH } else { REFUSED };
        if let (State::Open(open), Ok(n_partitions)) = (&mut route.state, &found) {
            return open.grow(*n_partitions);
        }
        let opened = found.and_then(|n_partitions| {
            let topic = Topic::open(&link.client, name).map_err(|error| {
                error.rdkafka_error_code().unwrap_or(rdkafka::types::RDKafkaErrorCode::Fail)
            })?;
            link.n_known += 1;
            Ok(State::Open(Open::new(topic, chooser, n_partitions)))
        });
        let next = opened.unwrap_or_else(State::Refused);
        if let State::Asked(parked) = std::mem::replace(&mut route.state, next) {
            self.unpark(link, at, &parked, now);
        }
    }

    fn unpark(&mut self, link: &Link, at: usize, parked: &Parked, now: u64) {
        for (index, (record, slot)) in parked.batch.iter().zip(&parked.slots).enumerate() {
            let epoch = link.raw.slots(|slots| slots.epoch_of(*slot));
            let job = Job { batch: &parked.batch, epoch, slot: *slot };
            let (name, route) = self.topics.get_named(at);
            let refused = match &mut route.state {
                State::Open(open) => {
                    let partition = choose(open, parked.batch.partition_number(index), record, now);
                    let n_partitions = open.n_partitions();
                    if partition < n_partitions {
                        self.write_one(link, &job, (at, partition), record);
                        continue;
                    }
                    routing::unknown_partition(name, partition, n_partitions)
                }
                State::Refused(refusal) => refusal.error(name),
                State::Asked(_) => return,
            };
            self.outbox.reject(&link.raw, &job, record, refused);
        }
    }

    /// Starts a new client once the old one knows too many topics and has nothing left to do. Says whether to take records now.
    fn renew(&mut self, link: &mut Link) -> Result<bool> {
        if link.n_known < KNOWN_PER_PLACE * self.topics.policy().max_topics() {
            return Ok(true);
        }
        if link.raw.slots(|slots| slots.oldest()).is_some() {
            return Ok(false);
        }
        self.topics.clear();
        let creation = self.topics.policy().creation();
        *link =
            Link::open((&self.config, &self.security), creation, self.patience, &self.outbox.cx)?;
        self.stall = Stall::default();
        Ok(true)
    }
}

/// The partition of a record: the one it says, else the one of its key.
#[inline]
fn choose(open: &mut Open, said: Option<u32>, record: Record<'_>, now: u64) -> u32 {
    let n_partitions = open.n_partitions();
    match said {
        Some(partition) => partition,
        None if n_partitions == 1 => 0,
        None => {
            open.chooser.set_now(now);
            open.chooser.choose(record.key(), record.n_bytes(), n_partitions)
        }
    }
}

impl Writer for Router {
    fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<usize> {
        let Some(mut link) = self.link.take() else {
            return Ok(from);
        };
        let may_take = self.renew(&mut link);
        let end = match may_take {
            Ok(true) => Ok(self.write_to(&link, epoch, batch, from)),
            Ok(false) => Ok(from),
            Err(error) => Err(error),
        };
        self.link = Some(link);
        end
    }

    fn poll(&mut self, rejected: &mut Vec<Rejected>) -> Result<()> {
        let Some(mut link) = self.link.take() else {
            return Ok(());
        };
        link.raw.poll();
        if let Some(order) = self.stall.watch(&link.raw, self.outbox.cx.open.clock.micros()) {
            let open = self.topics.iter().filter_map(|(_, route)| match &route.state {
                State::Open(open) => Some((&open.topic, open.n_partitions())),
                State::Asked(_) | State::Refused(_) => None,
            });
            link.raw.obey(order, open);
        }
        for (name, found) in link.directory.answers() {
            self.take_in(&mut link, &name, found);
        }
        let first = rejected.len();
        self.outbox.collect(&link.raw, rejected);
        rejected[first..].iter_mut().for_each(say_topic);
        if link.raw.listener().is_login_due() {
            link.directory.renew_login();
        }
        let fatal = self.outbox.fatal(&link.raw);
        self.link = Some(link);
        fatal.map_or(Ok(()), Err)
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        self.link.as_ref()?.raw.slots(|slots| slots.oldest())
    }

    fn close(&mut self) {
        self.topics.clear();
        self.link = None;
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.close();
    }
}

/// A record that came back from the client says again which topic it was to go to.
fn say_topic(rejected: &mut Rejected) {
    let topic = rejected.error.place().topic.clone();
    let destination = &mut rejected.record.destination;
    destination.topic = destination.topic.take().or(topic);
}

#[cfg(test)]
mod tests {
    use millstream_engine::error::Error;

    use super::*;

    #[test]
    fn said_topic_is_not_replaced() {
        let error = Error::config("deliver").at_topic("from the error");
        let record = millstream_engine::batch::OwnedRecord::of("x");
        let mut rejected = Rejected { epoch: 1, record, error, attempts: 1 };
        say_topic(&mut rejected);
        assert_eq!(rejected.record.destination.topic.as_deref(), Some("from the error"));
        rejected.record.destination.topic = Some("its own".to_owned());
        say_topic(&mut rejected);
        assert_eq!(rejected.record.destination.topic.as_deref(), Some("its own"));
    }
}
