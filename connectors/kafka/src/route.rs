//! A topic that a writer which routes has in use: looked up, open, or refused.
//!
//! Invariant: records parked while the topic is looked up are handed over in their order, before any that comes later.

use millstream_engine::batch::RecordBatch;
use millstream_engine::routing::Bucket;

use crate::control::Refusal;
use crate::partitioner::Chooser;
use crate::raw::Topic;
use crate::slots::is_later;

/// What the writer keeps of a topic.
pub(crate) struct Route {
    pub(crate) state: State,
    /// The slot of the epoch that was opened last among those with records to this topic.
    pub(crate) last_slot: Option<u32>,
    /// When the number of partitions is to be asked for again, in microseconds.
    pub(crate) fresh_until: u64,
    /// A question is open.
    pub(crate) is_asked: bool,
}

pub(crate) enum State {
    /// Not known yet.
    Asked(Parked),
    Open(Open),
    /// Not to be written, until it is asked for again.
    Refused(Refusal),
}

/// Records that wait for their topic. They count as taken, so the writer's queue bounds them.
#[derive(Default)]
pub(crate) struct Parked {
    pub(crate) batch: RecordBatch,
    /// The slot of each record's epoch.
    pub(crate) slots: Vec<u32>,
}

/// A topic that is written.
pub(crate) struct Open {
    pub(crate) topic: Topic,
    pub(crate) chooser: Chooser,
    /// Per partition, the records of the batch at hand that go there and were not handed over yet.
    pub(crate) buckets: Vec<Bucket>,
}

impl Route {
    pub(crate) fn new(fresh_until: u64) -> Self {
        let state = State::Asked(Parked::default());
        Self { state, last_slot: None, fresh_until, is_asked: true }
    }

    /// Notes that records of the epoch of this slot go here.
    pub(crate) fn use_in(&mut self, slot: u32) {
        if self.last_slot.is_none_or(|last| is_later(slot, last)) {
            self.last_slot = Some(slot);
        }
    }
}

impl Open {
    pub(crate) fn new(topic: Topic, chooser: Chooser, n_partitions: u32) -> Self {
        let buckets = vec![Bucket::EMPTY; n_partitions as usize];
        Self { topic, chooser, buckets }
    }

    pub(crate) fn n_partitions(&self) -> u32 {
        u32::try_from(self.buckets.len()).unwrap_or(u32::MAX)
    }

    /// Takes down that there are more partitions; there are never fewer, unless the topic was made again.
    pub(crate) fn grow(&mut self, n_partitions: u32) {
        let n_partitions = self.buckets.len().max(n_partitions as usize);
        self.buckets.resize(n_partitions, Bucket::EMPTY);
    }
}
