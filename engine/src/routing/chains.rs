//! The records of a batch, grouped by where they go.
//!
//! Used by writers that route: each place is then visited once per batch. Invariant: the records of a place keep their order.

/// Marks the end of a chain of records.
const END: u32 = u32::MAX;

/// The records of the batch at hand, each with the next one that goes to the same place; places are numbered from 0 on.
#[derive(Debug, Default)]
pub struct Chains {
    /// By the number of the record.
    next: Vec<u32>,
    /// By the number of the place.
    ends: Vec<Ends>,
    filled: Vec<u32>,
}

/// The first and the last record of those that go to one place.
#[derive(Clone, Copy, Debug)]
struct Ends {
    first: u32,
    last: u32,
}

impl Ends {
    const NONE: Self = Self { first: END, last: END };
}

impl Chains {
    /// Begins with a batch of so many records, which go to so many places at most.
    pub fn start(&mut self, n_records: usize, n_places: usize) {
        self.filled.clear();
        self.next.clear();
        self.next.resize(n_records, END);
        self.ends.clear();
        self.ends.resize(n_places, Ends::NONE);
    }

    /// Adds a record to those of a place; every record at most once.
    ///
    /// # Panics
    /// When either is beyond what the batch was begun with.
    #[inline]
    pub fn push(&mut self, place: u32, index: u32) {
        let ends = &mut self.ends[place as usize];
        if ends.first == END {
            ends.first = index;
            self.filled.push(place);
        } else {
            self.next[ends.last as usize] = index;
        }
        ends.last = index;
    }

    /// The places that got records, in the order of the first ones.
    pub fn filled(&self) -> &[u32] {
        &self.filled
    }

    /// The records of a place, in order.
    pub fn of(&self, place: u32) -> impl Iterator<Item = usize> + Clone {
        let first = self.ends.get(place as usize).map_or(END, |ends| ends.first);
        let following = |index: &u32| self.next.get(*index as usize).copied();
        std::iter::successors(Some(first), following)
            .take_while(|index| *index != END)
            .map(|index| index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_keep_the_order_of_each_place() {
        let mut chains = Chains::default();
        for n_records in [7, 4] {
            chains.start(n_records, 3);
            for index in 0..u32::try_from(n_records).expect("few") {
                chains.push(2 - index % 2, index);
            }
            assert_eq!(chains.filled(), [2, 1]);
            let even: Vec<_> = chains.of(2).collect();
            assert_eq!(even, if n_records == 7 { vec![0, 2, 4, 6] } else { vec![0, 2] });
            assert_eq!((chains.of(0).count(), chains.of(3).count()), (0, 0));
        }
    }
}
