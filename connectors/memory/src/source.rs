//! The source: how a program says what to read.
//!
//! Invariant: it opens nothing by itself; all faults of its settings are found by `faults`.

use std::collections::BTreeMap;

use millstream_engine::batch::Origin;
use millstream_engine::source::{
    Acknowledges, OpenContext, PartitionFinder, Reader, ReaderContext, SourceCapabilities,
};
use millstream_engine::{Error, Result};

use crate::broker::Broker;
use crate::config::{End, Expired, Start};
use crate::finder::Finder;
use crate::reader::MemoryReader;

/// The connector's name, in origins, errors and metrics.
pub(crate) const CONNECTOR: &str = "memory";

pub(crate) fn origin(topic: &str, partition: u32) -> Origin {
    Origin::new(CONNECTOR, topic, partition)
}

/// Reads a topic of an embedded broker.
///
/// Records of one partition come in their order. The group is `<dataflow>.<step>` unless named; its committed positions live
/// as long as the broker.
///
/// # Delivery
/// At least once: a dataflow that stops or fails and runs again in the same process repeats what was handed out after its
/// last confirmation. Nothing survives the process.
///
/// # Examples
/// ```
/// use millstream_memory::{Broker, Source, Start};
///
/// let broker = Broker::new();
/// broker.create_topic("orders", 3)?;
/// let source = Source::new(&broker, "orders").with_group("billing").with_start(Start::Latest);
/// # let _ = source;
/// # Ok::<_, millstream_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) broker: Broker,
    pub(crate) topic: String,
    pub(crate) group: Option<String>,
    pub(crate) start: Start,
    pub(crate) expired: Expired,
    pub(crate) positions: BTreeMap<u32, u64>,
    pub(crate) end: End,
}

impl Source {
    /// Reads `topic` of `broker`, all partitions, without an end.
    pub fn new(broker: &Broker, topic: impl Into<String>) -> Self {
        Self {
            broker: broker.clone(),
            topic: topic.into(),
            group: None,
            start: Start::default(),
            expired: Expired::default(),
            positions: BTreeMap::new(),
            end: End::Never,
        }
    }

    /// Names the group whose positions are kept; `<dataflow>.<step>` by default.
    #[must_use]
    pub fn with_group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Where reading starts when there is no position yet; [`Start::Earliest`] by default.
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Starts a partition at this position, whatever was stored or committed before.
    #[must_use]
    pub fn with_position(mut self, partition: u32, position: u64) -> Self {
        self.positions.insert(partition, position);
        self
    }

    /// What to do with an expired position; [`Expired::Stop`] by default.
    #[must_use]
    pub fn with_expired(mut self, expired: Expired) -> Self {
        self.expired = expired;
        self
    }

    /// Where reading ends; [`End::Never`] by default.
    #[must_use]
    pub fn with_end(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// Ends where each partition ends when it is assigned, instead of waiting for more: [`End::Latest`].
    #[must_use]
    pub fn until_end(self) -> Self {
        self.with_end(End::Latest)
    }

    pub(crate) fn group_name(&self, cx: &OpenContext) -> String {
        self.group.clone().unwrap_or_else(|| cx.qualified_name())
    }
}

impl millstream_engine::source::Source for Source {
    fn connector(&self) -> &'static str {
        CONNECTOR
    }

    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities {
            replayable: true,
            ordered: true,
            acknowledges: Acknowledges::Cumulatively,
            redelivers: false,
            bounded: self.end != End::Never,
        }
    }

    fn faults(&self) -> Vec<Error> {
        let mut faults = Vec::new();
        if self.topic.is_empty() {
            faults.push(Error::config("read a topic without a name"));
        }
        if self.group.as_deref() == Some("") {
            faults.push(Error::config("read for a group without a name").at_topic(&self.topic));
        }
        faults
    }

    fn finder(&self, cx: &OpenContext) -> Result<Box<dyn PartitionFinder>> {
        let topic = self.broker.topic(&self.topic)?;
        Ok(Box::new(Finder::new(topic, self.clone(), self.group_name(cx))))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn Reader>> {
        let topic = self.broker.topic(&self.topic)?;
        Ok(Box::new(MemoryReader::new(topic, self, cx)))
    }
}
