//! Where records came from: one origin per run of neighbouring records, never one per record.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Where records came from: connector, topic and partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The connector's name, such as `kafka`.
    pub connector: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// The partition within the topic.
    pub partition: u32,
}

impl Origin {
    /// An origin; readers make one per partition and clone it.
    pub fn new(connector: &str, topic: &str, partition: u32) -> Self {
        Self { connector: connector.into(), topic: topic.into(), partition }
    }

    /// Whether both name the same partition; cheap where the topic is shared.
    pub fn same(&self, other: &Self) -> bool {
        self.partition == other.partition
            && (Arc::ptr_eq(&self.topic, &other.topic) || self.topic == other.topic)
            && (Arc::ptr_eq(&self.connector, &other.connector) || self.connector == other.connector)
    }
}

/// A run of neighbouring records of one origin, from `first` to the next run or the end of the batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Index of the first record of the run.
    pub first: u32,
    /// Where the run's records came from.
    pub origin: Origin,
}
