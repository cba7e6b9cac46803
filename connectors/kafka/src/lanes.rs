//! The partitions of a reader: how far each was read and is durable, and where it ends.

use std::sync::Arc;

use millstream_engine::batch::Origin;
use millstream_engine::error::{Error, ErrorKind, codes};
use millstream_engine::source::Partition;
use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;

use crate::consumer::{Consumer, list};
use crate::position::{Position, TopicId};

/// A partition of the reader.
pub(crate) struct Lane {
    pub(crate) partition: Partition,
    pub(crate) origin: Origin,
    /// The topic that the offsets below are counted in.
    pub(crate) topic_id: Option<TopicId>,
    /// After the last record handed out.
    pub(crate) next: u64,
    /// After the last record that is durable.
    pub(crate) durable: u64,
    /// The first offset that is not handed out any more; `None`: as far as there is something.
    pub(crate) until: Option<u64>,
    /// Its end was reached, or it cannot be read on: what comes now is not handed out.
    pub(crate) ended: bool,
    /// The broker says that it does not have the record that comes next.
    pub(crate) out_of_range: bool,
    /// A lane further on reads the topic that was made in place of this one's.
    pub(crate) replaced: bool,
}

impl Lane {
    /// A lane that starts at a position.
    pub(crate) fn new(partition: &Partition, start: Position, until: Option<u64>) -> Self {
        let origin = Origin {
            connector: "kafka".into(),
            topic: Arc::clone(&partition.topic),
            partition: partition.index,
        };
        Self {
            partition: partition.clone(),
            origin,
            topic_id: start.topic,
            next: start.offset,
            durable: start.offset,
            until,
            ended: until.is_some_and(|until| start.offset >= until),
            out_of_range: false,
            replaced: false,
        }
    }

    /// Where reading resumes after everything durable.
    pub(crate) fn resume(&self) -> Position {
        Position { offset: self.durable, topic: self.topic_id.clone() }
    }

    /// Whether a bounded reading ends here, where the client has found nothing more at `offset`.
    pub(crate) fn ends_at(&self, offset: u64) -> bool {
        self.until.is_none_or(|until| offset >= until)
    }

    /// Hands out nothing more, and lets the client rest.
    pub(crate) fn end(&mut self, consumer: &Consumer) {
        self.ended = true;
        let partitions = list([(&self.partition, Offset::Invalid)].into_iter());
        if let Err(error) = consumer.raw.client().pause(&partitions) {
            // What comes is dropped all the same; only the fetching is for nothing.
            tracing::debug!(partition = %self.partition, %error, "an ended partition is still fetched");
        }
    }
}

/// The topics of the lanes, each once.
pub(crate) fn topics_of(lanes: &[Lane]) -> Vec<String> {
    let mut topics: Vec<String> =
        lanes.iter().map(|lane| lane.partition.topic.to_string()).collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}

/// The error for a record of a partition that was not assigned.
pub(crate) fn strange(topic: &str, index: i32) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        codes::BAD_RECORD,
        format!("read from Kafka: a record of {topic}[{index}] came, which was not assigned"),
    )
}
