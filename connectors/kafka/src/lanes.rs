//! The partitions of a reader: how far each was read and is durable, and what is said when one is gone.

use millstream_engine::batch::Origin;
use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::source::Partition;
use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;

use crate::consumer::{Consumer, list};

/// A partition of the reader.
pub(crate) struct Lane {
    pub(crate) partition: Partition,
    pub(crate) origin: Origin,
    /// After the last record handed out.
    pub(crate) next: u64,
    /// After the last record that is durable.
    pub(crate) durable: u64,
    /// The end was reached and the source is bounded: what comes now is for another run.
    pub(crate) ended: bool,
}

/// The client says that a partition is gone: asks the cluster, which knows.
pub(crate) fn check_topics(lanes: &[Lane], consumer: &Consumer) -> Result<()> {
    let mut topics: Vec<String> =
        lanes.iter().map(|lane| lane.partition.topic.to_string()).collect();
    topics.dedup();
    let counts = consumer.count_partitions(&topics)?;
    let gone = lanes.iter().find(|lane| {
        let counted =
            topics.iter().zip(&counts).find(|(topic, _)| ***topic == *lane.partition.topic);
        counted.is_none_or(|(_, count)| *count <= lane.partition.index)
    });
    gone.map_or(Ok(()), |lane| Err(is_gone(&lane.partition)))
}

/// Stops fetching a partition that has ended.
pub(crate) fn pause(consumer: &Consumer, partition: &Partition) {
    let paused = consumer.raw.client().pause(&list([(partition, Offset::Invalid)].into_iter()));
    if let Err(error) = paused {
        // What comes is dropped all the same; only the fetching is for nothing.
        tracing::debug!(%partition, %error, "an ended partition is still fetched");
    }
}

/// The error for a partition that is no longer there.
pub(crate) fn is_gone(partition: &Partition) -> Error {
    Error::new(
        ErrorKind::Config,
        codes::UNKNOWN_TOPIC,
        "read on: the topic or the partition is gone from the cluster",
    )
    .at_partition(&partition.topic, partition.index)
    .with_hint("Was the topic deleted?")
}

/// The error for a record of a partition that was not assigned.
pub(crate) fn strange(topic: &str, index: i32) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        codes::BAD_RECORD,
        format!("read from Kafka: a record of {topic}[{index}] came, which was not assigned"),
    )
}
