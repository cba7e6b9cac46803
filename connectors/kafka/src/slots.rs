//! What a writer has taken and not heard of again, per epoch.
//!
//! Invariant: every record taken is settled once, and an epoch is open as long as one of its records is not. One thread only, so
//! the counters are plain numbers.

use std::collections::VecDeque;

use millstream_engine::sink::Rejected;

/// What travels with a message and comes back with its report: the slot of its epoch, and what the message does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    slot: u32,
    extra: u32,
}

/// Marks a record that came with a time of its own.
const TIMED: u32 = 1 << 31;

impl Tag {
    pub(crate) fn new(slot: u32, header_bytes: usize, timed: bool) -> Self {
        let header_bytes = u32::try_from(header_bytes).unwrap_or(TIMED - 1).min(TIMED - 1);
        Self { slot, extra: if timed { header_bytes | TIMED } else { header_bytes } }
    }

    pub(crate) fn is_timed(self) -> bool {
        self.extra & TIMED != 0
    }

    fn header_bytes(self) -> usize {
        (self.extra & !TIMED) as usize
    }

    #[inline]
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.slot) << 32 | u64::from(self.extra)
    }

    #[inline]
    pub(crate) fn from_bits(bits: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
        Self { slot: (bits >> 32) as u32, extra: bits as u32 }
    }
}

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
    n_reported: u64,
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

    /// Records of which the client has told, ever.
    pub(crate) fn n_reported(&self) -> u64 {
        self.n_reported
    }

    /// The epoch of an open slot.
    pub(crate) fn epoch_of(&self, slot: u32) -> u64 {
        self.epochs[self.index(slot)].epoch
    }

    /// Whether everything of this slot, and of all slots opened before it, is settled and told.
    pub(crate) fn is_past(&self, slot: u32) -> bool {
        is_later(self.first, slot)
    }

    /// Counts records as taken.
    pub(crate) fn take(&mut self, slot: u32, n_records: usize, n_bytes: usize) {
        self.n_records += n_records;
        self.n_bytes += n_bytes;
        let at = self.index(slot);
        self.epochs[at].n_open += n_records;
    }

    /// Counts a record as delivered or refused; `n_bytes` are those of key and value.
    #[inline]
    pub(crate) fn settle(&mut self, tag: Tag, n_bytes: usize) {
        self.n_records -= 1;
        self.n_bytes -= n_bytes + tag.header_bytes();
        let at = self.index(tag.slot);
        self.epochs[at].n_open -= 1;
    }

    /// The same for a record of which the client tells.
    #[inline]
    pub(crate) fn report(&mut self, tag: Tag, n_bytes: usize) {
        self.n_reported += 1;
        self.settle(tag, n_bytes);
    }

    /// The epoch that a message was taken in.
    pub(crate) fn epoch(&self, tag: Tag) -> u64 {
        self.epoch_of(tag.slot)
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

    #[test]
    fn interleaved_epochs_settle_in_any_order() {
        let mut slots = Slots { first: u32::MAX, ..Slots::default() };
        let [a, b] = [slots.open(20), slots.open(10)];
        slots.take(a, 2, 20);
        slots.take(b, 1, 10);
        assert_eq!(slots.open(20), a);
        assert_eq!(slots.oldest(), Some(10));
        slots.settle(Tag::new(b, 4, false), 6);
        assert_eq!((slots.oldest(), slots.n_bytes()), (Some(20), 20));
        slots.settle(Tag::new(a, 0, false), 10);
        slots.collect(&mut Vec::new());
        slots.settle(Tag::new(a, 0, true), 10);
        slots.collect(&mut Vec::new());
        assert_eq!((slots.oldest(), slots.n_records(), slots.n_bytes()), (None, 0, 0));
        let again = slots.open(20);
        slots.take(again, 1, 1);
        assert_eq!(slots.oldest(), Some(20));
    }

    #[test]
    fn slot_is_past_once_all_before_are_settled() {
        let mut slots = Slots { first: u32::MAX, ..Slots::default() };
        let [a, b] = [slots.open(10), slots.open(20)];
        slots.take(a, 1, 1);
        slots.take(b, 1, 1);
        slots.settle(Tag::new(b, 0, false), 1);
        slots.collect(&mut Vec::new());
        assert_eq!([a, b].map(|slot| slots.is_past(slot)), [false, false]);
        slots.settle(Tag::new(a, 0, false), 1);
        slots.collect(&mut Vec::new());
        assert_eq!([a, b].map(|slot| slots.is_past(slot)), [true, true]);
        let next = slots.open(30);
        assert!(!slots.is_past(next));
    }

    #[test]
    fn tag_survives_its_way_through_c() {
        for tag in [Tag::new(u32::MAX, 77, true), Tag::new(1, usize::MAX, false)] {
            assert_eq!(Tag::from_bits(tag.to_bits()), tag);
        }
        assert!(Tag::new(0, 3, true).is_timed());
        assert_eq!(Tag::new(0, 3, true).header_bytes(), 3);
    }
}
