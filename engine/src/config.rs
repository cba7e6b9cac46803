//! How a dataflow runs: the engine's settings, from code and environment.
//!
//! Invariant: every default is written once, in `Default`; all faults are reported at once.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;

use crate::Preset;
use crate::error::{Error, ErrorKind, Result, codes};

/// The engine's settings. Connectors have their own.
///
/// # Examples
/// ```
/// use millstream_engine::config::Config;
/// let config = Config { workers: 2, ..Config::default() };
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Worker threads; default `max(1, cores / 2)`, because clients and broker need the rest. More pays from about 1 µs of
    /// user code per record. Variable `MILLSTREAM_WORKERS`.
    pub workers: usize,
    /// How long an epoch lasts, 1–100 ms; default 10 ms. Shorter confirms sooner and costs a progress round each; longer makes
    /// a crash repeat more. Variable `MILLSTREAM_EPOCH`.
    pub epoch: Duration,
    /// Bytes per source and worker that sinks have not taken yet; default 32 MiB. Too low starves the sinks' batches; too high
    /// is memory under a stalled sink. Variable `MILLSTREAM_IN_FLIGHT_BYTES`.
    pub in_flight_bytes: usize,
    /// Bytes at which a reader's batch is full; default 128 KiB. Variable `MILLSTREAM_BATCH_BYTES`.
    pub batch_bytes: usize,
    /// Records at which a reader's batch is full; default 8192. Variable `MILLSTREAM_BATCH_RECORDS`.
    pub batch_records: usize,
    /// Batches between a reader's thread and its worker; default 16. Variable `MILLSTREAM_QUEUE_BATCHES`.
    pub queue_batches: usize,
    /// Bytes between a reader's thread and its worker; default 8 MiB; one larger batch may pass. Variable
    /// `MILLSTREAM_QUEUE_BYTES`.
    pub queue_bytes: usize,
    /// How long a worker spins after useful work before it sleeps; default 20 µs. Longer costs CPU, shorter costs wake-ups.
    /// Variable `MILLSTREAM_SPIN`.
    pub spin: Duration,
    /// How long a graceful stop may take; default 30 s. What is not confirmed by then is repeated by the next run. Variable
    /// `MILLSTREAM_STOP_DEADLINE`.
    pub stop_deadline: Duration,
    /// How often confirmed positions are stored and committed; default 500 ms, at most 1 s. A crash repeats up to this much.
    /// Variable `MILLSTREAM_COMMIT_INTERVAL`.
    pub commit_interval: Duration,
    /// How long opening a source or sink may take; default 20 s. Variable `MILLSTREAM_OPEN_TIMEOUT`.
    pub open_timeout: Duration,
    /// How often sources look for new partitions; default 10 s. Variable `MILLSTREAM_FIND_INTERVAL`.
    pub find_interval: Duration,
    /// The folder that keeps confirmed positions; none by default: then the brokers' own committed positions count. Variable
    /// `MILLSTREAM_STATE_DIR`.
    pub state_dir: Option<PathBuf>,
    /// Restarts within the process after errors of kind *unavailable* and *panic*; off by default. Variables
    /// `MILLSTREAM_RESTART_ATTEMPTS`, `MILLSTREAM_RESTART_BACKOFF`.
    pub restart: Option<Restart>,
}

/// Restarts within the process. It needs sources that can be read again; others are refused when the graph is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// Restarts in a row; a run that made progress starts the count anew.
    pub attempts: u32,
    /// The wait before the first restart; it doubles with each further one, up to a minute.
    pub backoff: Duration,
}

impl Default for Restart {
    fn default() -> Self {
        Self { attempts: 5, backoff: Duration::from_millis(500) }
    }
}

impl Default for Config {
    /// [`Preset::Balanced`].
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            workers: (cores / 2).max(1),
            epoch: Duration::from_millis(10),
            in_flight_bytes: 32 << 20,
            batch_bytes: crate::batch::BATCH_BYTES,
            batch_records: 8192,
            queue_batches: 16,
            queue_bytes: 8 << 20,
            spin: Duration::from_micros(20),
            stop_deadline: Duration::from_secs(30),
            commit_interval: Duration::from_millis(500),
            open_timeout: Duration::from_secs(20),
            find_interval: Duration::from_secs(10),
            state_dir: None,
            restart: None,
        }
    }
}

