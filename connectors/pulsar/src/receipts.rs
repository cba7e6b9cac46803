//! What was handed out and is not durable yet: per batch, which parts of which entries.
//!
//! Invariant: the parts of an entry are handed out, and so become durable, in their order: what is durable of it is always its front.

use std::collections::VecDeque;

use crate::position::{EntryId, Position};

/// A part of an entry that one batch holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The partition, by its number within the reader.
    pub(crate) lane: usize,
    pub(crate) entry: EntryId,
    /// The first message behind the part.
    pub(crate) to: u32,
    /// Messages of the entry.
    pub(crate) n_messages: u32,
    /// Whether nothing of the entry comes behind it.
    pub(crate) is_last: bool,
}

impl Part {
    /// How far the partition is done when this part is.
    pub(crate) fn position(&self) -> Position {
        let index = if self.is_last { None } else { self.to.checked_sub(1) };
        Position { entry: self.entry, index }
    }
}

/// The batches handed out and not confirmed, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    parts: VecDeque<Part>,
    n_parts: VecDeque<usize>,
    open: usize,
}

impl Receipts {
    /// The batch that is being filled holds this part. An entry without a record goes with the batch that comes next.
    pub(crate) fn add(&mut self, part: Part) {
        self.parts.push_back(part);
        self.open += 1;
    }

    /// The batch is handed out.
    pub(crate) fn batch_ended(&mut self) {
        self.n_parts.push_back(std::mem::take(&mut self.open));
    }

    /// Takes the parts of the oldest batches, in order.
    pub(crate) fn confirm(&mut self, n_batches: u64) -> impl Iterator<Item = Part> {
        let n_batches = usize::try_from(n_batches).unwrap_or(usize::MAX).min(self.n_parts.len());
        let n_parts: usize = self.n_parts.drain(..n_batches).sum();
        self.parts.drain(..n_parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(entry: i64, to: u32, is_last: bool) -> Part {
        Part { lane: 0, entry: EntryId { ledger: 7, entry }, to, n_messages: 5, is_last }
    }

    #[test]
    fn parts_are_confirmed_with_their_batches() {
        let mut receipts = Receipts::default();
        receipts.add(part(0, 5, true));
        receipts.add(part(1, 3, false));
        receipts.batch_ended();
        receipts.add(part(1, 5, true));
        receipts.batch_ended();
        receipts.add(part(2, 1, false));
        let ends = |of: &mut Receipts, n| -> Vec<String> {
            of.confirm(n).map(|part| part.position().to_string()).collect()
        };
        assert_eq!(ends(&mut receipts, 1), ["7:0", "7:1:2"]);
        assert_eq!(ends(&mut receipts, 9), ["7:1"], "the batch being filled is not handed out");
        receipts.batch_ended();
        assert_eq!(ends(&mut receipts, 1), ["7:2:0"]);
    }

    #[test]
    fn entry_without_records_goes_with_the_next_batch() {
        let mut receipts = Receipts::default();
        receipts.add(part(0, 0, true));
        receipts.add(part(1, 5, true));
        receipts.batch_ended();
        assert_eq!(receipts.confirm(1).count(), 2);
    }
}
