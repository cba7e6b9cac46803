//! What was handed out and is not durable yet: per batch, how far it goes in each partition.

use std::collections::VecDeque;

/// The end of one run of a batch: a partition of the reader, by its index there, and the position after the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunEnd {
    pub(crate) lane: usize,
    pub(crate) next: u64,
}

/// The batches handed out and not confirmed, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    ends: VecDeque<RunEnd>,
    n_ends: VecDeque<usize>,
    open: usize,
}

impl Receipts {
    /// A run of the batch that is being filled has ended.
    #[inline]
    pub(crate) fn run_ended(&mut self, end: RunEnd) {
        self.ends.push_back(end);
        self.open += 1;
    }

    /// The batch is handed out.
    pub(crate) fn batch_ended(&mut self) {
        self.n_ends.push_back(std::mem::take(&mut self.open));
    }

    /// Takes the oldest batches, and tells of the end of each of their runs, in order.
    pub(crate) fn confirm(&mut self, n_batches: u64, mut each: impl FnMut(RunEnd)) {
        for _ in 0..n_batches {
            let Some(n_ends) = self.n_ends.pop_front() else {
                return;
            };
            self.ends.drain(..n_ends).for_each(&mut each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirmed_batches_come_in_order() {
        let mut receipts = Receipts::default();
        for (batch, runs) in [(0_u64, 2_usize), (1, 1), (2, 3)] {
            (0..runs).for_each(|lane| {
                receipts.run_ended(RunEnd { lane, next: batch * 10 });
            });
            receipts.batch_ended();
        }
        receipts.run_ended(RunEnd { lane: 9, next: 99 });
        let mut seen = Vec::new();
        receipts.confirm(2, |end| seen.push((end.lane, end.next)));
        assert_eq!(seen, [(0, 0), (1, 0), (0, 10)]);
        seen.clear();
        receipts.confirm(7, |end| seen.push((end.lane, end.next)));
        assert_eq!(seen, [(0, 20), (1, 20), (2, 20)]);
    }
}
