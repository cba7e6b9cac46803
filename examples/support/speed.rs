//! How fast a run was, and what it cost.

use std::time::{Duration, Instant};

/// A run whose time and processor time are taken.
pub(crate) struct Speed {
    started: Instant,
    used_before: Option<Duration>,
}

impl Speed {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), used_before: processor_time() }
    }

    /// One line about the run so far, which took in `n` of `things`.
    pub(crate) fn report(&self, things: &str, n: u64, workers: usize) -> String {
        let took = self.started.elapsed();
        let a_second = u128::from(n) * 1_000_000 / took.as_micros().max(1);
        let divisor = u32::try_from(n).unwrap_or(u32::MAX).max(1);
        let used =
            processor_time().zip(self.used_before).map(|(now, before)| now.saturating_sub(before));
        let each = used
            .map_or_else(|| "an unknown time".to_owned(), |used| format!("{:.1?}", used / divisor));
        format!(
            "{n} {things} in {took:.1?} by {workers} worker(s): {a_second} a second, {each} of processor time each"
        )
    }
}

/// What all threads of this process have used, in steps of 10 ms; only Linux tells it in a file.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name stands in brackets and may hold anything: what follows it is numbers.
    let numbers: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |at: usize| numbers.get(at)?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}
