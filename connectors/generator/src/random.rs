//! Random numbers that are the same for the same seed, on every machine and in every release.
//!
//! Invariant: each record has a generator of its own, so a record can be made again without those before it.

/// A stream of random numbers, for one record.
///
/// Good enough for test data, not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

/// The step of the sequence: 2⁶⁴ divided by the golden ratio, odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// The numbers of record `number` under `seed`.
    pub fn new(seed: u64, number: u64) -> Self {
        Self(mixed(seed.wrapping_add(STEP)) ^ mixed(number))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0)
    }

    /// A number from 0 up to, and without, `end`; 0 where that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.number()) * u128::from(end);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// One of the choices, of which there must be one.
    ///
    /// # Panics
    /// When there is no choice.
    pub fn choose<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let at = self.below(choices.len() as u64);
        &choices[usize::try_from(at).unwrap_or(0)]
    }
}

/// Mixes all bits of a number: the finisher of `SplitMix64`.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_their_end_and_reach_all_of_it() {
        let mut seen = [0; 10];
        for record in 0..10_000 {
            let at = Random::new(7, record).below(10);
            seen[usize::try_from(at).unwrap()] += 1;
        }
        assert!(seen.iter().all(|n| (800..1200).contains(n)), "{seen:?}");
        assert_eq!(Random::new(1, 1).below(0), 0);
    }

    #[test]
    fn seeds_and_records_differ() {
        let first = |seed, record| Random::new(seed, record).number();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(2, 2));
        assert_ne!(first(1, 2), first(1, 3));
        assert_ne!(first(1, 2), first(2, 1));
    }
}
