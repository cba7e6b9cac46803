//! A topic that a writer which routes has in use: looked up, open, or refused.
//!
//! Invariant: records parked while the topic is looked up are handed over in their order, before any that comes later.

use millstream_engine::batch::RecordBatch;

use crate::net::Trouble;
use crate::partitioner::Chooser;
use crate::producer::Ways;
use crate::slots::is_later;
use crate::survey::Kept;

/// What the writer keeps of a topic.
pub(crate) struct Route {
    pub(crate) state: State,
    /// The slot of the epoch that was opened last among those with records to this topic.
    pub(crate) last_slot: Option<u32>,
    /// When a topic that is refused is to be asked for again, in microseconds.
    pub(crate) fresh_until: u64,
    _kept: Kept,
}

pub(crate) enum State {
    /// Not known yet.
    Asked(Parked),
    Open(Open),
    /// Not to be written, until it is asked for again.
    Refused(Trouble),
}

impl State {
    /// What is parked, if anything.
    pub(crate) fn parked(self) -> Option<Parked> {
        match self {
            Self::Asked(parked) => Some(parked),
            Self::Open(_) | Self::Refused(_) => None,
        }
    }
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
    pub(crate) chooser: Chooser,
    pub(crate) ways: Ways,
}

impl Route {
    /// A topic that is looked up.
    pub(crate) fn new(kept: Kept) -> Self {
        let state = State::Asked(Parked::default());
        Self { state, last_slot: None, fresh_until: u64::MAX, _kept: kept }
    }

    /// The topic is looked up once more.
    pub(crate) fn renew(&mut self) {
        (self.state, self.fresh_until) = (State::Asked(Parked::default()), u64::MAX);
    }

    /// Notes that records of the epoch of this slot go here.
    pub(crate) fn use_in(&mut self, slot: u32) {
        if self.last_slot.is_none_or(|last| is_later(slot, last)) {
            self.last_slot = Some(slot);
        }
    }
}
