//! Where everything that comes for the consumers of one reader is put, in its order, until the reader's thread takes all of it.
//!
//! Invariant: one lock per taking; what lies here is bounded by the permits that the reader has given.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::net::Trouble;
use crate::position::EntryId;

/// A message of the broker: an entry, not opened yet.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) id: EntryId,
    pub(crate) redelivery_count: u32,
    /// A bit per message of the batch, set where it is not acknowledged yet; empty: none is.
    pub(crate) ack_set: Vec<i64>,
    /// What followed the command.
    pub(crate) frame: Bytes,
}

/// Where a topic ended when the broker was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The last entry that there is; entry -1: none in that ledger, nor behind it.
    pub(crate) last: EntryId,
    /// Everything up to here is acknowledged, or does not exist.
    pub(crate) mark: Option<EntryId>,
}

impl Ends {
    /// Whether nothing lies behind `done`.
    pub(crate) fn are_at(&self, done: EntryId) -> bool {
        self.last.entry < 0 || self.last <= done || self.mark.is_some_and(|mark| self.last <= mark)
    }
}

/// What came for a consumer.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// It is subscribed, for the first time or again: what follows is delivered from here on, once it gets permits.
    Opened(Option<Ends>),
    /// An entry.
    Delivered(Delivered),
    /// Entries that were wholly acknowledged, and for which the broker has said so.
    Acknowledged(Vec<EntryId>),
    /// The same, of everything up to an entry.
    AcknowledgedUpTo(EntryId),
    /// The answer to the question where the topic ends.
    Ends(Ends),
    /// The topic was terminated: nothing comes behind what has come.
    Terminated,
    /// It cannot go on.
    Failed(Trouble),
    /// It is closed: nothing comes any more.
    Closed,
}

#[derive(Debug, Default)]
struct State {
    arrivals: VecDeque<(usize, Arrival)>,
    is_waiting: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    arrived: Condvar,
}

impl Inbox {
    /// Something came for the consumer of this number.
    pub(crate) fn put(&self, consumer: usize, arrival: Arrival) {
        let mut state = self.lock();
        state.arrivals.push_back((consumer, arrival));
        if std::mem::take(&mut state.is_waiting) {
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Takes everything, into a queue that is empty; waits for something at most `wait`.
    pub(crate) fn take(&self, into: &mut VecDeque<(usize, Arrival)>, wait: Duration) {
        let mut state = self.lock();
        let deadline = Instant::now() + wait;
        while state.arrivals.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.is_waiting = true;
            let waited = self.arrived.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_waiting = false;
        std::mem::swap(&mut state.arrivals, into);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn everything_is_taken_at_once_and_in_order() {
        let inbox = Inbox::default();
        inbox.put(1, Arrival::Terminated);
        inbox.put(0, Arrival::Closed);
        let mut taken = VecDeque::new();
        inbox.take(&mut taken, Duration::ZERO);
        let of: Vec<_> = taken.drain(..).map(|(consumer, _)| consumer).collect();
        assert_eq!(of, [1, 0]);
        inbox.take(&mut taken, Duration::ZERO);
        assert!(taken.is_empty());
    }

    #[test]
    fn arrival_ends_the_wait() {
        let inbox = Arc::new(Inbox::default());
        let other = Arc::clone(&inbox);
        let putting = std::thread::spawn(move || other.put(0, Arrival::Terminated));
        let mut taken = VecDeque::new();
        inbox.take(&mut taken, Duration::from_mins(1));
        assert_eq!(taken.len(), 1);
        putting.join().expect("it puts one");
    }

    #[test]
    fn topic_ends_where_nothing_lies_behind() {
        let at = |ledger, entry| EntryId { ledger, entry };
        let ends = |last, mark| Ends { last, mark };
        assert!(ends(at(7, -1), None).are_at(EntryId::START), "it is empty");
        assert!(ends(at(7, 3), None).are_at(at(7, 3)));
        assert!(!ends(at(7, 3), None).are_at(at(7, 2)));
        assert!(ends(at(7, 3), Some(at(8, -1))).are_at(EntryId::START), "it was deleted");
    }
}
