//! The consumer as finders, readers and checks of a sink use it: questions to the cluster, with errors that name the reason.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::source::{OpenContext, Partition};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::error::{self, WRONG_ADVERTISED};
use crate::listener::Listener;
use crate::raw::RawConsumer;

/// A consumer of one step, and what its errors have to name.
pub(crate) struct Consumer {
    pub(crate) raw: RawConsumer,
    brokers: String,
    step: String,
    timeout: Duration,
}

/// The first and the next position of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) low: u64,
    pub(crate) high: u64,
}

impl Consumer {
    pub(crate) fn open(config: &ClientConfig, cx: &OpenContext) -> Result<Self> {
        let listener = Listener::new(&cx.step, Arc::clone(&cx.clock));
        let raw = RawConsumer::new(config, listener).map_err(|error| {
            error::from_client(&error, "set up the Kafka client").at_step(&cx.step)
        })?;
        let brokers = config
            .get("bootstrap.servers")
            .unwrap_or_default()
            .to_owned();
        Ok(Self {
            raw,
            brokers,
            step: cx.step.to_string(),
            timeout: cx.open_timeout,
        })
    }

    /// How many partitions each topic has.
    pub(crate) fn count_partitions(&self, topics: &[String]) -> Result<Vec<u32>> {
        topics.iter().map(|topic| self.count_of(topic)).collect()
    }

    fn count_of(&self, topic: &str) -> Result<u32> {
        let client = self.raw.client();
        let what = || format!("look up the topic \"{topic}\"");
        let metadata = client
            .fetch_metadata(Some(topic), self.timeout)
            .map_err(|error| self.failed(&error, what()))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        match found.map(|found| (found.error(), found.partitions().len())) {
            Some((None, n_partitions)) if n_partitions > 0 => {
                Ok(u32::try_from(n_partitions).unwrap_or(u32::MAX))
            }
            None
            | Some((
                None
                | Some(
                    RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                    | RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
                ),
                _,
            )) => Err(self.unknown_topic(topic)),
            Some((Some(code), _)) => Err(self.refused(code.into(), what()).at_topic(topic)),
        }
    }

    /// The error for a topic that does not exist, with the name that was perhaps meant.
    pub(crate) fn unknown_topic(&self, topic: &str) -> Error {
        let metadata = self.raw.client().fetch_metadata(None, self.timeout).ok();
        let known = metadata
            .iter()
            .flat_map(rdkafka::metadata::Metadata::topics);
        let known: Vec<_> = known
            .map(|found| (found.name(), found.partitions().len()))
            .collect();
        error::unknown_topic(topic, known.into_iter()).at_step(&self.step)
    }

    /// The first and the next position of a partition, as the broker has them now.
    pub(crate) fn bounds(&self, partition: &Partition) -> Result<Bounds> {
        let index = index_of(partition);
        let found = self
            .raw
            .client()
            .fetch_watermarks(&partition.topic, index, self.timeout);
        let (low, high) = found.map_err(|error| {
            self.failed(&error, "ask for the positions of a partition")
                .at_partition(&partition.topic, partition.index)
        })?;
        Ok(Bounds {
            low: low.try_into().unwrap_or_default(),
            high: high.try_into().unwrap_or_default(),
        })
    }

    /// The offsets that the group has committed.
    pub(crate) fn committed(&self, partitions: &[&Partition]) -> Result<HashMap<Partition, u64>> {
        let wanted = list(
            partitions
                .iter()
                .map(|partition| (*partition, Offset::Invalid)),
        );
        let found = self.raw.client().committed_offsets(wanted, self.timeout);
        let found = found
            .map_err(|error| self.failed(&error, "ask for the offsets of the consumer group"))?;
        Ok(offsets(&found))
    }

