//! How many records are due, by the dataflow's clock.
//!
//! Invariant: whatever the clock does, no more than a tenth of a second's records, and one, are due at once.

use std::time::Duration;

/// How fast records are made, over all partitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// So many in a second, fractions included: 0.5 is one every two seconds.
    PerSecond(f64),
    /// As fast as they are taken.
    Unlimited,
}

/// A thousand in a second: enough to see something, too little to fill a disk.
impl Default for Rate {
    fn default() -> Self {
        Self::PerSecond(1000.0)
    }
}

/// What is made up for after a stall, in microseconds of records: 100 ms.
const BURST_MICROS: f64 = 100_000.0;

/// The pace of one reader's share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Microseconds from one record to the next; 0: unlimited.
    interval: f64,
    /// When the next record is due, in microseconds of the dataflow's clock.
    next: f64,
}

impl Pace {
    /// The pace of `share` of all partitions; the first record is due `now`.
    pub(crate) fn new(rate: Rate, share: f64, now: u64) -> Self {
        let interval = match rate {
            Rate::PerSecond(n) => 1e6 / (n * share),
            Rate::Unlimited => 0.0,
        };
        Self { interval, next: micros(now) }
    }

    /// How many records are due, at most `most`.
    pub(crate) fn due(&mut self, now: u64, most: usize) -> usize {
        if self.interval == 0.0 {
            return most;
        }
        self.next = self.next.max(micros(now) - BURST_MICROS);
        let late = micros(now) - self.next;
        if late < 0.0 { 0 } else { whole(late / self.interval).saturating_add(1).min(most) }
    }

    /// Notes that so many records were made.
    pub(crate) fn made(&mut self, n_records: usize) {
        self.next += self.interval * micros(n_records as u64);
    }

    /// How long it is until the next record is due.
    pub(crate) fn wait(&self, now: u64) -> Duration {
        Duration::try_from_secs_f64((self.next - micros(now)).max(0.0) / 1e6)
            .unwrap_or(Duration::MAX)
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact for a hundred years of microseconds")]
fn micros(n: u64) -> f64 {
    n as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates; never below zero"
)]
fn whole(n: f64) -> usize {
    n as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records made in so many steps of the clock.
    fn made(pace: &mut Pace, steps: impl IntoIterator<Item = u64>) -> usize {
        let made = steps.into_iter().map(|now| {
            let due = pace.due(now, 1_000_000);
            pace.made(due);
            due
        });
        made.sum()
    }

    #[test]
    fn rate_is_kept_over_any_steps() {
        for step in [7, 1000, 90_000] {
            for (rate, expected) in [(1000.0, 10_000), (0.5, 5), (33_333.0, 333_330)] {
                let mut pace = Pace::new(Rate::PerSecond(rate), 1.0, 0);
                let n_made = made(&mut pace, (0..10_000_000).step_by(step));
                let slack = expected / 100 + 1;
                assert!(
                    n_made.abs_diff(expected) <= slack,
                    "{n_made} in steps of {step} at {rate}"
                );
            }
        }
    }

    #[test]
    fn stall_is_made_up_for_by_a_tenth_of_a_second() {
        let mut pace = Pace::new(Rate::PerSecond(1000.0), 1.0, 0);
        assert_eq!(made(&mut pace, [0]), 1, "the first is due at once");
        assert_eq!(made(&mut pace, [3_600_000_000]), 101);
        assert_eq!(made(&mut pace, [3_600_000_000]), 0);
        let mut slow = Pace::new(Rate::PerSecond(0.5), 1.0, 0);
        assert_eq!(made(&mut slow, [3_600_000_000]), 1);
    }

    #[test]
    fn wait_ends_when_a_record_is_due() {
        let mut pace = Pace::new(Rate::PerSecond(100.0), 0.5, 0);
        assert_eq!(made(&mut pace, [0]), 1);
        assert_eq!(pace.wait(5_000), Duration::from_millis(15));
        assert_eq!((pace.due(19_999, 9), pace.due(20_000, 9)), (0, 1));
        assert_eq!(pace.wait(30_000), Duration::ZERO);
    }

    #[test]
    fn no_limit_is_as_many_as_asked() {
        let mut pace = Pace::new(Rate::Unlimited, 0.25, 0);
        assert_eq!((pace.due(0, 7), pace.wait(0)), (7, Duration::ZERO));
    }
}
