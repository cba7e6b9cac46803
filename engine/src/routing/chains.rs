//! The records of a batch, grouped by where they go: buckets without memory of their own, however many there are.
//!
//! Invariant: the records of a bucket keep their order.

/// Marks the end of a chain of records.
const END: u32 = u32::MAX;

/// The first and the last record of those that go to one place; [`Chains`] has those between.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    first: u32,
    last: u32,
}

impl Bucket {
    /// No records.
    pub const EMPTY: Self = Self { first: END, last: END };

    /// Whether there are none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.first == END
    }
}

/// The records of the batch at hand, each with the next one that goes to the same place, which `P` names.
#[derive(Debug)]
pub struct Chains<P> {
    next: Vec<u32>,
    filled: Vec<P>,
}

impl<P> Default for Chains<P> {
    fn default() -> Self {
        Self { next: Vec::new(), filled: Vec::new() }
    }
}

impl<P: Copy> Chains<P> {
    /// Begins with a batch of so many records.
    pub fn start(&mut self, n_records: usize) {
        self.filled.clear();
        self.next.clear();
        self.next.resize(n_records, END);
    }

    /// Adds a record to the bucket of a place; every record at most once.
    #[inline]
    pub fn push(&mut self, bucket: &mut Bucket, place: P, index: u32) {
        if bucket.is_empty() {
            bucket.first = index;
            self.filled.push(place);
        } else {
            self.next[bucket.last as usize] = index;
        }
        bucket.last = index;
    }

    /// Takes the places whose buckets got records, in the order of the first ones; the memory comes back by `give_back`.
    pub fn take_filled(&mut self) -> Vec<P> {
        std::mem::take(&mut self.filled)
    }

    /// Takes the memory of [`take_filled`](Self::take_filled) back.
    pub fn give_back(&mut self, mut filled: Vec<P>) {
        filled.clear();
        self.filled = filled;
    }

    /// The records of a bucket, in order.
    pub fn of(&self, bucket: Bucket) -> impl Iterator<Item = u32> + Clone {
        let following = |index: &u32| self.next.get(*index as usize).copied();
        std::iter::successors(Some(bucket.first), following).take_while(|index| *index != END)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_keep_the_order_of_each_bucket() {
        let mut chains = Chains::default();
        let mut buckets = [Bucket::EMPTY; 3];
        for n_records in [7, 4] {
            chains.start(n_records);
            for index in 0..u32::try_from(n_records).expect("few") {
                let at = index % 2;
                chains.push(&mut buckets[at as usize], (0, at), index);
            }
            assert_eq!(chains.take_filled(), [(0, 0), (0, 1)]);
            let even: Vec<_> = chains.of(buckets[0]).collect();
            assert_eq!(even, if n_records == 7 { vec![0, 2, 4, 6] } else { vec![0, 2] });
            assert_eq!(chains.of(buckets[2]).count(), 0);
            buckets = [Bucket::EMPTY; 3];
        }
    }
}
