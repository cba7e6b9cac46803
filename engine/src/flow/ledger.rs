//! What a source has in flight: bytes until sinks have taken them, batches until sinks have made them durable.
//!
//! Invariant: batches are released in the order in which they were read.

use std::collections::VecDeque;

/// The in-flight ledger of one source on one worker.
#[derive(Debug)]
pub(crate) struct Ledger {
    limit: usize,
    held: usize,
    unwritten: VecDeque<(u64, usize)>,
    undurable: VecDeque<Interval>,
}

/// What was read in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) epoch: u64,
    pub(crate) n_batches: u64,
    pub(crate) n_records: u64,
    pub(crate) oldest_ingest: u64,
}

impl Ledger {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, held: 0, unwritten: VecDeque::new(), undurable: VecDeque::new() }
    }

    /// Whether another batch may be read.
    pub(crate) fn has_room(&self) -> bool {
        self.held < self.limit
    }

    /// Whether `epoch` should close early, so that bytes come back sooner: half the ledger is in use, and this epoch has had a
    /// share of it that is worth a progress round.
    pub(crate) fn should_close(&self, epoch: u64) -> bool {
        let of_epoch =
            self.unwritten.back().filter(|last| last.0 == epoch).map_or(0, |last| last.1);
        self.held > self.limit / 2 && of_epoch >= self.limit / 16
    }

    /// Bytes in flight.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Whether nothing waits to become durable.
    pub(crate) fn is_settled(&self) -> bool {
        self.undurable.is_empty()
    }

    /// Charges one batch read in `epoch`.
    pub(crate) fn charge(&mut self, epoch: u64, bytes: usize, n_records: usize, ingest: u64) {
        self.held += bytes;
        match self.unwritten.back_mut() {
            Some(last) if last.0 == epoch => last.1 += bytes,
            _ => self.unwritten.push_back((epoch, bytes)),
        }
        match self.undurable.back_mut() {
            Some(last) if last.epoch == epoch => {
                last.n_batches += 1;
                last.n_records += n_records as u64;
            }
            _ => self.undurable.push_back(Interval {
                epoch,
                n_batches: 1,
                n_records: n_records as u64,
                oldest_ingest: ingest,
            }),
        }
    }

    /// Gives back the bytes of every epoch that `open` no longer holds; says whether there were any.
    pub(crate) fn release_written(&mut self, open: impl Fn(u64) -> bool) -> bool {
        let before = self.held;
        while let Some((epoch, bytes)) =
            self.unwritten.front().copied().filter(|front| !open(front.0))
        {
            tracing::trace!(epoch, bytes, "written");
            self.held -= bytes;
            self.unwritten.pop_front();
        }
        self.held < before
    }

    /// The next epoch that `open` no longer holds: it is durable.
    pub(crate) fn next_durable(&mut self, open: impl Fn(u64) -> bool) -> Option<Interval> {
        self.undurable.pop_front_if(|front| !open(front.epoch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_return_when_written_and_batches_when_durable() {
        let mut ledger = Ledger::new(100);
        ledger.charge(10, 30, 3, 1);
        ledger.charge(10, 30, 3, 2);
        ledger.charge(20, 50, 5, 3);
        assert!(!ledger.has_room() && ledger.should_close(20) && !ledger.should_close(30));
        assert!(ledger.release_written(|epoch| epoch >= 20));
        assert_eq!(ledger.held(), 50);
        assert!(ledger.next_durable(|_| true).is_none());
        let first = ledger.next_durable(|epoch| epoch >= 20);
        assert_eq!(
            first,
            Some(Interval { epoch: 10, n_batches: 2, n_records: 6, oldest_ingest: 1 })
        );
        assert!(!ledger.is_settled());
        assert!(ledger.next_durable(|_| false).is_some() && ledger.is_settled());
    }
}
