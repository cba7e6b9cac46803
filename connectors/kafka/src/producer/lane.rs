//! The way to one partition: which batches wait, are under way, or must go again, and the numbers they bear.
//!
//! Numbers are those of Kafka's idempotent producer (KIP-98, KIP-360): the broker takes batches of one producer and epoch in the
//! order of their sequence alone, and drops what it has seen. Invariants: batches of a lane are sent in the order in which they
//! came; a batch that may have been written keeps its number as long as it is tried; once such a batch is given up on, those that
//! were surely not written get a new epoch, so that none can be taken for it.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::Batch;

/// The producer that numbers are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
}

impl Identity {
    /// The next epoch, which producers without transactions start by themselves (KIP-360); none once all are used up.
    pub(super) fn next(self) -> Option<Self> {
        Some(Self { epoch: self.epoch.checked_add(1)?, ..self })
    }
}

/// What has to be done with the numbers before batches go again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renumber {
    /// Nothing.
    No,
    /// A batch was refused: those after it move up to its number.
    From(i32),
    /// A number is lost: they start anew in the next epoch.
    NewEpoch,
}

/// Whether numbers are used, and which producer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbers {
    /// Batches bear none, and may be repeated.
    Off,
    /// The next producer id is waited for.
    Wanted,
    Of(Identity),
}

/// The way to one partition.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: u32,
    /// The broker to send to, if one is known.
    pub(crate) leader: Option<i32>,
    /// It is in its broker's list of lanes that may send.
    pub(crate) is_listed: bool,
    waiting: VecDeque<Batch>,
    returned: Vec<Batch>,
    n_under_way: usize,
    /// The broker that the last batch was sent to: another one gets nothing while something is under way there.
    sent_to: Option<i32>,
    /// Among those under way is one that may have been written before.
    is_unsettled: bool,
    numbers: Numbers,
    next: i32,
    renumber: Renumber,
    rests_until: Option<Instant>,
    n_rests: u32,
}

impl Lane {
    /// A lane without batches; `idempotent` ones wait for a producer id.
    pub(crate) fn new(topic: Arc<str>, partition: u32, idempotent: bool) -> Self {
        Self {
            topic,
            partition,
            leader: None,
            is_listed: false,
            waiting: VecDeque::new(),
            returned: Vec::new(),
            n_under_way: 0,
            sent_to: None,
            is_unsettled: false,
            numbers: if idempotent { Numbers::Wanted } else { Numbers::Off },
            next: 0,
            renumber: Renumber::No,
            rests_until: None,
            n_rests: 0,
        }
    }

    pub(crate) fn push(&mut self, batch: Batch) {
        self.waiting.push_back(batch);
    }

    /// The producer that the next batch is numbered for.
    pub(crate) fn identity(&self) -> Option<Identity> {
        match self.numbers {
            Numbers::Of(identity) => Some(identity),
            Numbers::Off | Numbers::Wanted => None,
        }
    }

    pub(crate) fn wants_identity(&self) -> bool {
        self.numbers == Numbers::Wanted
    }

    /// Takes a producer's id for which nothing was sent on this lane.
    pub(crate) fn identify(&mut self, identity: Identity) {
        if self.wants_identity() {
            self.numbers = Numbers::Of(identity);
            self.next = 0;
        }
    }

    /// Whether nothing waits and nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.returned.is_empty() && self.n_under_way == 0
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether a batch could be sent now, were there one.
    pub(crate) fn is_free(&self, now: Instant, max_under_way: usize) -> bool {
        self.leader.is_some()
            && (self.n_under_way == 0 || self.sent_to == self.leader)
            && self.n_under_way < max_under_way
            && !self.wants_identity()
            && self.returned.is_empty()
            && self.has_numbers()
            && self.rests_until.is_none_or(|until| until <= now)
    }

    /// Whether the next batch has a number, or may be given one. Brokers remember few batches: nothing new goes behind one that
    /// may have been written. Where an epoch is to start, that one goes before.
    fn has_numbers(&self) -> bool {
        match self.renumber {
            Renumber::No if self.is_unsettled && self.n_under_way > 0 => {
                self.waiting.front().is_some_and(|batch| batch.sequence.is_some())
            }
            Renumber::No => true,
            Renumber::From(_) => false,
            Renumber::NewEpoch => self.is_next_doubtful(),
        }
    }

    fn is_next_doubtful(&self) -> bool {
        self.waiting.front().is_some_and(|batch| batch.is_doubtful)
    }

