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
use crate::topic::Topic;

/// Topics that are locked together.
const TOGETHER: usize = 16;

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
        self.approach(&chains);
        let now = self.broker.unix_millis();
        let mut groups = chains.filled().chunks(TOGETHER);
        let outcome = groups.try_for_each(|group| self.append(epoch, batch, (&chains, group), now));
        self.chains = chains;
        outcome
    }

    /// The topic of a number that was found in the batch at hand.
    #[inline]
    fn route(&self, number: u32) -> Option<&Route> {
        self.topics.found(number).map(|at| self.topics.get(at))
    }

    /// Looks at each topic before any of them is locked. A lock waits for all memory before it, so a topic that is in no cache
    /// would be waited for alone; here they are waited for together. Measured by the bench `routing_many`.
    fn approach(&self, chains: &Chains) {
        let routes = chains.filled().iter().filter_map(|number| self.route(*number));
        let n_bytes = routes.map(|route| route.topic.options.max_bytes);
        std::hint::black_box(n_bytes.fold(0, usize::wrapping_add));
    }

    /// Appends the records that go to a group of topics. What became of them is seen to when no topic is locked.
    fn append(
        &mut self,
        epoch: u64,
        batch: &RecordBatch,
        (chains, group): (&Chains, &[u32]),
        now: i64,
    ) -> Result<()> {
        let mut unsettled = Vec::new();
        let outcome = self.append_together(batch, (chains, group), now, &mut unsettled);
        for (number, appended) in unsettled {
            self.settle(epoch, batch, (number, chains.of(number)), appended);
        }
        outcome
    }

    /// Takes the locks of a group together and gives them back together: what is written to one topic need not have reached memory
    /// before the next one's turn. A topic that is locked already is left for later: nobody waits for a lock while holding one.
    fn append_together(
        &self,
        batch: &RecordBatch,
        (chains, group): (&Chains, &[u32]),
        now: i64,
        unsettled: &mut Vec<(u32, Appended)>,
    ) -> Result<()> {
        let routes = || group.iter().filter_map(|number| Some((*number, self.route(*number)?)));
        let mut locked: [_; TOGETHER] =
            std::array::from_fn(|n| self.route(*group.get(n)?)?.topic.try_lock());
        let mut appended = Appended::default();
        for ((number, route), state) in routes().zip(&mut locked) {
            let Some(state) = state else { continue };
            let (records, manner) = ((batch, chains.of(number)), self.manner(route, now));
            route.topic.append_to(state, records, manner, &mut appended)?;
            if !appended.is_plain() {
                unsettled.push((number, std::mem::take(&mut appended)));
            }
        }
        let were_busy = locked.map(|state| state.is_none());
        for ((number, route), _) in routes().zip(were_busy).filter(|(_, was_busy)| *was_busy) {
            let manner = self.manner(route, now);
            unsettled.push((number, route.topic.append(batch, chains.of(number), manner)?));
        }
        Ok(())
    }

    fn manner(&self, route: &Route, now: i64) -> Manner<'_> {
        let placing = Placing::ByKey { turn: self.turn };
        Manner { placing, now, waiter: Some((route.number, &self.cx.wake)) }
    }

    /// Sees to the records that a topic did not take, and to what it does not confirm yet.
    #[cold]
    fn settle(
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
