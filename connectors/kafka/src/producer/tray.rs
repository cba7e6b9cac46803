//! Where the worker puts records down and the I/O thread takes batches up: one lock, held for one batch of the engine at most.
//!
//! Invariants: a batch that is open here grows until it is full or the I/O thread takes it, which it does once the batch has waited
//! for `linger` and its partition may send; the I/O thread is woken when, and only when, it would otherwise sleep for too long.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_engine::batch::Record;
use rdkafka::types::RDKafkaErrorCode;

use super::batch::{Batch, Body, Run};
use crate::config::SinkConfig;
use crate::wire::records::{Records, size_of};

/// Buffers that are kept for the next batches, in multiples of the largest batch.
const MAX_SPARE: usize = 16;

/// Bytes of a batch at most, whatever the settings say: requests count theirs in 31 bits.
pub(crate) const MAX_BATCH: usize = 1 << 30;

/// The number of a lane; it is used again once the lane is closed.
pub(crate) type LaneId = u32;

/// What batches are bounded by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) batch_records: usize,
    pub(crate) batch_bytes: usize,
    pub(crate) linger: Duration,
}

impl Limits {
    pub(crate) fn new(config: &SinkConfig) -> Self {
        Self {
            batch_records: config.batch_records.max(1),
            batch_bytes: config.batch_bytes.min(MAX_BATCH),
            linger: config.linger,
        }
    }
}

/// What became of a batch.
#[derive(Debug)]
pub(crate) enum Done {
    Delivered(Vec<Run>),
    GivenUp(Box<GivenUp>),
}

/// A batch that will not be sent again.
#[derive(Debug)]
pub(crate) struct GivenUp {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: u32,
    pub(crate) batch: Batch,
    pub(crate) code: RDKafkaErrorCode,
}

/// A lane is to be opened or closed by the I/O thread.
#[derive(Debug)]
pub(super) enum Change {
    Open {
        lane: LaneId,
        topic: Arc<str>,
        partition: u32,
    },
    Close {
        lane: LaneId,
    },
    /// Nothing more will come of what waits there.
    GiveUp {
        lane: LaneId,
        code: RDKafkaErrorCode,
    },
}

/// What both sides share.
#[derive(Debug)]
pub(super) struct Tray {
    pub(super) limits: Limits,
    lanes: Vec<Held>,
    /// Numbers of lanes that were closed.
    unused: Vec<LaneId>,
    /// Lanes with full batches.
    filled: Vec<LaneId>,
    /// When the batches that are open will have waited long enough, in that order.
    lingering: VecDeque<(Instant, LaneId)>,
    spare: Vec<Vec<u8>>,
    spare_bytes: usize,
    pub(super) changes: Vec<Change>,
    pub(super) done: Vec<Done>,
    /// Until when the I/O thread sleeps; `None` while it is awake.
    pub(super) sleeps_until: Option<Instant>,
    pub(super) is_closed: bool,
    /// Why the cluster gives no producer id.
    pub(super) refusal: Option<RDKafkaErrorCode>,
    /// The I/O thread has ended before it was told to.
    pub(super) is_broken: bool,
}

#[derive(Debug, Default)]
struct Held {
    open: Option<Batch>,
    full: VecDeque<Batch>,
}

