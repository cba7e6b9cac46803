//! What a run has counted.

use millstream::metrics::Snapshot;

/// Records that a step has taken in.
pub(crate) fn records(counted: &Snapshot, step: &str) -> u64 {
    counted.step(step).map_or(0, |step| step.records)
}

/// A line per step: in, errors, out. Fused steps count their errors alone: each takes in what the one before it gives, and the
/// first of them `n_read`. Sinks count for themselves.
pub(crate) fn table(counted: &Snapshot, n_read: u64, fused: &[&str], sinks: &[&str]) -> String {
    let mut lines = row(&["step", "in", "errors", "out"].map(str::to_owned));
    let mut n_given = n_read;
    for step in fused.iter().chain(sinks) {
        let n_in = if sinks.contains(step) { records(counted, step) } else { n_given };
        let n_errors = counted.step(step).map_or(0, |step| step.errors);
        n_given = n_in - n_errors;
        lines += &row(&[
            (*step).to_owned(),
            n_in.to_string(),
            n_errors.to_string(),
            n_given.to_string(),
        ]);
    }
    lines
}

fn row([step, n_in, n_errors, n_out]: &[String; 4]) -> String {
    format!("{step:<8}{n_in:>8}{n_errors:>8}{n_out:>8}\n")
}