    /// The offsets of the first records of this time or later; nothing for partitions that have none.
    pub(crate) fn at_time(
        &self,
        partitions: &[&Partition],
        millis: i64,
    ) -> Result<HashMap<Partition, u64>> {
        let wanted = list(
            partitions
                .iter()
                .map(|partition| (*partition, Offset::Offset(millis))),
        );
        let found = self.raw.client().offsets_for_times(wanted, self.timeout);
        let found =
            found.map_err(|error| self.failed(&error, "ask for the positions of a time"))?;
        Ok(offsets(&found))
    }

    /// Commits offsets to the group and waits until that is done, at most so long.
    pub(crate) fn commit_and_wait(
        &self,
        offsets: &TopicPartitionList,
        wait: Duration,
    ) -> Result<()> {
        let what = "commit offsets to the consumer group";
        self.raw
            .commit(offsets)
            .map_err(|code| self.refused(code, what))?;
        match self.raw.committed(wait) {
            Some(outcome) => outcome.map_err(|code| self.refused(code, what)),
            None => Err(self.refused(RDKafkaErrorCode::OperationTimedOut, what)),
        }
    }

    /// An error of the client, as one of ours.
    pub(crate) fn failed(&self, error: &KafkaError, what: impl Into<String>) -> Error {
        match error.rdkafka_error_code() {
            Some(code) => self.refused(code, what),
            None => error::from_client(error, what).at_step(&self.step),
        }
    }

    /// An error code, as one of our errors. Where the brokers could not be reached, the reason is the one heard last.
    pub(crate) fn refused(&self, code: RDKafkaErrorCode, what: impl Into<String>) -> Error {
        let error = error::from_code(code, what);
        if error.code() != codes::UNREACHABLE {
            return error.at_step(&self.step);
        }
        // Errors are heard when somebody asks for them. What this call says is heard too.
        let _fatal = self.raw.serve();
        match self.raw.listener().trouble() {
            Some(trouble) => unreachable(&self.brokers, trouble.advertised, trouble.reason),
            None => error.with_hint(self.hint()),
        }
        .at_step(&self.step)
    }

    fn hint(&self) -> String {
        format!("The brokers were asked at {}.", self.brokers)
    }
}

fn unreachable(brokers: &str, advertised: Option<String>, reason: String) -> Error {
    match advertised.filter(|address| !brokers.contains(address.as_str())) {
        Some(address) => Error::new(
            ErrorKind::Unavailable,
            WRONG_ADVERTISED,
            format!("reach Kafka at \"{address}\", the address that the broker at {brokers} tells clients to use"),
        )
        .with_source(reason)
        .with_hint("Set `advertised.listeners` on the broker, or make the name known on this host."),
        None => Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, format!("reach Kafka at {brokers}"))
            .with_source(reason)
            .with_hint("Is a broker listening there? The address is the first argument of `new`."),
    }
}

/// A list of partitions, as the client takes it.
pub(crate) fn list<'p>(
    partitions: impl Iterator<Item = (&'p Partition, Offset)>,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        let mut added = list.add_partition(&partition.topic, index_of(partition));
        // It refuses only logical offsets that cannot be given, and none of those is given.
        let _always = added.set_offset(offset);
    }
    list
}

/// The number of a partition, as the client counts.
pub(crate) fn index_of(partition: &Partition) -> i32 {
    i32::try_from(partition.index).unwrap_or(i32::MAX)
}

/// A position, as the client counts.
pub(crate) fn offset_of(position: u64) -> Offset {
    Offset::Offset(i64::try_from(position).unwrap_or(i64::MAX))
}

fn offsets(list: &TopicPartitionList) -> HashMap<Partition, u64> {
    let found = list
        .elements()
        .into_iter()
        .filter_map(|element| match element.offset() {
            Offset::Offset(offset) => {
                let partition =
                    Partition::new(element.topic(), u32::try_from(element.partition()).ok()?);
                Some((partition, u64::try_from(offset).ok()?))
            }
            _ => None,
        });
    found.collect()
}
