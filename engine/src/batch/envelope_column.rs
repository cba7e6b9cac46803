//! The envelopes of a batch's records, for those that have one: a side column that other batches do without.
//!
//! One run of 40 bytes per stretch of neighbours with the same envelope, and eight bytes per record up to the last one that has an
//! ordering key. Invariant: a record before the first run has no envelope; one beyond the end of the keys has no ordering key.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::names::Names;
use super::{EntryId, Envelope, NO_TIME};

/// Says that there is no producer, no entry, no ordering key.
const NONE: u32 = u32::MAX;

/// Bytes of ids and keys that a cleared column keeps room for.
const KEPT_BYTES: usize = 64 << 10;

/// The envelope of neighbouring records, from `first` to the next run or the end of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EnvelopeRun {
    pub(super) first: u32,
    pub(super) redelivery_count: u32,
    publish_time: i64,
    /// The number of the producer's name.
    producer: u32,
    /// Where the text of the entry's id lies; it begins at [`NONE`] where there is none.
    id_start: u32,
    id_end: u32,
    has_first_position: bool,
    first_position: u64,
}

/// Where an ordering key lies among all; it begins at [`NONE`] where there is none.
type KeyMark = (u32, u32);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct EnvelopeColumn {
    pub(super) runs: Vec<EnvelopeRun>,
    producers: Names,
    ids: String,
    pub(super) keys: Vec<KeyMark>,
    key_bytes: Vec<u8>,
    /// Bytes of the keys that were accepted; what follows them is only offered.
    accepted: usize,
}

impl EnvelopeColumn {
    /// The envelope of the record at `index`.
    pub(super) fn get(&self, index: usize) -> Envelope<'_> {
        let after = self.runs.partition_point(|run| run.first as usize <= index);
        after.checked_sub(1).map_or_else(Envelope::default, |at| self.of_run(&self.runs[at]))
    }

    pub(super) fn of_run(&self, run: &EnvelopeRun) -> Envelope<'_> {
        let text = self.ids.get(run.id_start as usize..run.id_end as usize);
        let first_position = run.has_first_position.then_some(run.first_position);
        Envelope {
            redelivery_count: run.redelivery_count,
            publish_time: Some(run.publish_time).filter(|time| *time != NO_TIME),
            producer_name: self.producers.get(run.producer),
            entry: text.map(|text| EntryId { text, first_position }),
        }
    }

    pub(super) fn ordering_key(&self, index: usize) -> Option<&[u8]> {
        let (start, end) = *self.keys.get(index)?;
        self.key_bytes.get(start as usize..end as usize)
    }

    /// The envelope of the records from `first` on, which is the number of those there are.
    pub(super) fn start_run(&mut self, first: usize, envelope: &Envelope<'_>) {
        let first = u32::try_from(first).unwrap_or(u32::MAX);
        while let Some(empty) = self.runs.pop_if(|run| run.first >= first) {
            self.ids.truncate(self.ids.len().min(empty.id_start as usize));
        }
        let before = self.runs.last().map_or_else(Envelope::default, |run| self.of_run(run));
        if before == *envelope {
            return;
        }
        self.push_run(first, envelope);
    }

    /// The same, whatever came before.
    pub(super) fn push_run(&mut self, first: u32, envelope: &Envelope<'_>) {
        let first_position = envelope.entry.and_then(|entry| entry.first_position);
        let (id_start, id_end) = match envelope.entry {
            Some(entry) => {
                let start = offset(self.ids.len());
                self.ids.push_str(entry.text);
                (start, offset(self.ids.len()))
            }
            None => (NONE, NONE),
        };
        let producer = envelope.producer_name.map_or(NONE, |name| self.producers.add(name));
        self.runs.push(EnvelopeRun {
            first,
            redelivery_count: envelope.redelivery_count,
            publish_time: envelope.publish_time.unwrap_or(NO_TIME),
            producer,
            id_start,
            id_end,
            has_first_position: first_position.is_some(),
            first_position: first_position.unwrap_or(0),
        });
    }

    /// Takes an ordering key down; the one offered before and not accepted is forgotten.
    pub(super) fn offer_key(&mut self, key: &[u8]) {
        self.withdraw_key();
        self.key_bytes.extend_from_slice(key);
    }

    /// Forgets the key offered.
    pub(super) fn withdraw_key(&mut self) {
        self.key_bytes.truncate(self.accepted);
    }

    /// Gives the key offered to the record at `index`, which is the last one of the batch.
    pub(super) fn accept_key(&mut self, index: usize) {
        self.keys.resize(index, (NONE, NONE));
        self.keys.push((offset(self.accepted), offset(self.key_bytes.len())));
        self.accepted = self.key_bytes.len();
    }

    /// Gives the record at `index`, which is the last one of the batch, an ordering key.
    pub(super) fn push_key(&mut self, index: usize, key: &[u8]) {
        self.offer_key(key);
        self.accept_key(index);
    }

    /// Appends what another batch says of its record at `from`, for the record at `index`.
    pub(super) fn push_copy(&mut self, index: usize, other: &Self, from: usize) {
        self.start_run(index, &other.get(from));
        if let Some(key) = other.ordering_key(from) {
            self.push_key(index, key);
        }
    }

    /// The same for the records of another batch at `range`, for records from `first` on.
    pub(super) fn push_range(&mut self, first: usize, other: &Self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        self.start_run(first, &other.get(range.start));
        let starts =
            |run: &&EnvelopeRun| (range.start + 1..range.end).contains(&(run.first as usize));
        for run in other.runs.iter().filter(starts) {
            let at = first + (run.first as usize - range.start);
            self.start_run(at, &other.of_run(run));
        }
        for from in range.start..range.end.min(other.keys.len()) {
            if let Some(key) = other.ordering_key(from) {
                self.push_key(first + (from - range.start), key);
            }
        }
    }

    /// As a batch drops records, and has come to the one at `from`: `to` were kept so far, and `run` runs were renumbered.
    /// Lookups stay right, because no run is moved before its first record is reached.
    #[inline]
    pub(super) fn reach(&mut self, from: usize, to: usize, run: &mut usize) {
        while let Some(reached) = self.runs.get_mut(*run).filter(|run| run.first as usize == from) {
            reached.first = offset(to);
            *run += 1;
        }
    }

    /// Moves an ordering key forward, as records between are dropped.
    #[inline]
    pub(super) fn move_key(&mut self, from: usize, to: usize) {
        let mark = self.keys.get(from).copied().unwrap_or((NONE, NONE));
        if let Some(place) = self.keys.get_mut(to) {
            *place = mark;
        }
    }

    pub(super) fn truncate(&mut self, n_records: usize) {
        self.keys.truncate(n_records);
        while self.keys.pop_if(|(start, _)| *start == NONE).is_some() {}
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.producers.clear();
        self.ids.clear();
        self.ids.shrink_to(KEPT_BYTES);
        self.keys.clear();
        self.key_bytes.clear();
        self.key_bytes.shrink_to(KEPT_BYTES);
        self.accepted = 0;
    }

    /// Bytes of memory in use.
    pub(super) fn n_bytes(&self) -> usize {
        self.runs.len() * size_of::<EnvelopeRun>()
            + self.keys.len() * size_of::<KeyMark>()
            + self.producers.n_bytes()
            + self.ids.len()
            + self.key_bytes.len()
    }
}

/// # Panics
/// At 4 GiB, which batches end long before.
fn offset(at: usize) -> u32 {
    u32::try_from(at).ok().filter(|at| *at < NONE).expect("a batch holds at most 4 GiB")
}

#[cfg(test)]
mod tests;
