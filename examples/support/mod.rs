//! What the examples share: where the topics are, input to fill them with, and how a run is summed up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use millstream::memory::{self, Broker};
use millstream::metrics::Snapshot;
use millstream::sink::Sink;
use millstream::source::Source;

type AnyError = Box<dyn std::error::Error>;

/// Where the topics are: embedded in this process, or on a Kafka broker.
#[derive(Clone)]
pub(crate) enum Place {
    /// The embedded broker: nothing to install.
    Memory(Broker),
    /// A broker at `HOST:PORT`.
    #[cfg(feature = "kafka")]
    Kafka(String),
}

impl Place {
    /// Reads `--kafka HOST:PORT` from the command line; embedded without it.
    pub(crate) fn from_args() -> Result<Self, AnyError> {
        let args: Vec<String> = std::env::args().skip(1).collect();
        match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Ok(Self::Memory(Broker::new())),
            ["--kafka", address] => Self::kafka(address),
            _ => Err("arguments: none, or `--kafka HOST:PORT`".into()),
        }
    }

    #[cfg(feature = "kafka")]
    #[expect(clippy::unnecessary_wraps, reason = "without the feature there is no such place")]
    fn kafka(address: &str) -> Result<Self, AnyError> {
        Ok(Self::Kafka(address.to_owned()))
    }

    #[cfg(not(feature = "kafka"))]
    fn kafka(address: &str) -> Result<Self, AnyError> {
        let name = env!("CARGO_CRATE_NAME");
        Err(format!(
            "this build has no Kafka connector; run: cargo run --release --features kafka --example {name} -- --kafka {address}"
        )
        .into())
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

    /// Makes topics of four partitions where they are missing.
    pub(crate) fn create_topics(&self, topics: &[&str]) -> Result<(), AnyError> {
        for topic in topics {
            match self {
                Self::Memory(broker) => broker.create_topic(topic, 4)?,
                #[cfg(feature = "kafka")]
                Self::Kafka(address) => millstream::kafka::create_topic(address, topic, 4)?,
            }
        }
        Ok(())
    }

    /// Writes (key, value) pairs to `topic`, through a dataflow of its own where the broker is a real one.
    pub(crate) fn fill(
        &self,
        topic: &str,
        records: impl Iterator<Item = (String, String)>,
    ) -> Result<(), AnyError> {
        let broker = match self {
            Self::Memory(broker) => broker.clone(),
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => {
                let broker = Broker::new();
                broker.create_topic(topic, 4)?;
                broker
            }
        };
        let mut producer = broker.producer(topic)?;
        for (key, value) in records {
            producer.send_keyed(key, value)?;
        }
        #[cfg(feature = "kafka")]
        if let Self::Kafka(_) = self {
            let (place, name) = (self.clone(), topic.to_owned());
            let flow = millstream::Dataflow::new("fill", move |flow| {
                flow.source("generated", memory::Source::new(&broker, &name).until_end())
                    .sink("out", place.sink(&name));
            });
            millstream::run(&flow, millstream::Config::default())?;
        }
        Ok(())
    }

    /// How people can look at `topic` now.
    pub(crate) fn how_to_look(&self, topic: &str) -> String {
        match self {
            Self::Memory(broker) => {
                let first =
                    broker.records(topic).ok().and_then(|records| records.into_iter().next());
                first.map_or_else(
                    || format!("{topic} is empty"),
                    |record| format!("First record of {topic}: {}", show(&record)),
                )
            }
            #[cfg(feature = "kafka")]
            Self::Kafka(address) => {
                format!("Look at it: kcat -b {address} -C -t {topic} -e -f '%h %s\\n' | head -1")
            }
        }
    }
}

fn show(record: &millstream::batch::OwnedRecord) -> String {
    let headers: Vec<String> = record
        .headers
        .iter()
        .map(|(name, value)| {
            format!("{name}={}", String::from_utf8_lossy(value.as_deref().unwrap_or_default()))
        })
        .collect();
    format!("{} [{}]", record.text().unwrap_or("(bytes)"), headers.join(", "))
}

/// Generated orders as (key, JSON): of every hundred, one is cut short, one costs nothing, one is nobody's.
pub(crate) fn orders(n: u64) -> impl Iterator<Item = (String, String)> {
    (0..n).map(|id| {
        let country = ["DE", "FR", "JP", "US", "NZ"][usize::try_from(id * 7 % 5).unwrap_or(0)];
        let cents = if id % 100 == 17 { 0 } else { id * 7919 % 100_000 + 1 };
        let customer =
            if id % 100 == 42 { String::new() } else { format!("customer-{}", id % 977) };
        let json = format!(
            r#"{{"id":{id},"customer":"{customer}","country":"{country}","cents":{cents}}}"#
        );
        let cut = if id % 100 == 99 { 20 } else { json.len() };
        (customer, json[..cut].to_owned())
    })
}

/// Sums per name, shared between workers.
#[derive(Clone, Default)]
pub(crate) struct Totals(Arc<Mutex<BTreeMap<String, (u64, i64)>>>);

impl Totals {
    /// Adds one item of `amount` to `name`.
    pub(crate) fn add(&self, name: &str, amount: i64) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = sums.entry(name.to_owned()).or_default();
        *sum = (sum.0 + 1, sum.1 + amount);
    }

    /// The sums by name: (items, amount).
    pub(crate) fn take(&self) -> BTreeMap<String, (u64, i64)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Records that a step has taken in.
pub(crate) fn records(counted: &Snapshot, step: &str) -> u64 {
    counted.step(step).map_or(0, |step| step.records)
}
