//! Where the worker and the lanes meet: records are put down here, batch by batch, and here lies what became of them.
//!
//! Invariant: the lock is held for as long as one batch of the engine is put down, or a few batches are moved; never while bytes
//! are compressed or sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_engine::batch::Record;
use tokio::sync::Notify;

use super::batch::{Batch, Run};
use super::reason::Reason;
use crate::wire::entry::write::Unwritable;

/// The number of a lane.
pub(crate) type LaneId = u32;

/// Emptied buffers that are kept at most, in bytes of batches.
const MAX_SPARE: usize = 16;

/// How batches are bounded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) batch_records: usize,
    pub(crate) batch_bytes: usize,
    pub(crate) linger: Duration,
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
    /// Where it was to go.
    pub(crate) place: Place,
    pub(crate) batch: Batch,
    pub(crate) reason: Reason,
    /// How often it was sent.
    pub(crate) attempts: u32,
}

/// A topic, and which partition of it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// As the program names it.
    pub(crate) topic: Arc<str>,
    /// None: it has no partitions.
    pub(crate) partition: Option<u32>,
}

/// What both sides share.
#[derive(Debug)]
pub(crate) struct Tray {
    limits: Limits,
    lanes: Vec<Held>,
    /// Numbers of lanes that have ended.
    unused: Vec<LaneId>,
    /// Lanes that got something since their owners were woken last.
    touched: Vec<LaneId>,
    spare: Vec<Vec<u8>>,
    spare_bytes: usize,
    done: Vec<Done>,
    /// Everything is over: lanes end at once.
    is_closed: bool,
    /// Why no lane can be written any more.
    pub(super) failure: Option<(Place, Reason)>,
}

/// The batches of a lane, until its task takes them.
#[derive(Debug, Default)]
struct Held {
    open: Option<Batch>,
    full: VecDeque<Batch>,
    /// Until when its task sleeps, and how it is woken; none while it is awake.
    sleeper: Option<(Instant, Arc<Notify>)>,
    is_touched: bool,
    /// How often a batch began or became full, or the lane was closed.
    n_touches: u64,
    /// It is to end once everything on it has arrived.
    is_closing: bool,
}

/// What a task finds when it looks up.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) batches: Vec<Batch>,
    /// When the open batch will have waited long enough.
    pub(super) due: Option<Instant>,
    /// When the oldest record was taken that waits here.
    pub(super) oldest: Option<Instant>,
    /// The lane is to end, once everything has arrived.
    pub(super) is_closing: bool,
    /// The lane is to end at once.
    pub(super) is_closed: bool,
    /// What [`Tray::sleep`] wants to know.
    pub(super) n_touches: u64,
}

