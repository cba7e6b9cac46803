//! Counters per step and worker, latency, and who holds the frontier; one add per batch, read as a snapshot.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// The value of a held epoch that means: holds nothing.
const HOLDS_NOTHING: u64 = u64::MAX;

/// The value of a lag that means: nobody knows.
const UNKNOWN: u64 = u64::MAX;

/// The counters of one step on one worker.
#[derive(Debug)]
pub(crate) struct StepCounters {
    name: String,
    kind: &'static str,
    worker: usize,
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) errors: AtomicU64,
    busy_nanos: AtomicU64,
    held_epoch: AtomicU64,
    in_flight_bytes: AtomicU64,
    lag: AtomicU64,
}

impl StepCounters {
    /// Adds what one batch brought.
    pub(crate) fn add(&self, records: usize, bytes: usize, busy: Duration) {
        self.records.fetch_add(records as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.busy_nanos
            .fetch_add(u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Says which epoch the step keeps from closing.
    pub(crate) fn holds(&self, epoch: Option<u64>) {
        self.held_epoch.store(epoch.unwrap_or(HOLDS_NOTHING), Ordering::Relaxed);
    }

    /// Says how many bytes the step has in flight or queued.
    pub(crate) fn in_flight(&self, bytes: usize) {
        self.in_flight_bytes.store(bytes as u64, Ordering::Relaxed);
    }

    fn snapshot(&self) -> StepSnapshot {
        let held = self.held_epoch.load(Ordering::Relaxed);
        let lag = self.lag.load(Ordering::Relaxed);
        StepSnapshot {
            name: self.name.clone(),
            kind: self.kind,
            worker: self.worker,
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            busy: Duration::from_nanos(self.busy_nanos.load(Ordering::Relaxed)),
            held_epoch: (held != HOLDS_NOTHING).then_some(held),
            in_flight_bytes: self.in_flight_bytes.load(Ordering::Relaxed),
            lag: (lag != UNKNOWN).then_some(lag),
        }
    }
}

/// Latency from ingest to durable: powers of two of a microsecond, four steps each.
#[derive(Debug)]
struct Latency {
    buckets: Vec<AtomicU64>,
    max_micros: AtomicU64,
}

const STEPS: u64 = 4;

impl Default for Latency {
    fn default() -> Self {
        Self {
            buckets: (0..64 * STEPS).map(|_| AtomicU64::new(0)).collect(),
            max_micros: AtomicU64::new(0),
        }
    }
}

impl Latency {
    fn record(&self, micros: u64, n_records: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(micros)) {
            bucket.fetch_add(n_records, Ordering::Relaxed);
        }
        self.max_micros.fetch_max(micros, Ordering::Relaxed);
    }

    fn snapshot(&self) -> LatencySnapshot {
        let counts: Vec<u64> = self.buckets.iter().map(|b| b.load(Ordering::Relaxed)).collect();
        let n_records: u64 = counts.iter().sum();
        let at = |share: u64| {
            let mut left = (n_records * share).div_ceil(1000);
            let found = counts.iter().position(|n| {
                left = left.saturating_sub(*n);
                left == 0
            });
            Duration::from_micros(found.map_or(0, upper_micros))
        };
        let max = Duration::from_micros(self.max_micros.load(Ordering::Relaxed));
        LatencySnapshot { n_records, p50: at(500).min(max), p99: at(990).min(max), max }
    }
}

fn bucket_of(micros: u64) -> usize {
    let micros = micros.max(1);
    let power = u64::from(micros.ilog2());
    let within = (micros - (1 << power)) * STEPS / (1 << power);
    usize::try_from(power * STEPS + within).unwrap_or(usize::MAX)
}

fn upper_micros(bucket: usize) -> u64 {
    let (power, within) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    let width = 1u64 << power;
    width.saturating_add(width.saturating_mul(within + 1) / STEPS)
}

/// All counters of one execution.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    steps: Mutex<Vec<Arc<StepCounters>>>,
    latency: Latency,
}

impl Metrics {
    pub(crate) fn step(&self, name: &str, kind: &'static str, worker: usize) -> Arc<StepCounters> {
        let counters = Arc::new(StepCounters {
            name: name.to_owned(),
            kind,
            worker,
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            busy_nanos: AtomicU64::new(0),
            held_epoch: AtomicU64::new(HOLDS_NOTHING),
            in_flight_bytes: AtomicU64::new(0),
            lag: AtomicU64::new(UNKNOWN),
        });
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counters));
        counters
    }

    /// Says what the reader of a source on one worker knows of its lag.
    pub(crate) fn set_lag(&self, source: &str, worker: usize, lag: Option<u64>) {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(step) = steps.iter().find(|step| step.worker == worker && step.name == source) {
            step.lag.store(lag.unwrap_or(UNKNOWN), Ordering::Relaxed);
        }
    }

    pub(crate) fn durable(&self, micros: u64, n_records: u64) {
        self.latency.record(micros, n_records);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            steps: steps.iter().map(|s| s.snapshot()).collect(),
            latency: self.latency.snapshot(),
        }
    }
}