impl Config {
    /// The defaults, with what the environment sets: `MILLSTREAM_WORKERS=4`, `MILLSTREAM_EPOCH=20ms`,
    /// `MILLSTREAM_IN_FLIGHT_BYTES=64MiB`. `MILLSTREAM_PRESET=low_latency` puts a preset in place of the defaults; the other
    /// variables win over it, whatever their order.
    ///
    /// # Errors
    /// *Config*, naming every wrong variable at once. Values are not shown.
    pub fn from_env() -> Result<Self> {
        Self::from_vars(std::env::vars())
    }

    /// The same from any list of variables; those without the prefix `MILLSTREAM_` are passed over.
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let ours = |(name, value): (String, String)| {
            Some((name.strip_prefix("MILLSTREAM_")?.to_owned(), value))
        };
        let (presets, others): (Vec<_>, Vec<_>) =
            vars.into_iter().filter_map(ours).partition(|(key, _)| key == PRESET);
        let mut config = Self::default();
        let mut faults = Vec::new();
        for (key, value) in presets.iter().chain(&others) {
            if let Err(fault) = config.set(key, value) {
                faults.push(format!("MILLSTREAM_{key} {fault}"));
            }
        }
        faults.extend(config.faults());
        one_error(&faults, codes::BAD_ENVIRONMENT).map(|()| config)
    }

    /// Checks all settings.
    ///
    /// # Errors
    /// *Config*, naming every fault at once.
    pub fn validate(&self) -> Result<()> {
        one_error(&self.faults(), codes::BAD_CONFIG)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            PRESET => *self = Self::preset(preset(value)?),
            "WORKERS" => self.workers = number(value)?,
            "EPOCH" => self.epoch = duration(value)?,
            "IN_FLIGHT_BYTES" => self.in_flight_bytes = bytes(value)?,
            "BATCH_BYTES" => self.batch_bytes = bytes(value)?,
            "BATCH_RECORDS" => self.batch_records = number(value)?,
            "QUEUE_BATCHES" => self.queue_batches = number(value)?,
            "QUEUE_BYTES" => self.queue_bytes = bytes(value)?,
            "SPIN" => self.spin = duration(value)?,
            "STOP_DEADLINE" => self.stop_deadline = duration(value)?,
            "COMMIT_INTERVAL" => self.commit_interval = duration(value)?,
            "OPEN_TIMEOUT" => self.open_timeout = duration(value)?,
            "FIND_INTERVAL" => self.find_interval = duration(value)?,
            "STATE_DIR" => self.state_dir = Some(PathBuf::from(value)),
            "RESTART_ATTEMPTS" => self.restart.get_or_insert_default().attempts = number(value)?,
            "RESTART_BACKOFF" => self.restart.get_or_insert_default().backoff = duration(value)?,
            _ => return unknown(key),
        }
        Ok(())
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |holds: bool, fault: &str| {
            if !holds {
                faults.push(fault.to_owned());
            }
        };
        check((1..=1024).contains(&self.workers), "workers must be 1 to 1024");
        check((1..=100).contains(&self.epoch.as_millis()), "epoch must be 1 ms to 100 ms");
        check(
            self.batch_bytes >= 1 << 10 && self.batch_bytes <= 64 << 20,
            "batch_bytes must be 1 KiB to 64 MiB",
        );
        check((1..=1 << 20).contains(&self.batch_records), "batch_records must be 1 to 1,048,576");
        check(self.queue_batches >= 1, "queue_batches must be at least 1");
        check(self.queue_bytes >= self.batch_bytes, "queue_bytes must be at least batch_bytes");
        check(
            self.in_flight_bytes >= 2 * self.batch_bytes,
            "in_flight_bytes must be at least twice batch_bytes",
        );
        check(self.spin <= Duration::from_millis(10), "spin must be at most 10 ms");
        check(
            self.stop_deadline >= Duration::from_millis(100),
            "stop_deadline must be at least 100 ms",
        );
        check(
            (1..=1000).contains(&self.commit_interval.as_millis()),
            "commit_interval must be 1 ms to 1 s",
        );
        check(
            self.open_timeout >= Duration::from_millis(100),
            "open_timeout must be at least 100 ms",
        );
        check(
            self.find_interval >= Duration::from_millis(100),
            "find_interval must be at least 100 ms",
        );
        faults
    }
}

/// Known variables of the project that are not the engine's.
const OTHERS: [&str; 4] = ["TEST", "BENCH", "BROKERS", "CHAOS"];

/// The variable that goes before all others.
const PRESET: &str = "PRESET";

