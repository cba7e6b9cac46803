//! Where the items of a container came from, for programs that asked to keep it: eight bytes per item.
//!
//! Invariant: an entry names a row of the table, or nothing; it never names the row of another container.

use serde::{Deserialize, Serialize};

use crate::batch::Origin;

/// Bits of an entry that hold the low end of the position; the rest holds the row.
const POSITION_BITS: u32 = 48;

/// The entry of an item whose origin is not known; so a table has at most this many rows.
const UNKNOWN: u64 = 0xffff;

/// A table of origins, and an entry per item: which row, and the position.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct KeptOrigins {
    rows: Vec<Row>,
    entries: Vec<u64>,
    /// The row used last: neighbours mostly share one.
    last: usize,
}

/// An origin, with the high bits of positions: connectors may number records as they like, up to `u64::MAX`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    origin: Origin,
    high: u64,
}

impl KeptOrigins {
    /// Whether nothing is known of any item.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of the entries.
    pub(crate) fn weight(&self) -> usize {
        self.entries.len() * size_of::<u64>()
    }

    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.entries.clear();
        self.last = 0;
    }

    /// Notes where item `index` came from; items before it that were not noted stay unknown.
    #[inline]
    pub(crate) fn note(&mut self, index: usize, origin: &Origin, position: u64) {
        let high = position >> POSITION_BITS;
        let fits = self.rows.get(self.last).is_some_and(|row| row.is(origin, high));
        if !fits {
            self.last = self.find_row(origin, high);
        }
        self.entries.resize(index, UNKNOWN << POSITION_BITS);
        let low = position & ((1 << POSITION_BITS) - 1);
        self.entries.push((self.last as u64).min(UNKNOWN) << POSITION_BITS | low);
    }

    /// Where item `index` came from, with its position there.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<(&Origin, u64)> {
        let entry = *self.entries.get(index)?;
        let row = usize::try_from(entry >> POSITION_BITS).ok()?;
        let Row { origin, high } = self.rows.get(row)?;
        Some((origin, high << POSITION_BITS | entry & ((1 << POSITION_BITS) - 1)))
    }

    #[cold]
    fn find_row(&mut self, origin: &Origin, high: u64) -> usize {
        let found = self.rows.iter().position(|row| row.is(origin, high));
        found.unwrap_or_else(|| {
            if (self.rows.len() as u64) < UNKNOWN {
                self.rows.push(Row { origin: origin.clone(), high });
                return self.rows.len() - 1;
            }
            usize::MAX
        })
    }
}

impl Row {
    #[inline]
    fn is(&self, origin: &Origin, high: u64) -> bool {
        self.high == high && self.origin.same(origin)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(partition: u32) -> Origin {
        Origin::new("test", "t", partition)
    }

    #[test]
    fn items_not_noted_stay_unknown() {
        let mut kept = KeptOrigins::default();
        assert!(kept.is_empty());
        kept.note(2, &of(1), 7);
        assert_eq!((kept.get(0), kept.get(1), kept.get(3)), (None, None, None));
        assert_eq!(kept.get(2), Some((&of(1), 7)));
        kept.clear();
        assert!(kept.is_empty() && kept.get(2).is_none());
    }

    #[test]
    fn full_table_forgets_instead_of_lying() {
        let mut kept = KeptOrigins::default();
        let n_rows = u32::try_from(UNKNOWN).unwrap();
        kept.rows = (1..n_rows).map(|partition| Row { origin: of(partition), high: 0 }).collect();
        for (index, partition) in [n_rows, n_rows + 1, 7].into_iter().enumerate() {
            kept.note(index, &of(partition), 5);
        }
        assert_eq!(kept.get(0), Some((&of(n_rows), 5)), "the last row");
        assert_eq!((kept.get(1), kept.get(2)), (None, Some((&of(7), 5))));
    }

    proptest! {
        #[test]
        fn every_position_of_every_partition_is_kept(noted in proptest::collection::vec((0..4_u32, any::<u64>()), 0..50)) {
            let mut kept = KeptOrigins::default();
            for (index, (partition, position)) in noted.iter().enumerate() {
                kept.note(index, &of(*partition), *position);
            }
            for (index, (partition, position)) in noted.iter().enumerate() {
                prop_assert_eq!(kept.get(index), Some((&of(*partition), *position)));
            }
        }
    }
}
