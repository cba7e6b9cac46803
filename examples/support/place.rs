//! Where the topics of an example are: embedded in this process, or on a broker of Kafka or Pulsar.

use millstream::memory::{self, Broker, TopicOptions};
use millstream::sink::Sink;
use millstream::source::Source;
use millstream::{Error, Result};

use super::args::Args;

/// What an embedded topic may hold: there is room for a long run.
const MAX_TOPIC_BYTES: usize = 1 << 30;

/// Where the topics are.
#[derive(Clone)]
pub(crate) enum Place {
    /// The embedded broker: nothing to install.
    Memory(Broker),
    /// A broker of Kafka at `HOST:PORT`.
    #[cfg(feature = "kafka")]
    Kafka(String),
    /// A broker of Pulsar at `HOST:PORT`.
    #[cfg(feature = "pulsar")]
    Pulsar(String),
}

impl Place {
    /// What the arguments of most examples say: where, and how many records (`default_count` unless they say so).
    pub(crate) fn from_args(default_count: u64) -> Result<(Self, u64)> {
        let mut args = Args::of_program();
        let told = (Self::from(&mut args)?, args.count(default_count)?);
        args.end("--kafka HOST:PORT, --pulsar HOST:PORT, --count RECORDS").map(|()| told)
    }

    /// What `--kafka HOST:PORT` or `--pulsar HOST:PORT` says; embedded without them.
    pub(crate) fn from(args: &mut Args) -> Result<Self> {
        match (args.take("--kafka")?, args.take("--pulsar")?) {
            (None, None) => Ok(Self::Memory(Broker::new())),
            #[cfg(feature = "kafka")]
            (Some(address), None) => Ok(Self::Kafka(address)),
            #[cfg(feature = "pulsar")]
            (None, Some(address)) => Ok(Self::Pulsar(address)),
            #[cfg(not(feature = "kafka"))]
            (Some(address), None) => Err(not_built("kafka", "Kafka", &address)),
            #[cfg(not(feature = "pulsar"))]
            (None, Some(address)) => Err(not_built("pulsar", "Pulsar", &address)),
            (Some(_), Some(_)) => {
                Err(Error::config("choose a broker: --kafka and --pulsar do not go together"))
            }
        }
    }

    /// Makes the topics that are missing.
    pub(crate) fn create_topics(&self, topics: &[&str], n_partitions: u32) -> Result<()> {
        for topic in topics {
            match self {
                Self::Memory(broker) if broker.len(topic).is_ok() => {}
                Self::Memory(broker) => {
                    let options =
                        TopicOptions { max_bytes: MAX_TOPIC_BYTES, ..TopicOptions::default() };
                    broker.create_topic_with(topic, n_partitions as usize, options)?;
                }
                #[cfg(feature = "kafka")]
                Self::Kafka(address) => {
                    millstream::kafka::create_topic(address, topic, n_partitions)?;
                }
                // A broker of Pulsar makes them as they are used.
                #[cfg(feature = "pulsar")]
                Self::Pulsar(_) => {}
            }
        }
        Ok(())
    }

    /// Reads `topic` until the end of what is there.
    pub(crate) fn source(&self, topic: &str) -> Box<dyn Source> {
        match self {
            Self::Memory(broker) => Box::new(memory::Source::new(broker, topic).until_end()),
            #[cfg(feature = "kafka")]
            Self::Kafka(address) => {
                Box::new(millstream::kafka::Source::new(address, topic).until_end())
            }
            #[cfg(feature = "pulsar")]
            Self::Pulsar(address) => {
                Box::new(millstream::pulsar::Source::new(address, topic).until_end())
            }
        }
    }

    /// Writes to `topic`.
    pub(crate) fn sink(&self, topic: &str) -> Box<dyn Sink> {
        match self {
            Self::Memory(broker) => Box::new(memory::Sink::new(broker, topic)),
            #[cfg(feature = "kafka")]
            Self::Kafka(address) => Box::new(millstream::kafka::Sink::new(address, topic)),
            #[cfg(feature = "pulsar")]
            Self::Pulsar(address) => Box::new(millstream::pulsar::Sink::new(address, topic)),
        }
    }
}

#[cfg(not(all(feature = "kafka", feature = "pulsar")))]
fn not_built(feature: &str, broker: &str, address: &str) -> Error {
    let name = env!("CARGO_CRATE_NAME");
    let command = format!(
        "cargo run --release --features {feature} --example {name} -- --{feature} {address}"
    );
    Error::config(format!("use {broker}: this build has no {broker} connector"))
        .with_hint(format!("Run: {command}"))
}