impl Tray {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            lanes: Vec::new(),
            unused: Vec::new(),
            touched: Vec::new(),
            spare: Vec::new(),
            spare_bytes: 0,
            done: Vec::new(),
            is_closed: false,
            failure: None,
        }
    }

    /// A number for a lane that begins.
    pub(super) fn open_lane(&mut self) -> LaneId {
        self.unused.pop().unwrap_or_else(|| {
            self.lanes.push(Held::default());
            LaneId::try_from(self.lanes.len() - 1).unwrap_or(LaneId::MAX)
        })
    }

    /// The lane is to end once everything on it has arrived.
    pub(super) fn close_lane(&mut self, lane: LaneId) -> Option<Arc<Notify>> {
        let held = &mut self.lanes[lane as usize];
        held.is_closing = true;
        held.n_touches += 1;
        held.sleeper.take().map(|(_, notify)| notify)
    }

    /// The lane has ended: its number may be given again.
    pub(super) fn end_lane(&mut self, lane: LaneId) {
        self.lanes[lane as usize] = Held::default();
        self.unused.push(lane);
    }

    /// Puts a record down.
    ///
    /// # Errors
    /// [`Unwritable`]; nothing was put down.
    #[inline]
    pub(super) fn push(
        &mut self,
        lane: LaneId,
        record: Record<'_>,
        (slot, n_bytes): (u32, usize),
        now: Instant,
    ) -> Result<(), Unwritable> {
        let held = &mut self.lanes[lane as usize];
        let is_full = held.open.as_ref().is_some_and(|batch| {
            batch.n_bytes() + n_bytes > self.limits.batch_bytes
                || batch.n_records as usize >= self.limits.batch_records
        });
        if is_full {
            held.full.extend(held.open.take());
        }
        let begins = held.open.is_none();
        if begins {
            let memory = self.spare.pop().unwrap_or_default();
            self.spare_bytes -= memory.capacity();
            held.open = Some(Batch::new(memory, now));
        }
        if begins || is_full {
            held.n_touches += 1;
            if !std::mem::replace(&mut held.is_touched, true) {
                self.touched.push(lane);
            }
        }
        let Some(batch) = &mut held.open else { return Ok(()) };
        let pushed = batch.push(record, slot, n_bytes);
        if pushed.is_err() && batch.n_records == 0 {
            held.open = None;
        }
        pushed
    }

    /// The tasks that have to be woken for what was put down: each once, and only if it would sleep too long.
    pub(super) fn take_sleepers(&mut self, tasks: &mut Vec<Arc<Notify>>) {
        for lane in self.touched.drain(..) {
            let held = &mut self.lanes[lane as usize];
            held.is_touched = false;
            let due = held.open.as_ref().map(|batch| batch.born + self.limits.linger);
            let sleeps_too_long = |(until, _): &mut (Instant, Arc<Notify>)| {
                !held.full.is_empty() || due.is_some_and(|due| due < *until)
            };
            if let Some((_, notify)) = held.sleeper.take_if(sleeps_too_long) {
                tasks.push(notify);
            }
        }
    }

    /// What there is for a task that takes `room` batches: full ones, and the open one if it has waited long enough.
    pub(super) fn take(&mut self, lane: LaneId, room: usize, now: Instant) -> Found {
        let held = &mut self.lanes[lane as usize];
        held.sleeper = None;
        let linger = self.limits.linger;
        let n_full = held.full.len().min(room);
        let mut batches: Vec<_> = held.full.drain(..n_full).collect();
        if n_full < room {
            let is_due = |batch: &mut Batch| held.is_closing || batch.born + linger <= now;
            batches.extend(held.open.take_if(is_due));
        }
        Found {
            batches,
            due: held.open.as_ref().map(|batch| batch.born + linger),
            oldest: held.full.front().or(held.open.as_ref()).map(|batch| batch.born),
            is_closing: held.is_closing,
            is_closed: self.is_closed,
            n_touches: held.n_touches,
        }
    }

    /// The batches that were taken up to `born`, oldest first: they are not to be sent any more.
    pub(super) fn take_old(&mut self, lane: LaneId, born: Instant) -> Vec<Batch> {
        let held = &mut self.lanes[lane as usize];
        let n_old = held.full.iter().take_while(|batch| batch.born <= born).count();
        let mut old: Vec<_> = held.full.drain(..n_old).collect();
        if held.full.is_empty() {
            old.extend(held.open.take_if(|batch| batch.born <= born));
        }
        old
    }

    /// All batches of a lane, oldest first.
    pub(super) fn take_all(&mut self, lane: LaneId) -> Vec<Batch> {
        let held = &mut self.lanes[lane as usize];
        held.full.drain(..).chain(held.open.take()).collect()
    }

    /// The task of a lane sleeps until then, unless something has come since it looked.
    pub(super) fn sleep(
        &mut self,
        lane: LaneId,
        found: &Found,
        until: Instant,
        notify: &Arc<Notify>,
    ) -> bool {
        let held = &mut self.lanes[lane as usize];
        let may_sleep = held.n_touches == found.n_touches && !self.is_closed;
        held.sleeper = may_sleep.then(|| (until, Arc::clone(notify)));
        may_sleep
    }

    /// Takes down what became of batches, and keeps the memory of those that arrived for the next ones.
    pub(super) fn report(&mut self, delivered: Vec<Batch>, given_up: Vec<GivenUp>) {
        for mut batch in delivered {
            self.done.push(Done::Delivered(std::mem::take(&mut batch.runs)));
            if let Some(memory) = batch.into_memory() {
                self.give_back(memory);
            }
        }
        self.done.extend(given_up.into_iter().map(Box::new).map(Done::GivenUp));
    }

    /// Takes what became of batches.
    pub(super) fn take_done(&mut self, done: &mut Vec<Done>) {
        done.append(&mut self.done);
    }

    fn give_back(&mut self, memory: Vec<u8>) {
        if self.spare_bytes + memory.capacity() <= MAX_SPARE * self.limits.batch_bytes {
            self.spare_bytes += memory.capacity();
            self.spare.push(memory);
        }
    }

    /// Ends all lanes at once; returns the tasks to wake.
    pub(super) fn close(&mut self) -> Vec<Arc<Notify>> {
        self.is_closed = true;
        self.lanes.iter_mut().filter_map(|held| Some(held.sleeper.take()?.1)).collect()
    }
}
