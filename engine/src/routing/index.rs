//! Where names are, by their hash: small enough that thousands of names leave room in the cache.
//!
//! Used by the table of topics. Whether a name is the right one is for its owner to say. Invariant: at most half of the slots are
//! taken, and from the slot that a hash says there is no free one before its own.

/// Marks a free slot.
const FREE: u32 = u32::MAX;

/// Slots of a new index; a power of two.
const FIRST_SLOTS: usize = 16;

/// Slots of open addresses.
#[derive(Default)]
pub(super) struct Index {
    slots: Vec<Slot>,
    n_taken: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    at: u32,
}

impl Slot {
    const FREE: Self = Self { hash: 0, at: FREE };
}

impl Index {
    /// The first place of this hash that `is_right`.
    #[inline]
    pub(super) fn find(&self, hash: u32, is_right: impl Fn(u32) -> bool) -> Option<u32> {
        let mut number = self.home(hash);
        let mut slot = self.slots.get(number)?;
        while slot.at != FREE {
            if slot.hash == hash && is_right(slot.at) {
                return Some(slot.at);
            }
            number = self.after(number);
            slot = &self.slots[number];
        }
        None
    }

    /// Takes down where a name of this hash is.
    pub(super) fn insert(&mut self, hash: u32, at: u32) {
        self.n_taken += 1;
        if self.slots.len() < 2 * self.n_taken {
            self.grow();
        }
        self.put(Slot { hash, at });
    }

    /// Forgets the name of this hash and place.
    pub(super) fn remove(&mut self, hash: u32, at: u32) {
        let mut hole = self.home(hash);
        while (self.slots[hole].hash, self.slots[hole].at) != (hash, at) {
            if self.slots[hole].at == FREE {
                return;
            }
            hole = self.after(hole);
        }
        self.n_taken -= 1;
        // Those that follow move up, unless their hash says a slot behind the hole.
        let mut next = self.after(hole);
        while self.slots[next].at != FREE {
            let distance = |from: usize| next.wrapping_sub(from) & (self.slots.len() - 1);
            if distance(self.home(self.slots[next].hash)) >= distance(hole) {
                self.slots[hole] = self.slots[next];
                hole = next;
            }
            next = self.after(next);
        }
        self.slots[hole] = Slot::FREE;
    }

    /// Forgets all names.
    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.n_taken = 0;
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        hash as usize & self.slots.len().wrapping_sub(1)
    }

    #[inline]
    fn after(&self, number: usize) -> usize {
        (number + 1) & (self.slots.len() - 1)
    }

    fn put(&mut self, slot: Slot) {
        let mut number = self.home(slot.hash);
        while self.slots[number].at != FREE {
            number = self.after(number);
        }
        self.slots[number] = slot;
    }

    #[cold]
    fn grow(&mut self) {
        let n_slots = (self.slots.len() * 2).max(FIRST_SLOTS);
        let before = std::mem::replace(&mut self.slots, vec![Slot::FREE; n_slots]);
        before.into_iter().filter(|slot| slot.at != FREE).for_each(|slot| self.put(slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes that crowd together, some of them around the end of the slots.
    fn hash(at: u32) -> u32 {
        (at * 7 % 5).wrapping_sub(3)
    }

    #[test]
    fn names_are_found_until_they_are_removed() {
        let mut index = Index::default();
        assert_eq!(index.find(hash(0), |_| true), None);
        for n_names in [1, 8, 40] {
            (0..n_names).for_each(|at| index.insert(hash(at), at));
            for removed in 0..n_names {
                index.remove(hash(removed), removed);
                index.remove(hash(removed), removed);
                for at in 0..n_names {
                    let found = index.find(hash(at), |other| other == at);
                    assert_eq!(
                        found,
                        (at > removed).then_some(at),
                        "{removed} of {n_names} removed"
                    );
                }
            }
            assert_eq!(index.n_taken, 0);
        }
    }
}