const KEYS: [&str; 16] = [
    PRESET,
    "WORKERS",
    "EPOCH",
    "IN_FLIGHT_BYTES",
    "BATCH_BYTES",
    "BATCH_RECORDS",
    "QUEUE_BATCHES",
    "QUEUE_BYTES",
    "SPIN",
    "STOP_DEADLINE",
    "COMMIT_INTERVAL",
    "OPEN_TIMEOUT",
    "FIND_INTERVAL",
    "STATE_DIR",
    "RESTART_ATTEMPTS",
    "RESTART_BACKOFF",
];

fn unknown(key: &str) -> Result<(), String> {
    if OTHERS.iter().any(|other| key.starts_with(other)) {
        return Ok(());
    }
    let near = KEYS
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, key).total_cmp(&strsim::jaro_winkler(b, key)));
    Err(format!("is not a setting; did you mean MILLSTREAM_{}?", near.unwrap_or(&"WORKERS")))
}

fn one_error(faults: &[String], code: crate::error::Code) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Config, code, "use the engine's settings")
        .with_source(faults.join("; ")))
}

fn preset(value: &str) -> Result<Preset, String> {
    value.parse().map_err(|_ignored| {
        format!("is not a preset; there are {}", Preset::ALL.map(Preset::name).join(", "))
    })
}

fn number<N: std::str::FromStr>(value: &str) -> Result<N, String> {
    value.parse().map_err(|_ignored| "is not a whole number".to_owned())
}

fn duration(value: &str) -> Result<Duration, String> {
    humantime::parse_duration(value)
        .map_err(|_ignored| "is not a duration such as 10ms or 30s".to_owned())
}

fn bytes(value: &str) -> Result<usize, String> {
    let size: ByteSize =
        value.parse().map_err(|_ignored: String| "is not a size such as 32MiB".to_owned())?;
    usize::try_from(size.as_u64()).map_err(|_ignored| "does not fit this machine".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(vars: &[(&str, &str)]) -> Result<Config> {
        Config::from_vars(vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn environment_sets_every_key() {
        let config = from(&[
            ("MILLSTREAM_WORKERS", "3"),
            ("MILLSTREAM_EPOCH", "20ms"),
            ("MILLSTREAM_IN_FLIGHT_BYTES", "64MiB"),
            ("MILLSTREAM_STATE_DIR", "/tmp/x"),
            ("MILLSTREAM_RESTART_ATTEMPTS", "2"),
            ("MILLSTREAM_TEST_KAFKA", "127.0.0.1:9"),
            ("PATH", "/bin"),
        ])
        .unwrap();
        assert_eq!((config.workers, config.epoch), (3, Duration::from_millis(20)));
        assert_eq!(config.in_flight_bytes, 64 << 20);
        assert_eq!(config.restart.map(|r| r.attempts), Some(2));
        for key in KEYS {
            assert!(
                ["5", "5s", "balanced"]
                    .iter()
                    .any(|value| Config::default().set(key, value).is_ok()),
                "{key}"
            );
        }
    }

    #[test]
    fn variables_win_over_the_preset() {
        let config = from(&[
            ("MILLSTREAM_EPOCH", "7ms"),
            ("MILLSTREAM_PRESET", "resource_constrained"),
            ("MILLSTREAM_WORKERS", "3"),
        ]);
        let wanted = Config {
            workers: 3,
            epoch: Duration::from_millis(7),
            ..Config::preset(Preset::ResourceConstrained)
        };
        assert_eq!(config.unwrap(), wanted);
        let report = from(&[("MILLSTREAM_PRESET", "fast")]).unwrap_err().report();
        assert!(
            report.contains("MILLSTREAM_PRESET is not a preset; there are balanced"),
            "{report}"
        );
    }

    #[test]
    fn all_faults_are_reported_at_once_without_values() {
        let error = from(&[
            ("MILLSTREAM_WORKERS", "secret"),
            ("MILLSTREAM_EPOCH", "5s"),
            ("MILLSTREAM_WORKER", "1"),
        ])
        .unwrap_err();
        let report = error.report();
        assert!(report.contains("MILLSTREAM_WORKERS is not a whole number"), "{report}");
        assert!(report.contains("did you mean MILLSTREAM_WORKERS?"), "{report}");
        assert!(report.contains("epoch must be 1 ms to 100 ms"), "{report}");
        assert!(!report.contains("secret"), "{report}");
    }
}
