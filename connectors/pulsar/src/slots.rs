//! What a writer has taken and not heard of again, per epoch.
//!
//! Invariant: every record taken is settled once, and an epoch is open as long as one of its records is not. One thread only, so
//! the counters are plain numbers.

use std::collections::VecDeque;

use millstream_engine::sink::Rejected;

use crate::producer::Run;

#[derive(Debug)]
struct Slot {
    epoch: u64,
    n_open: usize,
}

/// Whether a slot was opened after another one; they are counted on without end.
pub(crate) fn is_later(slot: u32, other: u32) -> bool {
    (1..u32::MAX / 2).contains(&slot.wrapping_sub(other))
}

/// The open epochs of a writer, in the order they were first written, and what was refused.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    epochs: VecDeque<Slot>,
    first: u32,
    n_records: usize,
    n_bytes: usize,
    refused: Vec<Rejected>,
}

impl Slots {
    /// The slot of an epoch; epochs may interleave.
    pub(crate) fn open(&mut self, epoch: u64) -> u32 {
        let at = self.epochs.iter().rposition(|slot| slot.epoch == epoch).unwrap_or_else(|| {
            self.epochs.push_back(Slot { epoch, n_open: 0 });
            self.epochs.len() - 1
        });
        self.first.wrapping_add(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Records taken and not settled.
    pub(crate) fn n_records(&self) -> usize {
        self.n_records
    }

    /// Bytes of their keys, values and headers.
    pub(crate) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// The epoch of an open slot.
    pub(crate) fn epoch_of(&self, slot: u32) -> u64 {
        self.epochs[self.index(slot)].epoch
    }

    /// Whether everything of this slot, and of all slots opened before it, is settled and told.
    pub(crate) fn is_past(&self, slot: u32) -> bool {
        is_later(self.first, slot)
    }

    /// Counts a record as taken.
    #[inline]
    pub(crate) fn take(&mut self, slot: u32, n_bytes: usize) {
        self.n_records += 1;
        self.n_bytes += n_bytes;
        let at = self.index(slot);
        self.epochs[at].n_open += 1;
    }

    /// Counts records as delivered or refused.
    pub(crate) fn settle(&mut self, run: Run) {
        self.n_records -= run.n_records as usize;
        self.n_bytes -= run.n_bytes;
        let at = self.index(run.slot);
        self.epochs[at].n_open -= run.n_records as usize;
    }

    /// Keeps a refused record until it is asked for.
    pub(crate) fn refuse(&mut self, rejected: Rejected) {
        self.refused.push(rejected);
    }

    /// Hands out what was refused, and forgets epochs that are done.
    pub(crate) fn collect(&mut self, rejected: &mut Vec<Rejected>) {
        rejected.append(&mut self.refused);
        while self.epochs.front().is_some_and(|slot| slot.n_open == 0) {
            self.epochs.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    /// The oldest epoch with a record that is not settled, or was refused and not handed out yet.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let open = self.epochs.iter().filter(|slot| slot.n_open > 0).map(|slot| slot.epoch);
        open.chain(self.refused.iter().map(|rejected| rejected.epoch)).min()
    }

    #[inline]
    fn index(&self, slot: u32) -> usize {
        slot.wrapping_sub(self.first) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(slot: u32, n_records: u32, n_bytes: usize) -> Run {
        Run { slot, n_records, n_bytes }
    }

    #[test]
    fn interleaved_epochs_settle_in_any_order() {
        let mut slots = Slots { first: u32::MAX, ..Slots::default() };
        let [a, b] = [slots.open(20), slots.open(10)];
        slots.take(a, 12);
        slots.take(a, 8);
        slots.take(b, 10);
        assert_eq!(slots.open(20), a);
        assert_eq!(slots.oldest(), Some(10));
        slots.settle(run(b, 1, 10));
        assert_eq!((slots.oldest(), slots.n_bytes()), (Some(20), 20));
        slots.settle(run(a, 1, 12));
        slots.collect(&mut Vec::new());
        slots.settle(run(a, 1, 8));
        slots.collect(&mut Vec::new());
        assert_eq!((slots.oldest(), slots.n_records(), slots.n_bytes()), (None, 0, 0));
        let again = slots.open(20);
        slots.take(again, 1);
        assert_eq!(slots.oldest(), Some(20));
    }

    #[test]
    fn slot_is_past_once_all_before_are_settled() {
        let mut slots = Slots { first: u32::MAX, ..Slots::default() };
        let [a, b] = [slots.open(10), slots.open(20)];
        slots.take(a, 1);
        slots.take(b, 1);
        slots.settle(run(b, 1, 1));
        slots.collect(&mut Vec::new());
        assert_eq!([a, b].map(|slot| slots.is_past(slot)), [false, false]);
        slots.settle(run(a, 1, 1));
        slots.collect(&mut Vec::new());
        assert_eq!([a, b].map(|slot| slots.is_past(slot)), [true, true]);
        let next = slots.open(30);
        assert!(!slots.is_past(next));
    }
}
