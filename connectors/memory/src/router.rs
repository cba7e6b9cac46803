//! The running half of a sink whose records say their topic.
//!
//! Records are grouped by topic, so that each topic is locked once per batch; what a full topic does not take is kept aside, one
//! batch at most, and nothing more is taken until that is gone. Invariant: each record taken is in its topic, among the rejected or
//! aside, in one of them only.

use std::fmt;
use std::sync::Arc;

use millstream_engine::Result;
use millstream_engine::batch::RecordBatch;
use millstream_engine::routing::{self, Chains, TopicPolicy, TopicTable};
use millstream_engine::sink::{Rejected, WhenFull, Writer, WriterContext, queue_full};

use crate::append::{Appended, Manner, Placing};
use crate::broker::Broker;
use crate::topic::{State, Topic};

/// Writes one worker's share to many topics.
pub(crate) struct MemoryRouter {
    broker: Broker,
    topics: TopicTable<Route>,
    /// By the number of the topic in the batch.
    chains: Chains,
    /// Taken, and not in a topic that is full.
    aside: Aside,
    when_full: WhenFull,
    cx: WriterContext,
    /// Counts calls of `write`: records without a key take turns.
    turn: usize,
    rejected: Vec<Rejected>,
    /// The oldest epoch whose confirmation a test holds back.
    held: Option<u64>,
}

/// Records that wait for room, all of one epoch.
#[derive(Default)]
struct Aside {
    epoch: u64,
    batch: RecordBatch,
}

/// A topic in use.
struct Route {
    topic: Arc<Topic>,
    number: u64,
    held: Option<u64>,
}

impl Drop for Route {
    fn drop(&mut self) {
        self.topic.lock().forget_writer(self.number);
    }
}

impl MemoryRouter {
    pub(crate) fn new(
        broker: Broker,
        policy: TopicPolicy,
        when_full: WhenFull,
        cx: WriterContext,
    ) -> Self {
        Self {
            broker,
            topics: TopicTable::new(policy, name_rule),
            chains: Chains::default(),
            aside: Aside::default(),
            when_full,
            turn: cx.shard,
            cx,
            rejected: Vec::new(),
            held: None,
        }
    }

    /// The number of the topic of a record, which is then in the table.
    #[inline]
    fn find(&mut self, batch: &RecordBatch, index: usize) -> Result<u32> {
        let number = batch.topic_number(index).ok_or_else(routing::no_topic)?;
        if self.topics.found(number).is_none() {
            self.enter(number, batch.topic_name(number).unwrap_or_default())?;
        }
        Ok(number)
    }

    fn enter(&mut self, number: u32, name: &str) -> Result<usize> {
        let creation = self.topics.policy().creation();
        let make = |new: &Arc<str>| {
            let topic = match creation {
                Some(n_partitions) => self.broker.topic_or_new(new, n_partitions)?,
                None => self.broker.topic(new)?,
            };
            let writer = topic.writer_number();
            Ok(Route { topic, number: writer, held: None })
        };
        self.topics.enter((number, name), make, |route| route.held.is_none())
    }

    /// Takes records from index `from` on: all of them, in their topics, aside or rejected.
    fn take(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<()> {
        let mut chains = std::mem::take(&mut self.chains);
        self.topics.start_batch(batch);
        chains.start(batch.len(), batch.n_topics());
        for index in from..batch.len() {
            match self.find(batch, index) {
                Ok(number) => chains.push(number, u32::try_from(index).unwrap_or(u32::MAX)),
                Err(error) => self.reject(epoch, batch, index, error),
            }
        }
        let outcome = self.append_all(epoch, batch, &chains);
        self.chains = chains;
        outcome
    }

    /// Appends the records of a batch, topic by topic. A topic that is locked already comes last: the others do not wait for it.
    fn append_all(&mut self, epoch: u64, batch: &RecordBatch, chains: &Chains) -> Result<()> {
        let now = self.broker.unix_millis();
        let numbers = chains.filled();
        let mut busy = Vec::new();
        self.approach(numbers);
        for number in numbers {
            let Some(route) = self.route(*number) else { continue };
            let Some(mut state) = route.topic.try_lock() else {
                busy.push(*number);
                continue;
            };
            let appended = self.append(route, &mut state, (batch, chains.of(*number)), now)?;
            drop(state);
            self.settle(epoch, batch, (*number, chains.of(*number)), appended);
        }
        for number in busy {
            let Some(route) = self.route(number) else { continue };
            let records = (batch, chains.of(number));
            let appended = self.append(route, &mut route.topic.lock(), records, now)?;
            self.settle(epoch, batch, (number, chains.of(number)), appended);
        }
        Ok(())
    }

    /// The topic of a number that was found in the batch at hand.
    #[inline]
    fn route(&self, number: u32) -> Option<&Route> {
        self.topics.found(number).map(|at| self.topics.get(at))
    }

    /// Looks at each topic before any of them is locked. A lock waits for all memory before it, so a topic that is in no cache
    /// would be waited for alone; here they are waited for together. Measured by the bench `routing_many`.
    fn approach(&self, numbers: &[u32]) {
        let routes = numbers.iter().filter_map(|number| self.route(*number));
        let n_bytes = routes.map(|route| route.topic.options.max_bytes);
        std::hint::black_box(n_bytes.fold(0, usize::wrapping_add));
    }

    /// Appends records to a topic.
    #[inline]
    fn append(
        &self,
        route: &Route,
        state: &mut State,
        records: (&RecordBatch, impl Iterator<Item = usize>),
        now: i64,
    ) -> Result<Appended> {
        let mut appended = Appended::default();
        route.topic.append_to(state, records, self.manner(route, now), &mut appended)?;
        Ok(appended)
    }

    fn manner(&self, route: &Route, now: i64) -> Manner<'_> {
        let placing = Placing::ByKey { turn: self.turn };
        Manner { placing, now, waiter: Some((route.number, &self.cx.wake)) }
    }

