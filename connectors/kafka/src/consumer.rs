//! The consumer as finders, readers and checks of a sink use it: questions to the cluster, with errors that name the reason.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::error::{Error, Result, codes};
use millstream_engine::source::{OpenContext, Partition};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::metadata::MetadataTopic;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::config::Security;
use crate::entrance::{self, Entrance};
use crate::error::{self, WRONG_ADVERTISED};
use crate::listener::Listener;
use crate::position::{Position, TopicId};
use crate::raw::{Described, RawConsumer};

/// The pause between two questions to a cluster that cannot answer just now.
const PAUSE: Duration = Duration::from_millis(100);

/// What stands before the topic's id in the metadata of a committed offset.
const ID_MARK: &str = "topic-id=";

/// A consumer of one step, and what its errors have to name.
pub(crate) struct Consumer {
    pub(crate) raw: RawConsumer,
    brokers: String,
    group: Option<String>,
    entrance: Entrance,
    pub(crate) step: String,
    timeout: Duration,
}

/// The first and the next position of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) low: u64,
    pub(crate) high: u64,
}

impl Consumer {
    pub(crate) fn open(
        mut config: ClientConfig,
        security: &Security,
        cx: &OpenContext,
    ) -> Result<Self> {
        security.apply(&mut config).map_err(|error| error.at_step(&cx.step))?;
        entrance::give_up_in_time(&mut config, security, cx.open_timeout);
        let listener = Listener::new(&cx.step, Arc::clone(&cx.clock), security);
        let raw = RawConsumer::new(&config, listener).map_err(|error| {
            error::from_client(&error, "set up the Kafka client").at_step(&cx.step)
        })?;
        let brokers = config.get("bootstrap.servers").unwrap_or_default().to_owned();
        Ok(Self {
            raw,
            brokers,
            group: config.get("group.id").map(str::to_owned),
            entrance: Entrance::default(),
            step: cx.step.to_string(),
            timeout: cx.open_timeout,
        })
    }

    /// Whether the cluster can be reached at all.
    pub(crate) fn check_reachable(&self) -> Result<()> {
        self.ask("ask the cluster for its brokers", || {
            self.raw.client().fetch_metadata(None, self.timeout).map(drop)
        })
    }

    /// How many partitions each topic has.
    pub(crate) fn count_partitions(&self, topics: &[String]) -> Result<Vec<u32>> {
        topics.iter().map(|topic| self.count_of(topic)).collect()
    }

    /// How many partitions a topic has.
    pub(crate) fn count_of(&self, topic: &str) -> Result<u32> {
        let what = || format!("look up the topic \"{topic}\"");
        let metadata = self.ask(&what(), || {
            let metadata = self.raw.client().fetch_metadata(Some(topic), self.timeout)?;
            match metadata.topics().first().and_then(MetadataTopic::error) {
                Some(code) if is_passing(code.into()) => {
                    Err(KafkaError::MetadataFetch(code.into()))
                }
                _ => Ok(metadata),
            }
        })?;
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

    /// All topics of the cluster, and how many partitions each has.
    pub(crate) fn all_topics(&self) -> Result<Vec<(String, u32)>> {
        let metadata = self.ask("ask which topics there are", || {
            self.raw.client().fetch_metadata(None, self.timeout)
        })?;
        let known = metadata.topics().iter().map(|topic| {
            (topic.name().to_owned(), u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX))
        });
        Ok(known.collect())
    }

    /// The topics as the cluster has them now, in no order.
    pub(crate) fn describe(&self, topics: &[String]) -> Result<Vec<Described>> {
        let what = "ask for the ids of topics";
        self.ask(what, || {
            self.raw.describe(topics, self.timeout)?;
            // An answer comes by then in any case, and must not be taken for that of the next question.
            let answer = self.raw.described(self.timeout + 10 * PAUSE);
            answer
                .unwrap_or(Err(RDKafkaErrorCode::OperationTimedOut))
                .map_err(KafkaError::MetadataFetch)
        })
    }

    /// The ids of topics; nothing for those that are gone, and from brokers that have no ids.
    pub(crate) fn topic_ids(&self, topics: &[String]) -> Result<HashMap<String, TopicId>> {
        let described = self.describe(topics)?.into_iter();
        Ok(described.filter_map(|topic| Some((topic.name, topic.id?))).collect())
    }

    /// The error for a topic that does not exist, with the name that was perhaps meant.
    pub(crate) fn unknown_topic(&self, topic: &str) -> Error {
        let metadata = self.raw.client().fetch_metadata(None, self.timeout).ok();
        let known = metadata.iter().flat_map(rdkafka::metadata::Metadata::topics);
        let known: Vec<_> = known.map(|found| (found.name(), found.partitions().len())).collect();
        error::unknown_topic(topic, known.into_iter()).at_step(&self.step)
    }

    /// The first and the next position of a partition, as the broker has them now.
    pub(crate) fn bounds(&self, partition: &Partition) -> Result<Bounds> {
        let index = index_of(partition);
        let question = || self.raw.client().fetch_watermarks(&partition.topic, index, self.timeout);
        let found = self.ask("ask for the positions of a partition", question);
        let (low, high) =
            found.map_err(|error| error.at_partition(&partition.topic, partition.index))?;
        Ok(Bounds {
            low: low.try_into().unwrap_or_default(),
            high: high.try_into().unwrap_or_default(),
        })
    }