impl Tray {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            lanes: Vec::new(),
            unused: Vec::new(),
            filled: Vec::new(),
            lingering: VecDeque::new(),
            spare: Vec::new(),
            spare_bytes: 0,
            changes: Vec::new(),
            done: Vec::new(),
            sleeps_until: None,
            is_closed: false,
            refusal: None,
            is_broken: false,
        }
    }

    pub(super) fn open_lane(&mut self, topic: &Arc<str>, partition: u32) -> LaneId {
        let lane = self.unused.pop().unwrap_or_else(|| {
            self.lanes.push(Held::default());
            LaneId::try_from(self.lanes.len() - 1).unwrap_or(LaneId::MAX)
        });
        self.changes.push(Change::Open { lane, topic: Arc::clone(topic), partition });
        lane
    }

    /// The lane's number may be given again: the I/O thread has let go of it.
    pub(super) fn reuse(&mut self, lane: LaneId) {
        self.unused.push(lane);
    }

    /// Puts a record down.
    #[inline]
    pub(super) fn push(&mut self, lane: LaneId, record: Record<'_>, told: Told) {
        let (key, value, headers) = (record.key(), record.value(), record.headers());
        let n_bytes = size_of(key, value, &headers);
        let shelved = &mut self.lanes[lane as usize];
        if let Some(batch) = &shelved.open
            && let Body::Open(records) = &batch.body
            && (records.n_bytes() + n_bytes > self.limits.batch_bytes
                || records.n_records() as usize >= self.limits.batch_records)
        {
            shelved.full.extend(shelved.open.take());
            self.filled.push(lane);
        }
        let batch = match &mut shelved.open {
            Some(batch) => batch,
            none => {
                self.lingering.push_back((told.now + self.limits.linger, lane));
                let memory = self.spare.pop().unwrap_or_default();
                self.spare_bytes -= memory.capacity();
                none.insert(Batch::new(Records::new(memory), told.now))
            }
        };
        let time = record.time();
        if let Body::Open(records) = &mut batch.body {
            records.push(key, value, headers.raw(), time.unwrap_or(told.unix_millis));
        }
        batch.note(record.origin(), record.position());
        batch.count(told.slot, time.is_some(), told.n_bytes);
    }

    /// Whether the I/O thread has to be woken for what was put down.
    pub(super) fn must_wake(&mut self) -> bool {
        let Some(until) = self.sleeps_until else { return false };
        let is_due = !self.filled.is_empty()
            || !self.changes.is_empty()
            || self.lingering.front().is_some_and(|(due, _)| *due < until);
        if is_due {
            self.sleeps_until = None;
        }
        is_due
    }

    /// Hands full batches out.
    pub(super) fn take_full(&mut self, mut each: impl FnMut(LaneId, Batch)) {
        for lane in self.filled.drain(..) {
            for batch in self.lanes[lane as usize].full.drain(..) {
                each(lane, batch);
            }
        }
    }

    /// The lanes whose open batch has waited long enough. Each is told once; the batch may be full by then.
    pub(super) fn take_due(&mut self, now: Instant, mut each: impl FnMut(LaneId)) {
        while let Some((_, lane)) = self.lingering.pop_front_if(|(due, _)| *due <= now) {
            each(lane);
        }
    }

    /// When the next open batch will have waited long enough.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.lingering.front().map(|(due, _)| *due)
    }

    /// The open batch of a lane, if it has waited long enough.
    pub(super) fn take_open(&mut self, lane: LaneId, now: Instant) -> Option<Batch> {
        let linger = self.limits.linger;
        self.take_open_if(lane, |batch| batch.born + linger <= now)
    }

    /// The open batch of a lane, if it is chosen.
    pub(super) fn take_open_if(
        &mut self,
        lane: LaneId,
        is_chosen: impl Fn(&Batch) -> bool,
    ) -> Option<Batch> {
        self.lanes[lane as usize].open.take_if(|batch| is_chosen(batch))
    }

    /// All batches of a lane, in their order.
    pub(super) fn take_all(&mut self, lane: LaneId) -> impl Iterator<Item = Batch> {
        let held = &mut self.lanes[lane as usize];
        held.full.drain(..).chain(held.open.take())
    }

    /// Keeps a buffer for the next batch.
    pub(super) fn give_back(&mut self, memory: Vec<u8>) {
        if self.spare_bytes + memory.capacity() <= MAX_SPARE * self.limits.batch_bytes {
            self.spare_bytes += memory.capacity();
            self.spare.push(memory);
        }
    }
}

/// What is told with a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// The slot of its epoch.
    pub(crate) slot: u32,
    /// Bytes that it is counted with.
    pub(crate) n_bytes: usize,
    pub(crate) now: Instant,
    /// The time of a record that has none.
    pub(crate) unix_millis: i64,
}

#[cfg(test)]
mod tests;
