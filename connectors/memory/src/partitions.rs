//! The logs of a topic.
//!
//! Most topics have one partition, and a writer that routes touches many topics: its log lies beside the lock, not behind another
//! pointer. Invariant: there is at least one.

use std::ops::{Index, IndexMut};

use crate::log::Log;

/// One log per partition.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Partitions {
    /// How many `more` are: known without a look behind the first one.
    n_more: usize,
    first: Log,
    more: Vec<Log>,
}

impl Partitions {
    pub(crate) fn new(n_partitions: usize) -> Self {
        let mut this = Self::default();
        this.add(n_partitions.saturating_sub(1));
        this
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        1 + self.n_more
    }

    /// Adds empty logs.
    pub(crate) fn add(&mut self, n_more: usize) {
        self.n_more += n_more;
        self.more.resize_with(self.n_more, Log::default);
    }

    #[inline]
    pub(crate) fn get(&self, partition: usize) -> Option<&Log> {
        match partition.checked_sub(1) {
            None => Some(&self.first),
            Some(at) => self.more.get(at),
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, partition: usize) -> Option<&mut Log> {
        match partition.checked_sub(1) {
            None => Some(&mut self.first),
            Some(at) => self.more.get_mut(at),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Log> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

impl Index<usize> for Partitions {
    type Output = Log;

    #[inline]
    fn index(&self, partition: usize) -> &Log {
        match partition.checked_sub(1) {
            None => &self.first,
            Some(at) => &self.more[at],
        }
    }
}

impl IndexMut<usize> for Partitions {
    #[inline]
    fn index_mut(&mut self, partition: usize) -> &mut Log {
        match partition.checked_sub(1) {
            None => &mut self.first,
            Some(at) => &mut self.more[at],
        }
    }
}
