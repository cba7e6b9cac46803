//! The test kit: a source and a sink for tests, runs on several worker counts, a harness that steps without threads.
//!
//! Invariant: nothing here waits for time to pass; clocks are moved, conditions are met.

mod harness;
mod test_sink;
mod test_source;

pub use crate::clock::ManualClock;
pub use harness::Harness;
pub use test_sink::TestSink;
pub use test_source::{TestItem, TestSource};

use crate::config::Config;

/// Calls `test` once per worker count, with a config that differs in nothing else.
///
/// # Examples
/// ```
/// use millstream_engine::testing::run_on;
/// let mut seen = Vec::new();
/// run_on([1, 2, 4], |config| seen.push(config.workers));
/// assert_eq!(seen, [1, 2, 4]);
/// ```
pub fn run_on(workers: impl IntoIterator<Item = usize>, mut test: impl FnMut(Config)) {
    for n in workers {
        test(Config { workers: n, ..Config::default() });
    }
}
