//! The running half of a sink whose records say their topic: a producer per topic in use, batches per topic and partition.
//!
//! A record finds its topic by two numbers, that of its name in the batch and the place of the topic in the table; names are hashed
//! once per batch. Invariant: records of one topic and partition are handed over in the order in which they came, and no topic is let
//! go of that has a record under way.

use std::sync::Arc;

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::error::Result;
use millstream_engine::routing::{self, TopicTable};
use millstream_engine::sink::{Rejected, Writer, WriterContext};

use crate::config::SinkConfig;
use crate::outbox::{Admission, Books, Job, Outbox, not_found, size_of_record};
use crate::partitioner::Chooser;
use crate::producer::{Filling, LaneId};
use crate::route::{Open, Parked, Route, State};
use crate::survey::Found;
use crate::topic_name::TopicName;

/// How long a topic stays refused before it is asked for again, in microseconds.
const REFUSED: u64 = 5_000_000;

/// Writes one share of the records of a sink that routes.
pub(crate) struct Router {
    /// `None` once closed.
    outbox: Option<Outbox>,
    topics: TopicTable<Route>,
    /// Makes those of the topics.
    chooser: Chooser,
}

impl Router {
    pub(crate) fn open(
        config: &SinkConfig,
        policy: &routing::TopicPolicy,
        cx: WriterContext,
    ) -> Self {
        let chooser = Chooser::of_writer(config, &cx);
        let topics = TopicTable::new(policy.clone(), |name| TopicName::parse(name).map(drop));
        Self { outbox: Some(Outbox::open(config, cx)), topics, chooser }
    }

    /// Puts records down as far as there is room; says how far it came.
    fn put_down(
        &mut self,
        outbox: &mut Outbox,
        epoch: u64,
        batch: &RecordBatch,
        from: usize,
    ) -> usize {
        let now = outbox.books.cx.open.clock.micros();
        self.topics.start_batch(batch);
        let job = outbox.books.job(epoch, batch);
        let mut next = from;
        while next < batch.len() {
            next = match self.put_known(outbox, &job, next, now) {
                Stopped::Full(index) => return index,
                Stopped::End => batch.len(),
                Stopped::Unknown(index) => {
                    self.enter(outbox, &job, index, now);
                    index + 1
                }
            };
        }
        next
    }

    /// Puts records down that go to topics which are in the table.
    fn put_known(&mut self, outbox: &mut Outbox, job: &Job<'_>, from: usize, now: u64) -> Stopped {
        let (mut filling, books) = outbox.fill();
        for index in from..job.batch.len() {
            let Some(record) = job.batch.get(index) else { break };
            let topic = || record.destination().topic.unwrap_or_default();
            match books.admit(topic, record, job.epoch) {
                Admission::Take => {}
                Admission::Wait => return Stopped::Full(index),
                Admission::Rejected => continue,
            }
            let place = job.batch.topic_number(index).and_then(|number| self.topics.found(number));
            let Some(at) = place else { return Stopped::Unknown(index) };
            self.place(&mut filling, books, job, (at, index, record), now);
        }
        Stopped::End
    }

