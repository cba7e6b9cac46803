//! Distinct names of a batch, numbered in the order in which they came: ten thousand records to ten topics keep ten names.
//!
//! Invariant: a name that was offered and not accepted leaves no trace.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// Marks a free place of the table.
const FREE: u32 = u32::MAX;

/// Places of a new table; a power of two.
const FIRST_PLACES: usize = 64;

/// Bytes of names that a cleared table keeps room for.
const KEPT_BYTES: usize = 64 << 10;

/// Texts one after the other, and a table of open addresses that finds them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Names {
    text: String,
    ends: Vec<u32>,
    hashes: Vec<u32>,
    /// Numbers of names by their hash; a power of two of places, at most half of them taken.
    places: Vec<u32>,
    /// The name accepted last: neighbours often go to the same place.
    last: u32,
}

impl Names {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of memory in use.
    pub(super) fn n_bytes(&self) -> usize {
        self.text.len() + self.ends.len() * 8 + self.places.len() * 4
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&str> {
        let number = number as usize;
        let end = *self.ends.get(number)? as usize;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.text.get(start..end)
    }

    /// The hash of the name of this number, as [`hash_of_name`] has it.
    #[inline]
    pub(super) fn hash(&self, number: u32) -> Option<u32> {
        self.hashes.get(number as usize).copied()
    }

    /// Takes a name down; the one offered before and not accepted is forgotten.
    #[inline]
    pub(super) fn offer(&mut self, name: &str) {
        self.withdraw();
        self.text.push_str(name);
    }

    /// Forgets the name offered.
    #[inline]
    pub(super) fn withdraw(&mut self) {
        self.text.truncate(self.accepted_bytes());
    }

    /// The number of the name offered, which is a new one where the name is.
    #[inline]
    pub(super) fn accept(&mut self) -> u32 {
        let start = self.accepted_bytes();
        if self.get(self.last) == Some(&self.text[start..]) {
            self.text.truncate(start);
            return self.last;
        }
        self.last = self.intern(start);
        self.last
    }

    /// The number of a name.
    pub(super) fn add(&mut self, name: &str) -> u32 {
        self.offer(name);
        self.accept()
    }

    pub(super) fn clear(&mut self) {
        if self.ends.is_empty() {
            return;
        }
        self.text.clear();
        self.text.shrink_to(KEPT_BYTES);
        self.ends.clear();
        self.hashes.clear();
        self.places.fill(FREE);
        self.last = 0;
    }

    /// Becomes a copy of `other`, in the memory at hand.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.text.clone_from(&other.text);
        self.ends.clone_from(&other.ends);
        self.hashes.clone_from(&other.hashes);
        self.places.clone_from(&other.places);
        self.last = other.last;
    }

    /// The names, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..).map_while(|number| self.get(number))
    }

    fn accepted_bytes(&self) -> usize {
        self.ends.last().map_or(0, |end| *end as usize)
    }

    fn intern(&mut self, start: usize) -> u32 {
        if self.places.len() < 2 * (self.ends.len() + 1) {
            self.grow();
        }
        let hash = hash_of_name(&self.text[start..]);
        let mask = self.places.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let found = self.places[place];
            if found == FREE {
                break;
            }
            if self.hashes[found as usize] == hash && self.get(found) == Some(&self.text[start..]) {
                self.text.truncate(start);
                return found;
            }
            place = (place + 1) & mask;
        }
        let number = u32::try_from(self.ends.len()).unwrap_or(FREE);
        self.places[place] = number;
        self.hashes.push(hash);
        self.ends.push(u32::try_from(self.text.len()).expect("names of a batch are below 4 GiB"));
        number
    }

    #[cold]
    fn grow(&mut self) {
        let n_places = (self.places.len() * 2).max(FIRST_PLACES);
        self.places.clear();
        self.places.resize(n_places, FREE);
        for (number, hash) in (0..).zip(&self.hashes) {
            let mut place = *hash as usize & (n_places - 1);
            while self.places[place] != FREE {
                place = (place + 1) & (n_places - 1);
            }
            self.places[place] = number;
        }
    }
}

/// Different in every process, so that nobody can make up names that fall on one place. Numbers do not depend on it.
static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("names"));

/// A hash of a topic's name, the same for all batches of a process.
#[inline]
pub(crate) fn hash_of_name(name: &str) -> u32 {
    upper_half(hash_bytes(name.as_bytes()))
}

/// A hash of a topic's name: eight bytes at a time, each mixed in by one multiplication.
#[inline]
fn hash_bytes(bytes: &[u8]) -> u64 {
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let start = *SEED ^ bytes.len() as u64;
    words
        .iter()
        .chain([&last])
        .fold(start, |hash, word| fold(u128::from(hash ^ u64::from_le_bytes(*word)) * FACTOR))
}

/// The better mixed half.
fn upper_half(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Both halves of a product in one.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
fn fold(wide: u128) -> u64 {
    (wide >> 64) as u64 ^ wide as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbered_once() {
        let mut names = Names::default();
        let text = |n: usize| format!("orders.{n}");
        for round in 0..2 {
            for n in 0..5000 {
                assert_eq!(names.add(&text(n)) as usize, n, "round {round}");
            }
        }
        assert_eq!((names.len(), names.add("")), (5000, 5000));
        assert!((0..5000).all(|n| names.get(n).is_some_and(|name| name == text(n as usize))));
        assert_eq!(names.get(5000), Some(""));
        assert_eq!(names.get(5001), None);
        names.clear();
        assert_eq!((names.len(), names.add("again"), names.get(1)), (0, 0, None));
    }

    #[test]
    fn withdrawn_name_leaves_no_trace() {
        let mut names = Names::default();
        names.add("kept");
        names.offer("lost");
        names.offer("lost too");
        names.withdraw();
        assert_eq!((names.len(), names.add("next"), names.get(1)), (1, 1, Some("next")));
        assert_eq!(names.iter().collect::<Vec<_>>(), ["kept", "next"]);
    }

    #[test]
    fn hashes_spread_over_places() {
        let mut taken = [0_u32; 256];
        for n in 0..2560 {
            taken[hash_of_name(&format!("tenant-{n:05}")) as usize & 255] += 1;
        }
        assert!(taken.iter().all(|n| (1..40).contains(n)), "{taken:?}");
    }
}
