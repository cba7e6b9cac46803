//! The order of one topic: which numbers its batches have, which are under way, and what an answer is for.
//!
//! It knows nothing of connections, so that every course of things can be tested. Invariant: batches leave in the order of their
//! numbers, and the records of a batch keep their numbers whatever happens; nothing is confirmed that the broker did not say.

use std::collections::VecDeque;
use std::time::Instant;

use super::batch::Batch;
use super::sealing::Sealed;

/// A batch with its numbers.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) sealed: Sealed,
    /// The number of its first record.
    pub(super) first: u64,
    /// How often it was sent.
    pub(super) n_sent: u32,
}

/// What an answer is for.
#[derive(Debug)]
pub(super) enum Heard {
    /// The oldest batch is stored.
    Stored(Batch),
    /// The broker dropped the oldest batch as seen before, and it was sent once.
    Dropped(Box<UnderWay>),
    /// The oldest batch was refused.
    Refused(Box<UnderWay>),
    /// Nothing that is under way: it was answered or given up before.
    Late,
    /// A batch that is not the oldest one: an answer was lost.
    OutOfOrder,
}

/// The batches of one topic that have numbers, oldest first.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// The number of the next record; none before the broker has said which it had last.
    next: Option<u64>,
    under_way: VecDeque<UnderWay>,
    /// How many of them were sent to the producer of now.
    n_there: usize,
}

impl Lane {
    /// A producer was made; the broker has `last` as the last number of its name, -1 for none. Everything is sent again.
    ///
    /// False: the broker has a number that no batch was given yet. Somebody else has used the name, and what is under way would be
    /// dropped as seen before.
    pub(super) fn start(&mut self, last: i64) -> bool {
        self.n_there = 0;
        let after = u64::try_from(last.saturating_add(1)).unwrap_or(0);
        after <= *self.next.get_or_insert(after)
    }

    /// Whether there was a producer before.
    pub(super) fn has_begun(&self) -> bool {
        self.next.is_some()
    }

    /// The producer is no more.
    pub(super) fn stop(&mut self) {
        self.n_there = 0;
    }

    /// The number of the first record of the next batch.
    pub(super) fn next_number(&self) -> u64 {
        self.next.unwrap_or(0)
    }

    /// Numbers the records of a batch from [`next_number`](Self::next_number) on; it leaves behind all others.
    pub(super) fn push(&mut self, sealed: Sealed) {
        let first = self.next_number();
        let last = first + u64::from(sealed.batch.n_records.max(1)) - 1;
        self.next = Some(last + 1);
        self.under_way.push_back(UnderWay { sealed, first, n_sent: 0 });
    }

    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// The batch that is to be sent next.
    pub(super) fn next_to_send(&self) -> Option<&UnderWay> {
        self.under_way.get(self.n_there)
    }

    /// The batch that was to be sent next was.
    pub(super) fn sent(&mut self) {
        if let Some(batch) = self.under_way.get_mut(self.n_there) {
            batch.n_sent += 1;
            self.n_there += 1;
        }
    }

    /// When the oldest record was taken.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.under_way.front().map(|batch| batch.sealed.batch.born)
    }

    /// The broker has an answer for the batch that begins with this number: it is stored, or dropped as seen before.
    pub(super) fn receipt(&mut self, first: u64, is_dropped: bool) -> Heard {
        self.answer(first, |batch| {
            // Of what was sent twice the broker has one.
            if is_dropped && batch.n_sent < 2 {
                Heard::Dropped(Box::new(batch))
            } else {
                Heard::Stored(batch.sealed.batch)
            }
        })
    }

    /// The broker will not store the batch that begins with this number.
    pub(super) fn refused(&mut self, first: u64) -> Heard {
        self.answer(first, |batch| Heard::Refused(Box::new(batch)))
    }

    fn answer(&mut self, first: u64, heard: impl FnOnce(UnderWay) -> Heard) -> Heard {
        match self.under_way.front() {
            Some(oldest) if first == oldest.first && self.n_there > 0 => {}
            Some(oldest) if first > oldest.first => return Heard::OutOfOrder,
            _ => return Heard::Late,
        }
        let Some(oldest) = self.under_way.pop_front() else { return Heard::Late };
        self.n_there -= 1;
        heard(oldest)
    }

    /// Takes out the batches that were taken up to `born`. Says whether the producer of now was sent one: the answer to it may come
    /// yet, and must not be taken for another's.
    pub(super) fn take_old(&mut self, born: Instant) -> (Vec<UnderWay>, bool) {
        let is_old = |batch: &&UnderWay| batch.sealed.batch.born <= born;
        let n_old = self.under_way.iter().take_while(is_old).count();
        let was_sent = n_old > 0 && self.n_there > 0;
        self.n_there = self.n_there.saturating_sub(n_old);
        (self.under_way.drain(..n_old).collect(), was_sent)
    }

    /// Takes all batches out.
    pub(super) fn take_all(&mut self) -> Vec<UnderWay> {
        self.n_there = 0;
        self.under_way.drain(..).collect()
    }
}

#[cfg(test)]
mod tests;
