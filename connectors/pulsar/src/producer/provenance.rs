//! Where the records of a batch came from, so that one that comes back can say so: an origin per run, a position each.

use millstream_engine::batch::Origin;

/// Where the records of a batch came from.
#[derive(Debug, Default)]
pub(crate) struct Provenance {
    /// The index of the first record of a run, and the origin of all of them.
    runs: Vec<(usize, Option<Origin>)>,
    positions: Vec<u64>,
}

impl Provenance {
    /// Takes down where the next record came from.
    #[inline]
    pub(crate) fn push(&mut self, origin: Option<&Origin>, position: u64) {
        let is_same = match (self.runs.last(), origin) {
            (Some((_, Some(last))), Some(next)) => last.same(next),
            (Some((_, last)), next) => last.is_none() && next.is_none(),
            (None, _) => false,
        };
        if !is_same {
            self.runs.push((self.positions.len(), origin.cloned()));
        }
        self.positions.push(position);
    }

    /// Origin and position of a record.
    pub(crate) fn get(&self, index: usize) -> (Option<&Origin>, u64) {
        let after = self.runs.partition_point(|(first, _)| *first <= index);
        let run = after.checked_sub(1).and_then(|at| self.runs.get(at));
        let position = self.positions.get(index).copied().unwrap_or_default();
        (run.and_then(|(_, origin)| origin.as_ref()), position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_finds_its_own_origin() {
        let [a, b] = ["a", "b"].map(|topic| Origin::new("pulsar", topic, 1));
        let places =
            [(Some(&a), 5), (Some(&a), 7), (None, 0), (None, 0), (Some(&b), 1), (Some(&a), 9)];
        let mut provenance = Provenance::default();
        for (origin, position) in places {
            provenance.push(origin, position);
        }
        for (index, place) in places.into_iter().enumerate() {
            assert_eq!(provenance.get(index), place, "{index}");
        }
        assert_eq!(provenance.runs.len(), 4);
    }
}
