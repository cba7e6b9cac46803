//! One partition of a reader: where it stands, where it ends, and what of it is in our hands.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use millstream_engine::batch::Origin;
use millstream_engine::source::Partition;

use crate::config::End;
use crate::consumer::{Ack, Ends, Entry, Flow, Link, MAX_ACKS, clear};
use crate::position::{EntryId, Position};
use crate::receipts::Part;
use crate::source::CONNECTOR;
use crate::wire::proto::{AckType, MessageIdData};

/// An entry that was handed out, or is being, and that the broker does not know to be acknowledged.
#[derive(Debug)]
struct Held {
    since: Instant,
    /// A bit per message, set where it was not acknowledged when it came; empty: none was.
    ack_set: Vec<i64>,
}

/// A partition.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) partition: Partition,
    pub(super) origin: Origin,
    pub(super) link: Link,
    pub(super) flow: Flow,
    /// How far it was read. Moves forward only where the position is ours.
    pub(super) done: Position,
    /// Where it ends, once that is known.
    pub(super) until: Option<Position>,
    /// From this time of publication on it has ended.
    pub(super) until_time: Option<u64>,
    /// Nothing more of it is handed out.
    pub(super) has_ended: bool,
    /// It was subscribed to.
    pub(super) was_opened: bool,
    /// Its consumer is closed.
    pub(super) is_closed: bool,
    /// Of subscriptions: what is in our hands.
    held: BTreeMap<EntryId, Held>,
}

impl Lane {
    pub(super) fn new(partition: &Partition, done: Position, link: Link, flow: Flow) -> Self {
        Self {
            partition: partition.clone(),
            origin: Origin::new(CONNECTOR, &partition.topic, partition.index),
            link,
            flow,
            done,
            until: None,
            until_time: None,
            has_ended: false,
            was_opened: false,
            is_closed: false,
            held: BTreeMap::new(),
        }
    }

    /// Settles where it ends, when it was subscribed to for the first time.
    pub(super) fn settle_end(&mut self, end: &End, ends: Ends) {
        let at_end = Position::behind(ends.last);
        self.until = match end {
            End::Never => None,
            End::Latest => Some(at_end),
            End::Timestamp(millis) => {
                self.until_time = Some(*millis);
                Some(at_end)
            }
            End::Explicit(ids) => {
                let id = ids.iter().find(|(named, _)| *named == self.partition);
                Some(id.map_or(at_end, |(_, id)| Position::before(*id)))
            }
        };
        self.check_end(ends);
    }

    /// Whether the end was reached, by what the broker says.
    pub(super) fn check_end(&mut self, ends: Ends) {
        let Some(until) = self.until else { return };
        let is_empty = until == Position::behind(ends.last) && ends.are_at(self.done.entry);
        let is_past = until.index.is_none() && ends.mark.is_some_and(|mark| mark >= until.entry);
        self.has_ended |= is_empty || is_past || self.done.covers(until);
    }

    /// Whether an entry lies behind the end.
    pub(super) fn is_behind_end(&self, entry: &Entry) -> bool {
        self.until.is_some_and(|until| entry.id > until.entry)
            || self.until_time.is_some_and(|time| entry.publish_time >= time)
    }

    /// The first message of an entry that is not handed out because the end lies before it.
    pub(super) fn end_within(&self, entry: EntryId) -> Option<u32> {
        let until = self.until.filter(|until| until.entry == entry)?;
        until.index.map(|last| last + 1)
    }

    /// Holds an entry of a subscription; false where it is in our hands already.
    pub(super) fn hold(&mut self, entry: &Entry) -> bool {
        let is_new = !self.held.contains_key(&entry.id);
        if is_new {
            let held = Held { since: Instant::now(), ack_set: entry.ack_set.clone() };
            self.held.insert(entry.id, held);
        }
        is_new
    }

    /// The broker has these acknowledgements.
    pub(super) fn release(&mut self, entries: &[EntryId]) {
        for entry in entries {
            self.held.remove(entry);
        }
    }

    /// The broker has everything up to this entry as acknowledged.
    pub(super) fn release_up_to(&mut self, entry: EntryId) {
        let mut rest = self.held.split_off(&entry);
        rest.remove(&entry);
        self.held = rest;
    }

    /// Asks for what was in our hands for too long again; it is handed out again when it comes.
    pub(super) fn redeliver_older(&mut self, timeout: Duration) {
        let is_late = |(_, held): &(&EntryId, &Held)| held.since.elapsed() > timeout;
        let late: Vec<_> = self.held.iter().filter(is_late).map(|(id, _)| *id).collect();
        if !late.is_empty() {
            tracing::debug!(n = late.len(), partition = %self.partition, "not acknowledged in time");
            self.release(&late);
            self.link.redeliver(late.into_iter().map(EntryId::to_proto));
        }
    }

    /// Acknowledges the parts of this lane that became durable, each by itself.
    pub(super) fn acknowledge_each(&self, parts: &[Part], parts_of_batches: bool) {
        let mut ids: Vec<MessageIdData> = Vec::with_capacity(parts.len());
        for part in parts.iter().filter(|part| part.is_last || parts_of_batches) {
            let id = self.id_of(part);
            match ids.last_mut() {
                // what was said of the entry before is less
                Some(last) if EntryId::of(last) == part.entry => *last = id,
                _ => ids.push(id),
            }
        }
        for some in ids.chunks(MAX_ACKS) {
            self.link.acknowledge(Ack { kind: AckType::Individual, ids: some.to_vec() });
        }
    }

    /// Acknowledges everything up to the last of these parts.
    pub(super) fn acknowledge_up_to(&self, parts: &[Part], parts_of_batches: bool) {
        let last = parts.iter().rev().find(|part| part.is_last || parts_of_batches);
        if let Some(part) = last {
            let ids = vec![self.id_of(part)];
            self.link.acknowledge(Ack { kind: AckType::Cumulative, ids });
        }
    }

    /// The entry where the part is its last one; otherwise with those of its messages that are not durable yet.
    fn id_of(&self, part: &Part) -> MessageIdData {
        let id = part.entry.to_proto();
        if part.is_last {
            return id;
        }
        let before = self.held.get(&part.entry).map(|held| &held.ack_set);
        let mut ack_set = match before.filter(|set| !set.is_empty()) {
            Some(before) => before.clone(),
            None => all_of(part.n_messages),
        };
        clear(&mut ack_set, 0, part.to);
        let batch_size = i32::try_from(part.n_messages).ok();
        MessageIdData { ack_set, batch_size, ..id }
    }
}

/// A bit set per message.
fn all_of(n_messages: u32) -> Vec<i64> {
    let mut words = vec![-1_i64; n_messages as usize / 64];
    if !n_messages.is_multiple_of(64) {
        words.push((u64::MAX >> (64 - n_messages % 64)).cast_signed());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_its_bit() {
        let bits = |n| all_of(n).iter().map(|word| word.count_ones()).sum::<u32>();
        for n in [0, 1, 63, 64, 65, 1_000] {
            assert_eq!(bits(n), n);
        }
        let mut words = all_of(70);
        clear(&mut words, 0, 66);
        assert_eq!(words, [0, 0b11_1100]);
    }
}