    /// Puts a record where its topic says: on its way, or aside until the topic is known.
    #[inline]
    fn place(
        &mut self,
        filling: &mut Filling<'_>,
        books: &mut Books,
        job: &Job<'_>,
        (at, index, record): (usize, usize, Record<'_>),
        now: u64,
    ) {
        let (name, route) = self.topics.get_named(at);
        match &mut route.state {
            State::Open(open) => match choose(open, job, (index, record), now) {
                Ok(lane) => books.send(filling, (lane, name), record, job),
                Err(partition) => {
                    let error = routing::unknown_partition(name, partition, open.ways.len());
                    books.reject(job.epoch, record, error);
                }
            },
            State::Asked(parked) => {
                books.slots.take(job.slot, size_of_record(record));
                parked.batch.push_record(record);
                parked.slots.push(job.slot);
            }
            State::Refused(trouble) => books.reject(job.epoch, record, not_found(trouble, name)),
        }
    }

    /// Enters the topic of a record into the table, or rejects the record.
    #[cold]
    fn enter(&mut self, outbox: &mut Outbox, job: &Job<'_>, index: usize, now: u64) {
        let Some(record) = job.batch.get(index) else { return };
        let entered = job.batch.topic_number(index).ok_or_else(routing::no_topic);
        let entered = entered.and_then(|number| self.find_or_ask(outbox, job, number, now));
        let (mut filling, books) = outbox.fill();
        match entered {
            Ok(at) => self.place(&mut filling, books, job, (at, index, record), now),
            Err(error) => books.reject(job.epoch, record, error),
        }
    }

    /// Finds the topic of this number of the batch in the table, or begins to look it up. The one that gives up its place is closed.
    fn find_or_ask(
        &mut self,
        outbox: &Outbox,
        job: &Job<'_>,
        number: u32,
        now: u64,
    ) -> Result<usize> {
        let name = job.batch.topic_name(number).unwrap_or_default();
        let make = |new: &Arc<str>| {
            let kept = outbox.survey.keep(new);
            outbox.survey.ask(new);
            Ok(Route::new(kept))
        };
        let is_idle = |route: &Route| {
            let is_past = |slot| outbox.books.slots.is_past(slot);
            !matches!(route.state, State::Asked(_)) && route.last_slot.is_none_or(is_past)
        };
        let at = self.topics.enter((number, name), make, is_idle)?;
        let (topic, route) = self.topics.get_named(at);
        route.use_in(job.slot);
        if route.fresh_until < now {
            route.renew();
            outbox.survey.ask(topic);
        }
        Ok(at)
    }

    /// Takes in what was found out about a topic, and hands over or rejects what was parked for it.
    fn take_in(&mut self, outbox: &mut Outbox, topic: &Arc<str>, found: Found) -> Result<()> {
        let Some(at) = self.topics.find(topic) else { return Ok(()) };
        let now = outbox.books.cx.open.clock.micros();
        let route = self.topics.get_mut(at);
        let before = std::mem::replace(&mut route.state, State::Asked(Parked::default()));
        route.fresh_until = if found.is_ok() { u64::MAX } else { now + REFUSED };
        let (next, parked) = match (before, found) {
            (State::Open(mut open), Ok(n_partitions)) => {
                open.ways.grow(n_partitions)?;
                (State::Open(open), None)
            }
            (before, Err(trouble)) => (State::Refused(trouble), before.parked()),
            (before, Ok(n_partitions)) => {
                let chooser = self.chooser.another();
                let ways = outbox.open_ways(topic, n_partitions)?;
                (State::Open(Open { chooser, ways }), before.parked())
            }
        };
        self.topics.get_mut(at).state = next;
        if let Some(parked) = parked {
            self.unpark(outbox, at, &parked, now);
        }
        Ok(())
    }

    /// Sends what was parked on its way, or rejects it.
    fn unpark(&mut self, outbox: &mut Outbox, at: usize, parked: &Parked, now: u64) {
        let (mut filling, books) = outbox.fill();
        for (index, (record, slot)) in parked.batch.iter().zip(&parked.slots).enumerate() {
            let epoch = books.slots.epoch_of(*slot);
            let job = Job { batch: &parked.batch, epoch, slot: *slot };
            books.release(&job, record);
            self.place(&mut filling, books, &job, (at, index, record), now);
        }
    }
}

/// Why putting records down stopped, and at which.
enum Stopped {
    End,
    Full(usize),
    /// Its topic is not in the table.
    Unknown(usize),
}

/// The way to the partition of a record: the one it says, else the one of its key; the partition where there is none.
#[inline]
fn choose(
    open: &mut Open,
    job: &Job<'_>,
    (index, record): (usize, Record<'_>),
    now: u64,
) -> std::result::Result<LaneId, u32> {
    let said = job.batch.partition_number(index);
    let partition = said.unwrap_or_else(|| {
        open.chooser.set_now(now);
        open.chooser.choose(record.key(), record.n_bytes(), open.ways.len())
    });
    open.ways.get(partition).ok_or(partition)
}

impl Writer for Router {
    fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<usize> {
        let Some(mut outbox) = self.outbox.take() else {
            return Ok(from);
        };
        let end = self.put_down(&mut outbox, epoch, batch, from);
        self.outbox = Some(outbox);
        Ok(end)
    }

    fn poll(&mut self, rejected: &mut Vec<Rejected>) -> Result<()> {
        let Some(mut outbox) = self.outbox.take() else {
            return Ok(());
        };
        let mut fatal = None;
        for (name, found) in outbox.survey.answers() {
            fatal = self.take_in(&mut outbox, &name, found).err().or(fatal);
        }
        let first = rejected.len();
        outbox.collect(rejected);
        rejected[first..].iter_mut().for_each(say_topic);
        let fatal = fatal.or_else(|| outbox.fatal());
        self.outbox = Some(outbox);
        fatal.map_or(Ok(()), Err)
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        self.outbox.as_ref()?.books.slots.oldest()
    }

    fn close(&mut self) {
        self.topics.clear();
        self.outbox = None;
    }
}

/// A record that came back from the producer says again which topic it was to go to.
fn say_topic(rejected: &mut Rejected) {
    let topic = rejected.error.place().topic.clone();
    let destination = &mut rejected.record.destination;
    destination.topic = destination.topic.take().or(topic);
}

#[cfg(test)]
mod tests {
    use millstream_engine::batch::OwnedRecord;
    use millstream_engine::error::Error;

    use super::*;

    #[test]
    fn said_topic_is_not_replaced() {
        let error = Error::config("deliver").at_topic("from the error");
        let mut rejected = Rejected { epoch: 1, record: OwnedRecord::of("x"), error, attempts: 1 };
        say_topic(&mut rejected);
        assert_eq!(rejected.record.destination.topic.as_deref(), Some("from the error"));
        rejected.record.destination.topic = Some("its own".to_owned());
        say_topic(&mut rejected);
        assert_eq!(rejected.record.destination.topic.as_deref(), Some("its own"));
    }
}