    /// The next batch to send, numbered.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        let mut batch = self.waiting.pop_front()?;
        if self.identity().is_some() && batch.sequence.is_none() {
            batch.sequence = Some(self.next);
            self.next = after(self.next, batch.n_records());
        }
        batch.n_attempts += 1;
        self.is_unsettled = batch.is_doubtful || self.is_unsettled && self.n_under_way > 0;
        self.n_under_way += 1;
        self.sent_to = self.leader;
        Some(batch)
    }

    /// A batch was written.
    pub(crate) fn delivered(&mut self) {
        self.n_under_way -= 1;
        self.n_rests = 0;
        self.regroup();
    }

    /// A batch was refused for good, or replaced by `instead`, which are to be sent in its place.
    pub(crate) fn refused(&mut self, batch: &Batch, instead: impl IntoIterator<Item = Batch>) {
        self.n_under_way -= 1;
        self.leave_out(batch);
        // They take the place of their forerunner until they are numbered anew.
        let sequence = batch.sequence;
        self.returned.extend(instead.into_iter().map(|part| Batch { sequence, ..part }));
        self.regroup();
    }

    /// A batch has to go again.
    pub(crate) fn returned(&mut self, batch: Batch) {
        self.n_under_way -= 1;
        self.returned.push(batch);
        self.regroup();
    }

    /// The broker does not take the number of a batch. Where that follows from a failure before it, nothing is to be done.
    pub(crate) fn misnumbered(&mut self, batch: Batch) {
        if self.returned.is_empty() && self.renumber == Renumber::No {
            self.renumber = Renumber::NewEpoch;
        }
        // Had it been written before, the broker would know it again.
        self.returned(Batch { is_doubtful: false, ..batch });
    }

    /// Sends nothing for a while, longer each time until a batch was written; says until when, unless it rests already.
    pub(crate) fn rest(
        &mut self,
        now: Instant,
        (first, longest): (Duration, Duration),
    ) -> Option<Instant> {
        if self.rests_until.is_some_and(|until| until > now) {
            return None;
        }
        let pause = first.saturating_mul(1 << self.n_rests.min(16)).min(longest);
        self.n_rests = self.n_rests.saturating_add(1);
        self.rests_until = Some(now + pause);
        self.rests_until
    }

    /// Ends the rest, because something has changed for the better.
    pub(crate) fn wake(&mut self) {
        self.rests_until = None;
    }

    /// Takes out the waiting batches that `is_over`, those before the others.
    pub(crate) fn give_up(&mut self, is_over: impl Fn(&Batch) -> bool) -> Vec<Batch> {
        let mut given_up = Vec::new();
        while let Some(batch) = self.waiting.pop_front_if(|batch| is_over(batch)) {
            self.leave_out(&batch);
            given_up.push(batch);
        }
        self.regroup();
        given_up
    }

    /// A batch is not sent again by its number, which is free where it was not written.
    fn leave_out(&mut self, batch: &Batch) {
        let Some(sequence) = batch.sequence else { return };
        let age = |of| distance(of, self.next);
        self.renumber = match self.renumber {
            _ if batch.is_doubtful => Renumber::NewEpoch,
            Renumber::From(older) if age(older) > age(sequence) => return,
            Renumber::NewEpoch => return,
            Renumber::No | Renumber::From(_) => Renumber::From(sequence),
        };
    }

    /// Once nothing is under way: puts returned batches before those that wait, and numbers them anew where that is due.
    fn regroup(&mut self) {
        if self.n_under_way > 0 || (self.returned.is_empty() && self.renumber == Renumber::No) {
            return;
        }
        // Numbers begin again at 0 after the largest: how far each lies behind the next one tells the order.
        let next = self.next;
        let age = |sequence: Option<i32>| sequence.map_or(0, |sequence| distance(sequence, next));
        self.returned.sort_by_key(|batch| Reverse(age(batch.sequence)));
        while let Some(batch) = self.returned.pop() {
            self.waiting.push_front(batch);
        }
        let oldest = match self.renumber {
            Renumber::No => return,
            Renumber::NewEpoch if self.is_next_doubtful() => return,
            Renumber::From(sequence) => {
                self.next = sequence;
                age(Some(sequence))
            }
            Renumber::NewEpoch => {
                self.start_epoch();
                i32::MAX
            }
        };
        self.renumber = Renumber::No;
        for batch in self.waiting.iter_mut().filter(|batch| age(batch.sequence) <= oldest) {
            // None of them was written: one before them was not.
            (batch.sequence, batch.is_doubtful) = (None, false);
        }
    }

    fn start_epoch(&mut self) {
        self.next = 0;
        if let Numbers::Of(identity) = self.numbers {
            self.numbers = identity.next().map_or(Numbers::Wanted, Numbers::Of);
        }
    }
}

/// The number after those of so many records.
fn after(sequence: i32, n_records: u32) -> i32 {
    sequence.wrapping_add_unsigned(n_records) & i32::MAX
}

/// How many numbers lie from one to a later one.
fn distance(from: i32, to: i32) -> i32 {
    to.wrapping_sub(from) & i32::MAX
}

#[cfg(test)]
mod tests;
