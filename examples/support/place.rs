//! Where the topics of an example are: embedded in this process, or on a Kafka broker.

use millstream::Result;
use millstream::memory::{self, Broker, TopicOptions};
use millstream::sink::Sink;
use millstream::source::Source;

use super::args::Args;

/// What an embedded topic may hold: there is room for a long run.
const MAX_TOPIC_BYTES: usize = 1 << 30;

/// Where the topics are.
#[derive(Clone)]
pub(crate) enum Place {
    /// The embedded broker: nothing to install.
    Memory(Broker),
    /// A broker at `HOST:PORT`.
    #[cfg(feature = "kafka")]
    Kafka(String),
}

impl Place {
    /// What the arguments of most examples say: where, and how many records (`default_count` unless they say so).
    pub(crate) fn from_args(default_count: u64) -> Result<(Self, u64)> {
        let mut args = Args::of_program();
        let told = (Self::from(&mut args)?, args.count(default_count)?);
        args.end("--kafka HOST:PORT, --count RECORDS").map(|()| told)
    }

    /// What `--kafka HOST:PORT` says; embedded without it.
    pub(crate) fn from(args: &mut Args) -> Result<Self> {
        args.take("--kafka")?
            .map_or_else(|| Ok(Self::Memory(Broker::new())), |address| Self::kafka(&address))
    }

    #[cfg(feature = "kafka")]
    #[expect(clippy::unnecessary_wraps, reason = "without the feature there is no such place")]
    fn kafka(address: &str) -> Result<Self> {
        Ok(Self::Kafka(address.to_owned()))
    }

    #[cfg(not(feature = "kafka"))]
    fn kafka(address: &str) -> Result<Self> {
        let name = env!("CARGO_CRATE_NAME");
        let command =
            format!("cargo run --release --features kafka --example {name} -- --kafka {address}");
        Err(millstream::Error::config("use Kafka: this build has no Kafka connector")
            .with_hint(format!("Run: {command}")))
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
        }
    }

    /// Writes to `topic`.
    pub(crate) fn sink(&self, topic: &str) -> Box<dyn Sink> {
        match self {
            Self::Memory(broker) => Box::new(memory::Sink::new(broker, topic)),
            #[cfg(feature = "kafka")]
            Self::Kafka(address) => Box::new(millstream::kafka::Sink::new(address, topic)),
        }
    }
}
