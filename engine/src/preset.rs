//! Settings for a purpose, under one name: what programs choose instead of tuning the engine and its connectors one by one.
//!
//! Invariant: every preset sets the same fields, so that the last one given decides alone; the page in `docs/guide` lists them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Config;
use crate::error::{Error, ErrorKind, Result, codes};

/// The variable of the environment that names a preset.
const VARIABLE: &str = "MILLSTREAM_PRESET";

/// What settings are chosen for; the engine and the connectors know the same presets.
///
#[doc = include_str!("../../docs/guide/presets.md")]
///
/// # Examples
/// ```
/// use millstream_engine::{Config, Preset};
/// let preset: Preset = "low_latency".parse()?;
/// let config = Config { workers: 2, ..Config::preset(preset) };
/// assert!(config.validate().is_ok() && config.epoch < Config::default().epoch);
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The defaults: full speed on one core, a few milliseconds under way, memory in the tens of megabytes.
    #[default]
    Balanced,
    /// The least processor time per record: larger requests, fewer of them; records wait longer.
    HighThroughput,
    /// The shortest time under way: nothing waits for company; more requests and more processor time per record.
    LowLatency,
    /// The least memory: one worker, small queues and fetches on both sides; more round trips per record.
    ResourceConstrained,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Balanced, Self::HighThroughput, Self::LowLatency, Self::ResourceConstrained];

    /// Its name, as the environment and files have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::HighThroughput => "high_throughput",
            Self::LowLatency => "low_latency",
            Self::ResourceConstrained => "resource_constrained",
        }
    }

    /// The preset that the variable `MILLSTREAM_PRESET` names, [`Preset::Balanced`] where it is not set. For connectors:
    /// [`Config::from_env`] reads the variable by itself.
    ///
    /// # Errors
    /// *Config* when it names none.
    pub fn from_env() -> Result<Self> {
        std::env::var_os(VARIABLE)
            .map_or(Ok(Self::Balanced), |name| name.to_string_lossy().parse::<Self>())
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::Config, codes::BAD_ENVIRONMENT, "choose a preset: no such name")
                .with_hint(format!("There are {names}."))
        })
    }
}

impl Config {
    /// The settings for a purpose; see [`Preset`] for what each sets. A field that is set afterwards wins.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::{Config, Preset};
    /// let config = Config { workers: 4, ..Config::preset(Preset::ResourceConstrained) };
    /// assert_eq!((config.workers, config.in_flight_bytes), (4, 2 << 20));
    /// ```
    pub fn preset(preset: Preset) -> Self {
        let balanced = Self::default();
        match preset {
            Preset::Balanced => balanced,
            Preset::HighThroughput => Self {
                epoch: Duration::from_millis(50),
                in_flight_bytes: 8 << 20,
                spin: Duration::ZERO,
                commit_interval: Duration::from_secs(1),
                ..balanced
            },
            Preset::LowLatency => Self {
                epoch: Duration::from_millis(5),
                spin: Duration::from_micros(50),
                ..balanced
            },
            Preset::ResourceConstrained => Self {
                workers: 1,
                epoch: Duration::from_millis(20),
                in_flight_bytes: 2 << 20,
                queue_batches: 4,
                queue_bytes: 512 << 10,
                spin: Duration::ZERO,
                commit_interval: Duration::from_secs(1),
                ..balanced
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../docs/guide/presets.md");

    #[test]
    fn names_lead_back_to_presets() {
        for preset in Preset::ALL {
            assert_eq!(preset.to_string().parse::<Preset>().unwrap(), preset);
        }
        assert_eq!(
            "fast".parse::<Preset>().unwrap_err().report(),
            "E0202 failed to choose a preset: no such name\n\
             There are balanced, high_throughput, low_latency, resource_constrained."
        );
    }

    #[test]
    fn page_lists_what_each_preset_sets() {
        let row = |field: &str, cell: &dyn Fn(Config) -> String| {
            let cells = Preset::ALL.map(|preset| cell(Config::preset(preset)));
            let row = format!("| `{field}` | {} |", cells.join(" | "));
            assert!(PAGE.contains(&row), "the page should have: {row}");
        };
        let time = |time: Duration| humantime::format_duration(time).to_string();
        let size = |bytes: usize| bytesize::ByteSize(bytes as u64).to_string().replace(".0 ", " ");
        row("epoch", &|config| time(config.epoch));
        row("in_flight_bytes", &|config| size(config.in_flight_bytes));
        row("queue_batches", &|config| config.queue_batches.to_string());
        row("queue_bytes", &|config| size(config.queue_bytes));
        row("spin", &|config| time(config.spin));
        row("commit_interval", &|config| time(config.commit_interval));
        assert!(PAGE.contains("| `workers` | cores / 2 | cores / 2 | cores / 2 | 1 |"));
        assert_eq!(Config::preset(Preset::ResourceConstrained).workers, 1);
    }

    #[test]
    fn presets_are_valid_and_set_nothing_else() {
        let balanced = Config::default();
        assert_eq!(Config::preset(Preset::Balanced), balanced);
        for preset in Preset::ALL {
            let config = Config::preset(preset);
            assert!(config.validate().is_ok(), "{preset}");
            assert!(
                config.workers == balanced.workers || preset == Preset::ResourceConstrained,
                "{preset}"
            );
            let without = Config {
                workers: balanced.workers,
                epoch: balanced.epoch,
                in_flight_bytes: balanced.in_flight_bytes,
                queue_batches: balanced.queue_batches,
                queue_bytes: balanced.queue_bytes,
                spin: balanced.spin,
                commit_interval: balanced.commit_interval,
                ..config
            };
            assert_eq!(without, balanced, "{preset}");
        }
    }
}
