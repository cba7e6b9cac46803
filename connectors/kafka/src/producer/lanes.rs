//! All lanes of a producer, by their numbers, and where each has to send.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaErrorCode;

use super::batch::Batch;
use super::lane::{Identity, Lane};
use super::tray::LaneId;

/// How long the leaders of a topic are kept while it has no lane.
const UNUSED: Duration = Duration::from_mins(1);

/// What a lane can do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: it has nothing, or may not send.
    Nothing,
    /// It has a batch for this broker.
    Send(i32),
    /// Its open batch has waited long enough and may be taken.
    Take,
}

#[derive(Debug)]
struct Entry {
    lane: Lane,
    /// Its open batch has waited long enough, and could not be sent then.
    is_due: bool,
    /// Nothing more is to be tried.
    given_up: Option<RDKafkaErrorCode>,
    /// It is to go as soon as it is empty.
    is_closing: bool,
    /// The lane to the same partition that is closing, and is to be gone before.
    forerunner: Option<LaneId>,
}

/// The lanes of one topic, and who leads its partitions.
#[derive(Debug, Default)]
struct Topic {
    leaders: Vec<Option<i32>>,
    lanes: Vec<LaneId>,
    n_closing: usize,
}

/// All lanes of a producer.
#[derive(Debug)]
pub(super) struct Lanes {
    entries: Vec<Option<Entry>>,
    topics: HashMap<Arc<str>, Topic>,
    /// Topics that had no lane when their leaders were told.
    laneless: VecDeque<(Instant, Arc<str>)>,
    resting: BinaryHeap<Reverse<(Instant, LaneId)>>,
    /// The producer that new lanes number for; its epoch is later than that of any lane that was closed.
    identity: Option<Identity>,
    /// A lane was seen that waits for a producer's id.
    wants_identity: bool,
    idempotent: bool,
    max_under_way: usize,
}

impl Lanes {
    pub(super) fn new(idempotent: bool, max_under_way: usize) -> Self {
        Self {
            entries: Vec::new(),
            topics: HashMap::new(),
            laneless: VecDeque::new(),
            resting: BinaryHeap::new(),
            identity: None,
            wants_identity: false,
            idempotent,
            max_under_way,
        }
    }

    pub(super) fn open(&mut self, id: LaneId, topic: &Arc<str>, partition: u32) {
        let forerunner = self.forerunner(topic, partition);
        let of_topic = self.topics.entry(Arc::clone(topic)).or_default();
        of_topic.lanes.push(id);
        let mut lane = Lane::new(Arc::clone(topic), partition, self.idempotent);
        lane.leader = of_topic.leaders.get(partition as usize).copied().flatten();
        if let (Some(identity), None) = (self.identity, forerunner) {
            lane.identify(identity);
        }
        let entry = Entry { lane, is_due: false, given_up: None, is_closing: false, forerunner };
        let at = id as usize;
        if self.entries.len() <= at {
            self.entries.resize_with(at + 1, || None);
        }
        self.entries[at] = Some(entry);
    }

    pub(super) fn close(&mut self, id: LaneId) {
        let Some(entry) = self.entries.get_mut(id as usize).and_then(Option::as_mut) else {
            return;
        };
        let was_closing = std::mem::replace(&mut entry.is_closing, true);
        if let (Some(of_topic), false) = (self.topics.get_mut(&entry.lane.topic), was_closing) {
            of_topic.n_closing += 1;
        }
    }

    /// The last of the lanes to a partition, where some are closing.
    fn forerunner(&self, topic: &Arc<str>, partition: u32) -> Option<LaneId> {
        let of_topic = self.topics.get(topic).filter(|of_topic| of_topic.n_closing > 0)?;
        let is_its = |id: &&LaneId| {
            let entry = self.entries.get(**id as usize).and_then(Option::as_ref);
            entry.is_some_and(|entry| entry.lane.partition == partition)
        };
        of_topic.lanes.iter().rev().find(is_its).copied()
    }

    pub(super) fn set_given_up(&mut self, id: LaneId, code: RDKafkaErrorCode) {
        if let Some(entry) = self.entry(id) {
            entry.given_up = Some(code);
        }
    }

    /// Lets go of a lane that is closing, once it is empty. Its numbers are never used again: the broker would take new batches for
    /// those that it has seen.
    pub(super) fn remove_if_done(&mut self, id: LaneId) -> bool {
        let at = id as usize;
        let is_done = |entry: &mut Entry| entry.is_closing && entry.lane.is_empty();
        let Some(entry) = self.entries.get_mut(at).and_then(|entry| entry.take_if(is_done)) else {
            return false;
        };
        if let (Some(used), Some(next)) = (entry.lane.identity(), self.identity)
            && used.producer_id == next.producer_id
            && used.epoch >= next.epoch
        {
            self.identity = used.next();
        }
        self.leave_topic(id, &entry.lane.topic);
        true
    }

    /// Takes a lane out of its topic; the next one to its partition may begin.
    fn leave_topic(&mut self, id: LaneId, topic: &Arc<str>) {
        let Some(of_topic) = self.topics.get_mut(topic) else { return };
        of_topic.lanes.retain(|lane| *lane != id);
        of_topic.n_closing -= 1;
        for next in &of_topic.lanes {
            if let Some(entry) = self.entries.get_mut(*next as usize).and_then(Option::as_mut)
                && entry.forerunner == Some(id)
            {
                entry.forerunner = None;
                self.identity.into_iter().for_each(|identity| entry.lane.identify(identity));
            }
        }
        if of_topic.lanes.is_empty() {
            self.topics.remove(topic);
        }
    }