    /// Whether the address that the cluster tells for a topic can be reached: questions for topics go to an address of the program's
    /// own, records do not. Anything else that is wrong shows itself when records are written.
    pub(crate) fn check_address(&self, topic: &str) -> Result<()> {
        match self.bounds(&Partition::new(topic, 0)) {
            Err(error) if error.code() == WRONG_ADVERTISED => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The positions that the group has committed. Those of other programs have no id.
    pub(crate) fn committed(
        &self,
        partitions: &[&Partition],
    ) -> Result<HashMap<Partition, Position>> {
        let wanted = list(partitions.iter().map(|partition| (*partition, Offset::Invalid)));
        self.ask("ask for the offsets of the consumer group", || {
            let found = self.raw.client().committed_offsets(wanted.clone(), self.timeout)?;
            let mut positions = HashMap::new();
            for (partition, offset, metadata) in offsets(&found)? {
                let topic = metadata.strip_prefix(ID_MARK).map(TopicId::new);
                positions.insert(partition, Position { offset, topic });
            }
            Ok(positions)
        })
    }

    /// The offsets of the first records of this time or later; nothing for partitions that have none.
    pub(crate) fn at_time(
        &self,
        partitions: &[&Partition],
        millis: i64,
    ) -> Result<HashMap<Partition, u64>> {
        let wanted = list(partitions.iter().map(|partition| (*partition, Offset::Offset(millis))));
        self.ask("ask for the positions of a time", || {
            let found = self.raw.client().offsets_for_times(wanted.clone(), self.timeout)?;
            Ok(offsets(&found)?.into_iter().map(|(p, offset, _metadata)| (p, offset)).collect())
        })
    }

    /// Commits offsets to the group and waits until that is done, at most so long.
    pub(crate) fn commit_and_wait(
        &self,
        offsets: &TopicPartitionList,
        wait: Duration,
    ) -> Result<()> {
        self.ask("commit offsets to the consumer group", || {
            let outcome = self.raw.commit(offsets).and_then(|()| {
                self.raw.committed(wait).unwrap_or(Err(RDKafkaErrorCode::OperationTimedOut))
            });
            outcome.map_err(KafkaError::ConsumerCommit)
        })
    }

    /// Puts a question to the cluster, again and again while it says that it cannot answer just now: a new cluster, or one that
    /// has just moved something.
    fn ask<T>(&self, what: &str, question: impl Fn() -> KafkaResult<T>) -> Result<T> {
        self.entrance
            .pass(&self.raw, &self.brokers, self.timeout)
            .map_err(|e| e.at_step(&self.step))?;
        let mut n_left = self.timeout.as_millis() / PAUSE.as_millis();
        loop {
            match question() {
                Err(error) if n_left > 0 && error.rdkafka_error_code().is_some_and(is_passing) => {
                    n_left -= 1;
                    self.raw.wait(PAUSE);
                }
                answer => return answer.map_err(|error| self.failed(&error, what)),
            }
        }
    }

    /// Looks a password up again when the broker has refused it.
    ///
    /// # Errors
    /// The broker has refused the client for half a minute.
    pub(crate) fn check_login(&self) -> Result<()> {
        let listener = self.raw.listener();
        if listener.take_login() {
            self.raw.renew_login();
        }
        listener.lasting_trouble().map_or(Ok(()), |trouble| {
            Err(trouble.error(&self.brokers, listener.security()).at_step(&self.step))
        })
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
        let error = error::name_user(error, code, self.raw.listener().security());
        let error = match &self.group {
            Some(group) if code == RDKafkaErrorCode::GroupAuthorizationFailed => {
                error.with_hint(format!("Needed: READ on the consumer group \"{group}\"."))
            }
            _ => error,
        };
        if error.code() != codes::UNREACHABLE || !is_of_transport(code) {
            return error.at_step(&self.step);
        }
        // Errors are heard when somebody asks for them. What this call says is heard too.
        let _fatal = self.raw.serve();
        if let Some(denied) = self.raw.take_refusal() {
            return self.refused(denied, error.to_string());
        }
        match self.raw.listener().trouble() {
            Some(trouble) => trouble.error(&self.brokers, self.raw.listener().security()),
            None => error.with_hint(self.hint()),
        }
        .at_step(&self.step)
    }

    fn hint(&self) -> String {
        format!("The brokers were asked at {}.", self.brokers)
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

/// A list of positions to commit, as the client takes it: the ids go with the offsets.
pub(crate) fn commit_list<'p>(
    positions: impl Iterator<Item = (&'p Partition, &'p Position)>,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, position) in positions {
        let mut added = list.add_partition(&partition.topic, index_of(partition));
        // As above.
        let _always = added.set_offset(offset_of(position.offset));
        if let Some(id) = &position.topic {
            added.set_metadata(format!("{ID_MARK}{id}"));
        }
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

/// The offsets of a list with their metadata, or the error of one of its partitions.
fn offsets(list: &TopicPartitionList) -> KafkaResult<Vec<(Partition, u64, String)>> {
    list.elements().iter().try_for_each(TopicPartitionListElem::error)?;
    let found = list.elements().into_iter().filter_map(|element| match element.offset() {
        Offset::Offset(offset) => {
            let partition =
                Partition::new(element.topic(), u32::try_from(element.partition()).ok()?);
            Some((partition, u64::try_from(offset).ok()?, element.metadata().to_owned()))
        }
        _ => None,
    });
    Ok(found.collect())
}

/// Whether the cluster answers otherwise soon.
fn is_passing(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::NotCoordinator
            | RDKafkaErrorCode::CoordinatorNotAvailable
            | RDKafkaErrorCode::CoordinatorLoadInProgress
            | RDKafkaErrorCode::WaitingForCoordinator
            | RDKafkaErrorCode::LeaderNotAvailable
            | RDKafkaErrorCode::NotLeaderForPartition
    )
}

/// Whether the brokers could not be reached at all, as against an answer that was an error.
fn is_of_transport(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::MessageTimedOut
    )
}