/// What a dataflow has counted so far.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    /// One entry per step and worker.
    pub steps: Vec<StepSnapshot>,
    /// From ingest to durable at every sink.
    pub latency: LatencySnapshot,
}

impl Snapshot {
    /// The counters of the step `name`, summed over workers; `None` when there is no such step.
    pub fn step(&self, name: &str) -> Option<StepSnapshot> {
        let mut found = self.steps.iter().filter(|step| step.name == name);
        let mut sum = found.next()?.clone();
        for step in found {
            sum.records += step.records;
            sum.bytes += step.bytes;
            sum.errors += step.errors;
            sum.busy += step.busy;
            sum.in_flight_bytes += step.in_flight_bytes;
            sum.lag = sum.lag.zip(step.lag).map(|(one, other)| one + other);
            sum.held_epoch = [sum.held_epoch, step.held_epoch].into_iter().flatten().min();
        }
        Some(sum)
    }

    /// Who holds the frontier: the steps that keep the oldest open epoch from closing.
    pub fn frontier_holders(&self) -> Vec<&StepSnapshot> {
        let oldest = self.steps.iter().filter_map(|step| step.held_epoch).min();
        self.steps
            .iter()
            .filter(|step| step.held_epoch.is_some() && step.held_epoch == oldest)
            .collect()
    }
}

/// The counters of one step on one worker.
#[derive(Clone, Debug, Serialize)]
pub struct StepSnapshot {
    /// The step's name.
    pub name: String,
    /// `source`, `sink`, or the operator's name.
    pub kind: &'static str,
    /// The worker.
    pub worker: usize,
    /// Records or items taken in.
    pub records: u64,
    /// Bytes taken in, where the step sees records.
    pub bytes: u64,
    /// Items that failed in this step.
    pub errors: u64,
    /// Time spent working.
    pub busy: Duration,
    /// The epoch that this step keeps from closing, if any.
    pub held_epoch: Option<u64>,
    /// Bytes in flight (source) or queued (sink).
    pub in_flight_bytes: u64,
    /// Source: records that the other side has and that were not read yet, looked at every `commit_interval`; `None` where the
    /// connector does not know, and in other steps.
    pub lag: Option<u64>,
}

/// Latency from ingest to durable, upper bounds within 25 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LatencySnapshot {
    /// Records that became durable.
    pub n_records: u64,
    /// Half of the records took no longer.
    pub p50: Duration,
    /// 99 in 100 took no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_upper_bounds_within_a_quarter() {
        let metrics = Metrics::default();
        for micros in 1..=1000 {
            metrics.durable(micros, 1);
        }
        let latency = metrics.snapshot().latency;
        assert_eq!(latency.n_records, 1000);
        assert!((500..=625).contains(&latency.p50.as_micros()), "{latency:?}");
        assert!((990..=1000).contains(&latency.p99.as_micros()), "{latency:?}");
        assert_eq!(latency.max.as_micros(), 1000);
    }

    #[test]
    fn lag_of_a_step_needs_that_of_every_worker() {
        let metrics = Metrics::default();
        metrics.step("in", "source", 0);
        metrics.step("in", "source", 1);
        let lag = || metrics.snapshot().step("in").and_then(|step| step.lag);
        metrics.set_lag("in", 0, Some(3));
        assert_eq!(lag(), None);
        metrics.set_lag("in", 1, Some(4));
        assert_eq!(lag(), Some(7));
        metrics.set_lag("in", 0, None);
        assert_eq!(lag(), None);
    }

    #[test]
    fn holder_of_the_oldest_epoch_is_named() {
        let metrics = Metrics::default();
        metrics.step("a", "source", 0).holds(Some(20));
        metrics.step("b", "sink", 0).holds(Some(10));
        metrics.step("c", "sink", 1).holds(None);
        let snapshot = metrics.snapshot();
        let names: Vec<_> = snapshot.frontier_holders().iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["b"]);
    }
}
