//! What a run has counted.

use millstream::metrics::Snapshot;

/// Records that a step has taken in.
pub(crate) fn records(counted: &Snapshot, step: &str) -> u64 {
    counted.step(step).map_or(0, |step| step.records)
}