    /// Sees to the records that a topic did not take, and to what it does not confirm yet.
    #[inline]
    fn settle(
        &mut self,
        epoch: u64,
        batch: &RecordBatch,
        records: (u32, impl Iterator<Item = usize>),
        appended: Appended,
    ) {
        if !appended.is_plain() {
            self.settle_unplain(epoch, batch, records, appended);
        }
    }

    #[cold]
    fn settle_unplain(
        &mut self,
        epoch: u64,
        batch: &RecordBatch,
        (number, indices): (u32, impl Iterator<Item = usize>),
        mut appended: Appended,
    ) {
        let Some(at) = self.topics.found(number) else { return };
        let route = self.topics.get_mut(at);
        if let Some(left) = appended.left {
            let rest = indices.skip_while(|index| *index != left);
            match self.when_full {
                WhenFull::Wait => {
                    self.aside.epoch = epoch;
                    rest.filter_map(|index| batch.get(index))
                        .for_each(|record| self.aside.batch.push_record(record));
                }
                WhenFull::Reject => {
                    let full = |index| (index, queue_full(&route.topic.name));
                    appended.refused.extend(rest.map(full));
                }
            }
        }
        if appended.held && appended.n_taken > 0 {
            let oldest = |held: Option<u64>| Some(held.map_or(epoch, |oldest| oldest.min(epoch)));
            route.held = oldest(route.held);
            self.held = oldest(self.held);
        }
        for (index, error) in appended.refused {
            self.reject(epoch, batch, index, error);
        }
    }

    /// Offers again what is aside; says whether all of it found room.
    fn clear_aside(&mut self) -> Result<bool> {
        if self.aside.batch.is_empty() {
            return Ok(true);
        }
        let Aside { epoch, mut batch } = std::mem::take(&mut self.aside);
        self.turn = self.turn.wrapping_add(1);
        self.take(epoch, &batch, 0)?;
        if self.aside.batch.is_empty() {
            batch.clear();
            self.aside.batch = batch;
        }
        Ok(self.aside.batch.is_empty())
    }

    #[cold]
    fn reject(
        &mut self,
        epoch: u64,
        batch: &RecordBatch,
        index: usize,
        error: millstream_engine::Error,
    ) {
        if let Some(record) = batch.get(index) {
            self.rejected.push(Rejected { epoch, record: record.to_owned(), error, attempts: 1 });
            self.cx.wake.wake();
        }
    }
}

/// What the embedded broker takes as the name of a topic.
pub(crate) fn name_rule(name: &str) -> Result<(), &'static str> {
    if name.is_empty() { Err("a topic's name is not empty") } else { Ok(()) }
}

impl Writer for MemoryRouter {
    fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<usize> {
        if !self.clear_aside()? {
            return Ok(from);
        }
        self.turn = self.turn.wrapping_add(1);
        self.take(epoch, batch, from)?;
        Ok(batch.len())
    }

    fn poll(&mut self, rejected: &mut Vec<Rejected>) -> Result<()> {
        self.clear_aside()?;
        rejected.append(&mut self.rejected);
        if self.held.is_some() {
            for route in self.topics.iter_mut().filter(|route| route.held.is_some()) {
                let mut state = route.topic.lock();
                if state.planned.holds_confirmations {
                    state.wake_later(route.number, &self.cx.wake);
                } else {
                    route.held = None;
                }
            }
            self.held = self.topics.iter().filter_map(|(_, route)| route.held).min();
        }
        Ok(())
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        let rejected = self.rejected.iter().map(|rejected| rejected.epoch);
        let aside = Some(self.aside.epoch).filter(|_| !self.aside.batch.is_empty());
        rejected.chain(self.held).chain(aside).min()
    }

    fn close(&mut self) {
        self.topics.clear();
        self.aside = Aside::default();
        self.held = None;
    }
}

impl fmt::Debug for MemoryRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRouter").field("topics", &self.topics).finish_non_exhaustive()
    }
}
