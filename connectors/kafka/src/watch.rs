//! Watches the topics that are read: are they still there, and are they still the same?
//!
//! The client itself reads on where it stood when a topic was deleted and made again, and says nothing. The cluster is asked every
//! few seconds, and more often while the client complains. Nothing here waits.

use std::time::Duration;

use millstream_engine::error::{Error, ErrorKind, codes};
use millstream_engine::source::Partition;
use rdkafka::types::RDKafkaErrorCode;

use crate::config::Expired;
use crate::consumer::Consumer;
use crate::lanes::{Lane, topics_of};
use crate::position::TopicId;
use crate::raw::Described;

/// Microseconds from one question to the next.
const INTERVAL_MICROS: u64 = 5_000_000;

/// The same while the client complains.
const DOUBTED_MICROS: u64 = 1_000_000;

/// How long the cluster may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the cluster said when it was asked.
pub(crate) struct Answer {
    pub(crate) topics: Vec<Described>,
    /// It was asked because the client complained, and not only because it was time.
    pub(crate) doubted: bool,
}

/// What has become of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The topic or the partition is no longer there.
    Gone,
    /// Another topic has its name now.
    MadeAgain(TopicId),
    /// The topic is the same, and the record that comes next was deleted.
    Expired,
}

/// When the cluster is asked for the topics of a reader.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    asked_at: u64,
    doubted: bool,
    /// A question is under way; whether it was put because of a doubt.
    asked: Option<bool>,
}

impl Watch {
    /// The client says that something is wrong for good.
    pub(crate) fn doubt(&mut self) {
        self.doubted = true;
    }

    /// Asks when it is time, and takes in the answer when there is one.
    pub(crate) fn poll(&mut self, consumer: &Consumer, now: u64, lanes: &[Lane]) -> Option<Answer> {
        if let Some(doubted) = self.asked {
            let outcome = consumer.raw.described(Duration::ZERO)?;
            self.asked = None;
            match outcome {
                Ok(topics) => return Some(Answer { topics, doubted }),
                // The client says itself when brokers are away. The question is put again when it is time.
                Err(_unreachable) => self.doubted |= doubted,
            }
        }
        let interval = if self.doubted { DOUBTED_MICROS } else { INTERVAL_MICROS };
        if now >= self.asked_at + interval && !lanes.is_empty() {
            self.asked_at = now;
            // It refuses only names that no topic can have.
            if consumer.raw.describe(&topics_of(lanes), TIMEOUT).is_ok() {
                self.asked = Some(std::mem::take(&mut self.doubted));
            }
        }
        None
    }
}

impl Answer {
    /// What has become of a lane's partition, if anything.
    pub(crate) fn change(&self, lane: &Lane) -> Option<Change> {
        let topic = self.topics.iter().find(|topic| *topic.name == *lane.partition.topic)?;
        match (&lane.topic_id, &topic.id) {
            (Some(then), Some(now)) if then != now => Some(Change::MadeAgain(now.clone())),
            _ if !self.doubted => None,
            _ if self.is_gone(&lane.partition) => Some(Change::Gone),
            _ => lane.out_of_range.then_some(Change::Expired),
        }
    }

    /// Whether there is no such partition.
    pub(crate) fn is_gone(&self, partition: &Partition) -> bool {
        self.topics.iter().any(|topic| {
            let is_known = match topic.error {
                None => topic.n_partitions > partition.index,
                Some(code) => !is_unknown(code),
            };
            *topic.name == *partition.topic && !is_known
        })
    }
}

/// Whether the client or the cluster says that a topic or a partition does not exist.
pub(crate) fn is_unknown(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicId
            | RDKafkaErrorCode::UnknownPartition
    )
}

/// The error for a partition that is no longer there.
pub(crate) fn is_gone(lane: &Lane) -> Error {
    Error::new(
        ErrorKind::Config,
        codes::UNKNOWN_TOPIC,
        "read on: the topic or the partition is gone from the cluster",
    )
    .at_partition(&lane.partition.topic, lane.partition.index)
    .at_position(lane.next)
    .with_hint("Was the topic deleted?")
}

/// The error for a position of a topic that was made again since; it names both topics, and the choices.
pub(crate) fn made_again(
    policy: Expired,
    partition: &Partition,
    what: &str,
    (then, now): (&TopicId, &TopicId),
) -> Error {
    let error = Error::new(
        ErrorKind::Corrupt,
        codes::EXPIRED_POSITION,
        format!("{what}: the topic was deleted and made again"),
    )
    .at_partition(&partition.topic, partition.index)
    .with_source(format!(
        "the position is of the topic with id {then}, and the one with id {now} has its name"
    ));
    match policy {
        Expired::Stop => error.with_hint(
            "Choose with `with_expired`: `Expired::Earliest` reads the new topic from its oldest record, `Expired::Latest` from \
             its end, `Expired::Stop` stops as it did now.",
        ),
        Expired::Earliest | Expired::Latest => error,
    }
}
