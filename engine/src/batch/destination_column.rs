//! The destinations of a batch's records, for those that have one: a side column that other batches do without.
//!
//! Eight bytes per record up to the last one that has a destination, whether topics come in runs or in random order, and each
//! name once per batch. Invariant: a record beyond the column's end has no destination.

use serde::{Deserialize, Serialize};

use super::Destination;
use super::names::Names;

/// Says that a record has no topic, or no partition, of its own.
pub(super) const NONE: u32 = u32::MAX;

/// The destination of one record, by the number of its topic's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) topic: u32,
    pub(super) partition: u32,
}

impl Mark {
    pub(super) const NONE: Self = Self { topic: NONE, partition: NONE };
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct DestinationColumn {
    pub(super) marks: Vec<Mark>,
    pub(super) names: Names,
}

impl DestinationColumn {
    #[inline]
    pub(super) fn mark(&self, index: usize) -> Mark {
        self.marks.get(index).copied().unwrap_or(Mark::NONE)
    }

    pub(super) fn get(&self, index: usize) -> Destination<'_> {
        let mark = self.mark(index);
        Destination {
            topic: self.names.get(mark.topic),
            partition: Some(mark.partition).filter(|partition| *partition != NONE),
        }
    }

    /// Sets the destination of the record at `index`, which is the last one of the batch.
    #[inline]
    pub(super) fn push(&mut self, index: usize, mark: Mark) {
        self.marks.resize(index, Mark::NONE);
        self.marks.push(mark);
    }

    /// Appends a destination of another batch for the record at `index`.
    #[inline]
    pub(super) fn push_copy(&mut self, index: usize, destination: Destination<'_>) {
        if destination.is_none() {
            return;
        }
        let topic = destination.topic.map_or(NONE, |name| self.names.add(name));
        self.push(index, Mark { topic, partition: destination.partition.unwrap_or(NONE) });
    }

    /// Appends the destinations of the records of another batch at `range`, for records from `first` on.
    pub(super) fn push_range(&mut self, first: usize, other: &Self, range: std::ops::Range<usize>) {
        if self.names.len() == 0 && other.names.len() > 0 {
            self.names.copy_from(&other.names);
            let end = range.end.min(other.marks.len());
            if range.start < end {
                self.marks.resize(first, Mark::NONE);
                self.marks.extend_from_slice(&other.marks[range.start..end]);
            }
            return;
        }
        for (at, index) in range.enumerate() {
            self.push_copy(first + at, other.get(index));
        }
    }

    /// Moves a destination forward, as records between are dropped.
    #[inline]
    pub(super) fn move_to(&mut self, from: usize, to: usize) {
        let mark = self.mark(from);
        if let Some(place) = self.marks.get_mut(to) {
            *place = mark;
        }
    }

    pub(super) fn truncate(&mut self, n_records: usize) {
        self.marks.truncate(n_records);
    }

    pub(super) fn clear(&mut self) {
        self.marks.clear();
        self.names.clear();
    }

    /// Bytes of memory in use.
    pub(super) fn n_bytes(&self) -> usize {
        self.marks.len() * size_of::<Mark>() + self.names.n_bytes()
    }
}