    /// Whether nobody has told who leads the partitions of this lane's topic.
    pub(super) fn is_untold(&self, id: LaneId) -> bool {
        let entry = self.entries.get(id as usize).and_then(Option::as_ref);
        let lane = entry.map(|entry| &entry.lane).filter(|lane| lane.leader.is_none());
        let of_topic = lane.and_then(|lane| self.topics.get(&lane.topic));
        of_topic.is_some_and(|of_topic| of_topic.leaders.is_empty())
    }

    pub(super) fn get(&mut self, id: LaneId) -> Option<&mut Lane> {
        self.entry(id).map(|entry| &mut entry.lane)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = LaneId> + use<> {
        0..LaneId::try_from(self.entries.len()).unwrap_or(LaneId::MAX)
    }

    /// The open batch of a lane has waited long enough.
    pub(super) fn set_due(&mut self, id: LaneId, is_due: bool) {
        if let Some(entry) = self.entry(id) {
            entry.is_due = is_due;
        }
    }

    pub(super) fn is_due(&self, id: LaneId) -> bool {
        self.entries.get(id as usize).and_then(Option::as_ref).is_some_and(|entry| entry.is_due)
    }

    /// What a lane can do now.
    pub(super) fn next(&mut self, id: LaneId, now: Instant) -> Next {
        let max_under_way = self.max_under_way;
        let entry = self.entries.get(id as usize).and_then(Option::as_ref);
        let Some(Entry { lane, is_due, forerunner: None, .. }) = entry else {
            return Next::Nothing;
        };
        self.wants_identity |= lane.wants_identity();
        match lane.leader.filter(|_| lane.is_free(now, max_under_way)) {
            Some(leader) if lane.has_waiting() => Next::Send(leader),
            Some(_) if *is_due => Next::Take,
            _ => Next::Nothing,
        }
    }

    /// Sends nothing to this partition for a while.
    pub(super) fn rest(&mut self, id: LaneId, now: Instant, bounds: (Duration, Duration)) {
        if let Some(entry) = self.entry(id) {
            let until = entry.lane.rest(now, bounds);
            self.resting.extend(until.map(|until| Reverse((until, id))));
        }
    }

    /// The lanes whose rest is over.
    pub(super) fn rested(&mut self, now: Instant) -> Option<LaneId> {
        let Reverse((until, id)) = *self.resting.peek()?;
        (until <= now).then(|| {
            self.resting.pop();
            id
        })
    }

    pub(super) fn next_rested(&self) -> Option<Instant> {
        self.resting.peek().map(|Reverse((until, _))| *until)
    }

    /// Takes down who leads the partitions of a topic, and returns its lanes.
    pub(super) fn set_leaders(
        &mut self,
        topic: &Arc<str>,
        leaders: Vec<Option<i32>>,
        now: Instant,
    ) -> Vec<LaneId> {
        let of_topic = self.topics.entry(Arc::clone(topic)).or_default();
        if of_topic.lanes.is_empty() {
            // The lanes are about to be opened, or were just closed.
            self.laneless.push_back((now, Arc::clone(topic)));
        }
        of_topic.leaders = leaders;
        let (ids, known) = (of_topic.lanes.clone(), of_topic.leaders.clone());
        for id in &ids {
            if let Some(lane) = self.get(*id) {
                let leader = known.get(lane.partition as usize).copied().flatten();
                if leader != lane.leader {
                    lane.leader = leader;
                    lane.wake();
                }
            }
        }
        ids
    }

    /// Forgets the leaders of topics for which no lane was opened in time.
    pub(super) fn forget_leaders(&mut self, now: Instant) {
        let is_over = |told: Instant| told + UNUSED <= now;
        while let Some((_, topic)) = self.laneless.pop_front_if(|(told, _)| is_over(*told)) {
            if self.topics.get(&topic).is_some_and(|of_topic| of_topic.lanes.is_empty()) {
                self.topics.remove(&topic);
            }
        }
    }

    /// Gives a producer's id to all lanes that wait for one.
    pub(super) fn identify(&mut self, identity: Identity) {
        (self.identity, self.wants_identity) = (Some(identity), false);
        for entry in self.entries.iter_mut().flatten() {
            if entry.forerunner.is_none() {
                entry.lane.identify(identity);
            }
        }
    }

    /// Whether another producer's id is needed: there was none yet, or epochs are used up.
    pub(super) fn wants_identity(&mut self) -> bool {
        let wants = std::mem::take(&mut self.wants_identity);
        if wants {
            self.identity = None;
        }
        wants
    }

    /// Whether some lane has something, waiting or under way, or is to be closed.
    pub(super) fn has_something(&self) -> bool {
        let mut entries = self.entries.iter().flatten();
        entries.any(|entry| entry.is_due || entry.is_closing || !entry.lane.is_empty())
    }

    /// Takes out the batches of a lane that `is_over`, and all where nothing more is to be tried.
    pub(super) fn give_up(
        &mut self,
        id: LaneId,
        is_over: impl Fn(&Batch) -> bool,
    ) -> Vec<(Batch, RDKafkaErrorCode)> {
        let Some(Entry { lane, given_up, .. }) = self.entry(id) else { return Vec::new() };
        let (all, code) = (given_up.is_some(), given_up.take());
        let code = code.unwrap_or(RDKafkaErrorCode::MessageTimedOut);
        let batches = lane.give_up(|batch| all || is_over(batch));
        if all && !lane.is_empty() {
            // What is under way comes back first.
            self.set_given_up(id, code);
        }
        batches.into_iter().map(|batch| (batch, code)).collect()
    }

    fn entry(&mut self, id: LaneId) -> Option<&mut Entry> {
        self.entries.get_mut(id as usize)?.as_mut()
    }
}

#[cfg(test)]
mod tests;
