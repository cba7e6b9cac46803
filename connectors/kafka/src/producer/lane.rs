//! The way to one partition: which batches wait, are under way, or must go again, and the numbers they bear.
//!
//! Numbers are those of Kafka's idempotent producer (KIP-98, KIP-360): the broker takes batches of one producer and epoch in the
//! order of their sequence alone, and drops what it has seen. Invariants: batches of a lane are sent in the order in which they
//! came; a batch that may have been written keeps its number as long as it is tried; once such a batch is given up on, the next
//! ones get a new epoch, so that none can be taken for it.

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
            && self.renumber == Renumber::No
            && self.rests_until.is_none_or(|until| until <= now)
    }

    /// Until when it rests after a failure.
    pub(crate) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    /// The next batch to send, numbered.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        let mut batch = self.waiting.pop_front()?;
        if self.identity().is_some() && batch.sequence.is_none() {
            batch.sequence = Some(self.next);
            self.next = after(self.next, batch.n_records());
        }
        batch.n_attempts += 1;
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
    pub(crate) fn refused(
        &mut self,
        sequence: Option<i32>,
        instead: impl IntoIterator<Item = Batch>,
    ) {
        self.n_under_way -= 1;
        if let Some(sequence) = sequence
            && self.renumber == Renumber::No
        {
            self.renumber = Renumber::From(sequence);
        }
        // They take the place of their forerunner until they are numbered anew.
        self.returned.extend(instead.into_iter().map(|batch| Batch { sequence, ..batch }));
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
        self.returned(batch);
    }

    /// Sends nothing for a while, longer each time until a batch was written.
    pub(crate) fn rest(&mut self, now: Instant, (first, longest): (Duration, Duration)) {
        let pause = first.saturating_mul(1 << self.n_rests.min(16)).min(longest);
        self.n_rests = self.n_rests.saturating_add(1);
        self.rests_until = Some(now + pause);
    }

    /// Ends the rest, because something has changed for the better.
    pub(crate) fn wake(&mut self) {
        self.rests_until = None;
    }

    /// Takes out the waiting batches that `is_over`, those before the others.
    pub(crate) fn give_up(&mut self, is_over: impl Fn(&Batch) -> bool) -> Vec<Batch> {
        let mut given_up = Vec::new();
        while let Some(batch) = self.waiting.pop_front_if(|batch| is_over(batch)) {
            if batch.is_doubtful {
                self.renumber = Renumber::NewEpoch;
            } else if let Some(sequence) = batch.sequence
                && self.renumber == Renumber::No
            {
                self.renumber = Renumber::From(sequence);
            }
            given_up.push(batch);
        }
        self.regroup();
        given_up
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
        let renumber = std::mem::replace(&mut self.renumber, Renumber::No);
        let oldest = match renumber {
            Renumber::No => return,
            Renumber::From(sequence) => {
                self.next = sequence;
                age(Some(sequence))
            }
            Renumber::NewEpoch => {
                self.start_epoch();
                i32::MAX
            }
        };
        for batch in self.waiting.iter_mut().filter(|batch| age(batch.sequence) <= oldest) {
            batch.sequence = None;
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
mod tests {
    use super::*;
    use crate::wire::records::Records;

    const FIRST: Identity = Identity { producer_id: 7, epoch: 0 };

    /// A lane with batches of 10 records, told apart by their slots.
    fn lane(slots: std::ops::Range<u32>) -> Lane {
        let mut lane = Lane::new("orders".into(), 0, true);
        lane.leader = Some(1);
        lane.identify(FIRST);
        for slot in slots {
            let mut batch = Batch::new(Records::new(Vec::new()), Instant::now());
            (0..10).for_each(|_| batch.count(slot, false, 1));
            lane.push(batch);
        }
        lane
    }

    fn send(lane: &mut Lane) -> Batch {
        assert!(lane.is_free(Instant::now(), 5), "it may send");
        let batch = lane.take().expect("a batch waits");
        Batch { is_doubtful: false, ..batch }
    }

    /// Slot and number.
    fn seen(batch: &Batch) -> (u32, Option<i32>) {
        (batch.runs[0].slot, batch.sequence)
    }

    #[test]
    fn numbers_count_records() {
        let mut lane = lane(0..3);
        let numbers: Vec<_> = (0..3).map(|_| seen(&send(&mut lane))).collect();
        assert_eq!(numbers, [(0, Some(0)), (1, Some(10)), (2, Some(20))]);
        assert_eq!(after(i32::MAX - 4, 10), 5, "they begin again at 0");
    }

    #[test]
    fn returned_batches_go_again_in_order_and_with_their_numbers() {
        let mut lane = lane(0..4);
        let [a, b, c] = [0; 3].map(|_| send(&mut lane));
        lane.returned(b);
        assert!(!lane.is_free(Instant::now(), 5), "others are under way");
        lane.delivered();
        drop(a);
        lane.misnumbered(c);
        let again: Vec<_> = (0..3).map(|_| seen(&send(&mut lane))).collect();
        assert_eq!(again, [(1, Some(10)), (2, Some(20)), (3, Some(30))]);
        assert_eq!(lane.identity(), Some(FIRST), "no number was lost");
    }

    #[test]
    fn those_after_a_refused_batch_move_up() {
        let mut lane = lane(0..4);
        let [a, b, c] = [0; 3].map(|_| send(&mut lane));
        lane.returned(a);
        lane.refused(b.sequence, []);
        lane.misnumbered(c);
        let again: Vec<_> = (0..3).map(|_| seen(&send(&mut lane))).collect();
        assert_eq!(again, [(0, Some(0)), (2, Some(10)), (3, Some(20))]);
        assert_eq!(lane.identity(), Some(FIRST));
    }

    #[test]
    fn parts_take_the_place_of_what_they_were() {
        let mut lane = lane(0..2);
        let [a, b] = [0; 2].map(|_| send(&mut lane));
        let part = |slot| {
            let mut part = Batch::new(Records::new(Vec::new()), Instant::now());
            (0..5).for_each(|_| part.count(slot, false, 1));
            part
        };
        lane.refused(a.sequence, [part(10), part(11)]);
        lane.misnumbered(b);
        let again: Vec<_> = (0..3).map(|_| seen(&send(&mut lane))).collect();
        assert_eq!(again, [(10, Some(0)), (11, Some(5)), (1, Some(10))]);
    }

    #[test]
    fn number_that_may_be_in_use_is_not_given_again() {
        let mut lane = lane(0..3);
        let [a, b] = [0; 2].map(|_| Batch { is_doubtful: true, ..send(&mut lane) });
        lane.returned(a);
        lane.returned(b);
        let given_up = lane.give_up(|batch| batch.runs[0].slot == 0);
        assert_eq!(given_up.len(), 1);
        assert_eq!(seen(&send(&mut lane)), (1, Some(0)));
        assert_eq!(lane.identity(), Some(Identity { epoch: 1, ..FIRST }));
    }

    #[test]
    fn batch_that_was_never_sent_leaves_no_gap() {
        let mut lane = lane(0..3);
        let first = send(&mut lane);
        assert_eq!(lane.give_up(|batch| batch.runs[0].slot == 1).len(), 1);
        assert_eq!(seen(&send(&mut lane)), (2, first.sequence.map(|sequence| sequence + 10)));
    }

    #[test]
    fn lost_numbers_start_an_epoch_and_used_up_epochs_another_producer() {
        let mut lane = lane(0..2);
        lane.numbers = Numbers::Of(Identity { epoch: i16::MAX - 1, ..FIRST });
        for expected in [Some(Identity { epoch: i16::MAX, ..FIRST }), None] {
            let batch = send(&mut lane);
            lane.misnumbered(batch);
            assert_eq!(lane.identity(), expected);
        }
        assert!(lane.wants_identity() && !lane.is_free(Instant::now(), 5));
        lane.identify(Identity { producer_id: 8, epoch: 0 });
        assert_eq!(seen(&send(&mut lane)), (0, Some(0)));
    }

    #[test]
    fn new_leader_gets_nothing_before_the_old_one_has_answered() {
        let mut lane = lane(0..2);
        drop(send(&mut lane));
        lane.leader = Some(2);
        assert!(!lane.is_free(Instant::now(), 5));
        lane.delivered();
        assert_eq!(seen(&send(&mut lane)), (1, Some(10)));
    }

    #[test]
    fn rests_grow_until_something_is_delivered() {
        let (now, mut lane) = (Instant::now(), lane(0..2));
        let bounds = (Duration::from_millis(100), Duration::from_secs(1));
        let rest = |of: &mut Lane| {
            of.rest(now, bounds);
            of.rests_until().expect("it rests") - now
        };
        assert_eq!([0; 5].map(|_| rest(&mut lane).as_millis()), [100, 200, 400, 800, 1000]);
        assert!(!lane.is_free(now, 5) && lane.is_free(now + Duration::from_secs(1), 5));
        lane.wake();
        drop(send(&mut lane));
        lane.delivered();
        assert_eq!(rest(&mut lane).as_millis(), 100);
    }
}
