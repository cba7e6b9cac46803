//! How long to wait before a broker is tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Waits that double from the least to the most, each 25 % shorter to 50 % longer, so that clients do not come back all at once.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    least: Duration,
    most: Duration,
    next: Duration,
}

impl Default for Backoff {
    /// 100 ms to 30 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(30))
    }
}

impl Backoff {
    pub(crate) fn new(least: Duration, most: Duration) -> Self {
        Self { least, most: most.max(least), next: least }
    }

    /// How long to wait after one more failure; never longer than the most.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.most);
        let random = u32::try_from(RandomState::new().hash_one(()) % 76).unwrap_or_default();
        (wait / 100).saturating_mul(75 + random).min(self.most)
    }

    /// It went well: the next failure waits the least.
    pub(crate) fn reset(&mut self) {
        self.next = self.least;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most() {
        let mut backoff = Backoff::default();
        let nominals = (0..12).map(|n| (100_u128 << n).min(30_000));
        for nominal in nominals {
            let wait = backoff.next().as_millis();
            let expected = nominal * 3 / 4..=(nominal * 3 / 2).min(30_000);
            assert!(expected.contains(&wait), "{wait} is not in {expected:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(150));
    }
}
