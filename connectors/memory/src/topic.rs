//! A topic: its partitions, its groups, and who waits for something to change.
//!
//! Invariant: everything of a topic changes under its one lock, held for a batch at most; nobody is woken under it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use millstream_engine::clock::SharedClock;
use millstream_engine::runtime::Wake;
use millstream_engine::{Error, Result};

use crate::config::{Full, TopicOptions};
use crate::error;
use crate::faults::Planned;
use crate::log::{Log, Spare};
use crate::partitions::Partitions;

/// A segment holds this share of the topic's limit, so that room comes in small steps.
const SEGMENTS_PER_TOPIC: usize = 16;

/// Bytes of a segment at most.
const MAX_SEGMENT_BYTES: usize = 256 << 10;

/// The positions of a group, by partition; absent where it has none.
type Positions = Vec<Option<u64>>;

/// In the order of need: what every append touches lies in the first cache lines, which a processor fetches as a pair.
#[repr(C, align(128))]
pub(crate) struct Topic {
    pub(crate) options: TopicOptions,
    state: Mutex<State>,
    changed: Condvar,
    n_writers: AtomicU64,
    pub(crate) name: Arc<str>,
    pub(crate) clock: SharedClock,
}

/// In the order of need, too.
#[derive(Default)]
#[repr(C)]
pub(crate) struct State {
    pub(crate) bytes: usize,
    pub(crate) planned: Planned,
    n_waiting: usize,
    pub(crate) logs: Partitions,
    /// How often room was made or a fault ended: tells a waiting producer whether it missed it.
    pub(crate) n_changes: u64,
    pub(crate) spare: Spare,
    groups: BTreeMap<String, Positions>,
    writers: Vec<(u64, Wake)>,
}

impl Topic {
    pub(crate) fn new(
        name: &str,
        n_partitions: usize,
        options: TopicOptions,
        clock: SharedClock,
    ) -> Self {
        let state = State { logs: Partitions::new(n_partitions), ..State::default() };
        Self {
            name: name.into(),
            options,
            clock,
            state: Mutex::new(state),
            changed: Condvar::new(),
            n_writers: AtomicU64::new(0),
        }
    }

    /// The topic's state. A panic of a test's own closure leaves it whole: nothing is half done when one is called.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The topic's state, unless another thread has locked it.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(state)) => Some(state.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Waits until something changed, at most `limit`.
    pub(crate) fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        limit: Duration,
    ) -> MutexGuard<'a, State> {
        state.n_waiting += 1;
        let (mut state, _) =
            self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner);
        state.n_waiting -= 1;
        state
    }

    /// Waits until there was a change after `seen`, at most `limit`.
    pub(crate) fn wait_past(&self, seen: u64, limit: Duration) {
        let state = self.lock();
        if state.n_changes == seen {
            drop(self.wait(state, limit));
        }
    }

    /// Wakes the threads that wait: records were appended, or room was made.
    pub(crate) fn notify(&self, state: &State) {
        if state.n_waiting > 0 {
            self.changed.notify_all();
        }
    }

    /// Wakes the threads that wait and the writers that were refused.
    pub(crate) fn notify_all(&self, mut state: MutexGuard<'_, State>) {
        state.n_changes += 1;
        self.notify(&state);
        let writers = std::mem::take(&mut state.writers);
        drop(state);
        for (_, wake) in writers {
            wake.wake();
        }
    }

    /// A number for a writer, by which it is known among those that wait.
    pub(crate) fn writer_number(&self) -> u64 {
        self.n_writers.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes down what a group has confirmed; false while the topic is frozen.
    pub(crate) fn commit(
        &self,
        group: &str,
        positions: impl IntoIterator<Item = (u32, u64)>,
    ) -> bool {
        let mut state = self.lock();
        if state.planned.frozen {
            return false;
        }
        state.set_positions(group, positions);
        self.notify_all(state);
        true
    }

    /// Forgets a group.
    pub(crate) fn remove_group(&self, group: &str) {
        let mut state = self.lock();
        state.groups.remove(group);
        self.notify_all(state);
    }

    /// Adds empty partitions.
    pub(crate) fn add_partitions(&self, n_more: usize) {
        let mut state = self.lock();
        state.logs.add(n_more);
        self.notify_all(state);
    }

    /// Gives up the records of a partition before a position.
    pub(crate) fn drop_before(&self, partition: u32, position: u64) -> Result<()> {
        let mut state = self.lock();
        let n_partitions = state.logs.len();
        let State { logs, spare, bytes, .. } = &mut *state;
        let log = logs
            .get_mut(partition as usize)
            .ok_or_else(|| error::unknown_partition(&self.name, partition, n_partitions))?;
        *bytes -= log.drop_before(position, spare);
        self.notify_all(state);
        Ok(())
    }

    /// Bytes at which a segment is full.
    pub(crate) fn segment_bytes(&self) -> usize {
        (self.options.max_bytes / SEGMENTS_PER_TOPIC).clamp(1, MAX_SEGMENT_BYTES)
    }
}

impl State {
    pub(crate) fn log(&self, topic: &str, partition: u32) -> Result<&Log, Error> {
        self.logs
            .get(partition as usize)
            .ok_or_else(|| error::unknown_partition(topic, partition, self.logs.len()))
    }

    pub(crate) fn positions(&self, group: &str) -> Option<&Positions> {
        self.groups.get(group)
    }

    pub(crate) fn position(&self, group: &str, partition: u32) -> Option<u64> {
        self.groups.get(group)?.get(partition as usize).copied().flatten()
    }

    fn set_positions(&mut self, group: &str, positions: impl IntoIterator<Item = (u32, u64)>) {
        let n_partitions = self.logs.len();
        let known = self.groups.entry(group.to_owned()).or_default();
        known.resize(n_partitions.max(known.len()), None);
        for (partition, position) in positions {
            if let Some(slot) = known.get_mut(partition as usize) {
                *slot = Some(position);
            }
        }
    }

    /// Remembers to wake a writer that was refused; once, however often it tries.
    pub(crate) fn wake_later(&mut self, number: u64, wake: &Wake) {
        if self.writers.iter().all(|(known, _)| *known != number) {
            self.writers.push((number, wake.clone()));
        }
    }

    pub(crate) fn forget_writer(&mut self, number: u64) {
        self.writers.retain(|(known, _)| *known != number);
    }

    /// Makes room for `needed` bytes, as the topic's setting allows; false when it stays full.
    #[cold]
    pub(crate) fn make_room(&mut self, needed: usize, options: TopicOptions) -> bool {
        while self.bytes + needed > options.max_bytes {
            let victim = match options.full {
                Full::Wait => (0..self.logs.len()).find(|partition| self.is_confirmed(*partition)),
                Full::DropOldest => {
                    (0..self.logs.len()).max_by_key(|partition| self.logs[*partition].bytes())
                }
            };
            let Some(victim) = victim else { return false };
            self.bytes -= self.logs[victim].drop_oldest(&mut self.spare);
        }
        true
    }

    /// Whether every group has confirmed the oldest segment of a partition, and there is a group at all.
    fn is_confirmed(&self, partition: usize) -> bool {
        let Some(end) = self.logs[partition].oldest_end() else {
            return false;
        };
        let confirmed = |positions: &Positions| {
            positions.get(partition).copied().flatten().is_some_and(|position| position >= end)
        };
        !self.groups.is_empty() && self.groups.values().all(confirmed)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").field("name", &self.name).finish_non_exhaustive()
    }
}
