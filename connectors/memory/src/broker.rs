//! The broker: topics by name, and the doors to them.
//!
//! Invariant: a broker is one map behind a handle; clones see the same topics.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use millstream_engine::batch::{OwnedRecord, Record, RecordBatch};
use millstream_engine::clock::{SharedClock, SystemClock};
use millstream_engine::{Error, Result};

use crate::config::TopicOptions;
use crate::consumer::Consumer;
use crate::error;
use crate::faults::Faults;
use crate::log::Limits;
use crate::producer::Producer;
use crate::topic::Topic;

/// A topic as [`Broker::topics`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSummary {
    /// The name.
    pub name: String,
    /// How many partitions it has now.
    pub n_partitions: usize,
}

/// An embedded log broker: topics of numbered partitions, kept in this process as long as a handle is.
///
/// A handle is cheap to clone, and may be used from any thread. Records are kept up to each topic's limit
/// ([`TopicOptions`]); groups remember how far they have read.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use millstream_engine::batch::OwnedRecord;
/// use millstream_memory::Broker;
///
/// let broker = Broker::new();
/// broker.create_topic("orders", 3)?;
/// let mut producer = broker.producer("orders")?;
/// producer.send(OwnedRecord::of("4 apples").with_key("anna"))?;
/// let mut consumer = broker.group_consumer("orders", "billing")?;
/// let order = consumer.read(Duration::from_secs(5))?.expect("it was sent before");
/// assert_eq!(order.text(), Some("4 apples"));
/// consumer.commit();
/// # Ok::<_, millstream_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Broker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: SharedClock,
    topics: RwLock<BTreeMap<String, Arc<Topic>>>,
}

impl Default for Broker {
    fn default() -> Self {
        Self::new()
    }
}

impl Broker {
    /// A broker without topics.
    pub fn new() -> Self {
        Self::with_clock(SystemClock::new())
    }

    /// The same with a clock of the caller's: it gives the time of records that bring none.
    pub fn with_clock(clock: SharedClock) -> Self {
        Self(Arc::new(Shared { clock, topics: RwLock::default() }))
    }

    /// Creates a topic with the default settings.
    ///
    /// # Errors
    /// *Config* when the name is taken or empty, or without partitions.
    pub fn create_topic(&self, name: &str, n_partitions: usize) -> Result<()> {
        self.create_topic_with(name, n_partitions, TopicOptions::default())
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// As for [`Broker::create_topic`]; *config* also for a limit of no bytes.
    pub fn create_topic_with(
        &self,
        name: &str,
        n_partitions: usize,
        options: TopicOptions,
    ) -> Result<()> {
        let refuse = |why: &str| Err(Error::config(format!("create topic \"{name}\": {why}")));
        if name.is_empty() {
            return refuse("a topic needs a name");
        }
        if n_partitions == 0 || u32::try_from(n_partitions).is_err() {
            return refuse("a topic needs at least one partition and at most 4,294,967,295");
        }
        if options.max_bytes == 0 {
            return refuse("a topic that keeps no bytes takes no record");
        }
        let mut topics = self.0.topics.write().unwrap_or_else(PoisonError::into_inner);
        if topics.contains_key(name) {
            return refuse("it exists already");
        }
        let topic = Topic::new(name, n_partitions, options, Arc::clone(&self.0.clock));
        topics.insert(name.to_owned(), Arc::new(topic));
        Ok(())
    }

    /// Adds empty partitions to a topic. Keys may belong to other partitions from here on.
    ///
    /// # Errors
    /// *Config* when the topic does not exist.
    pub fn add_partitions(&self, topic: &str, n_more: usize) -> Result<()> {
        self.topic(topic)?.add_partitions(n_more);
        Ok(())
    }

    /// All topics, by name.
    pub fn topics(&self) -> Vec<TopicSummary> {
        let topics = self.0.topics.read().unwrap_or_else(PoisonError::into_inner);
        let summary = |(name, topic): (&String, &Arc<Topic>)| TopicSummary {
            name: name.clone(),
            n_partitions: topic.lock().logs.len(),
        };
        topics.iter().map(summary).collect()
    }

    /// How many records a topic keeps now.
    ///
    /// # Errors
    /// *Config* when the topic does not exist.
    pub fn len(&self, topic: &str) -> Result<u64> {
        Ok(self.positions(topic)?.into_iter().map(|kept| kept.end - kept.start).sum())
    }

    /// For each partition the position of the first record kept, and of the next one to come.
    ///
    /// # Errors
    /// *Config* when the topic does not exist.
    pub fn positions(&self, topic: &str) -> Result<Vec<Range<u64>>> {
        let topic = self.topic(topic)?;
        let state = topic.lock();
        Ok(state.logs.iter().map(|log| log.first()..log.next()).collect())
    }

    /// All records that a topic keeps now, partition by partition.
    ///
    /// # Errors
    /// *Config* when the topic does not exist.
    pub fn records(&self, topic: &str) -> Result<Vec<OwnedRecord>> {
        const ALL: Limits = Limits { bytes: usize::MAX, records: usize::MAX };
        let topic = self.topic(topic)?;
        let mut batch = RecordBatch::default();
        let mut records = Vec::new();
        let state = topic.lock();
        for (partition, log) in (0..).zip(state.logs.iter()) {
            batch.clear();
            batch.set_origin(&crate::source::origin(&topic.name, partition));
            log.copy(log.first(), log.next(), &mut batch, ALL);
            records.extend(batch.iter().map(Record::to_owned));
        }
        Ok(records)
    }

    /// Gives up the records of a partition before a position: readers that stood there find it expired.
    ///
    /// # Errors
    /// *Config* when topic or partition do not exist.
    pub fn drop_before(&self, topic: &str, partition: u32, position: u64) -> Result<()> {
        self.topic(topic)?.drop_before(partition, position)
    }

    /// The committed positions of a group by partition; empty for a group that the topic does not know.
    ///
    /// # Errors
    /// *Config* when the topic does not exist.
    pub fn committed(&self, topic: &str, group: &str) -> Result<Vec<Option<u64>>> {
        let topic = self.topic(topic)?;
        let state = topic.lock();
        Ok(state.positions(group).cloned().unwrap_or_default())
    }

    /// Forgets a group, so that it no longer holds records back in a full topic.
    ///
    /// # Errors
    /// *Config* when the topic does not exist.
    pub fn remove_group(&self, topic: &str, group: &str) -> Result<()> {
        self.topic(topic)?.remove_group(group);
        Ok(())
    }

    /// Opens a producer.
    ///
    /// # Errors
    /// *Config* when the topic does not exist.
    pub fn producer(&self, topic: &str) -> Result<Producer> {
        Ok(Producer::new(self.topic(topic)?))
    }

    /// Opens a consumer of all partitions, from the first record kept. It leaves no trace and holds nothing back.
    ///
    /// # Errors
    /// *Config* when the topic does not exist.
    pub fn consumer(&self, topic: &str) -> Result<Consumer> {
        Ok(Consumer::of_all(&self.topic(topic)?, None))
    }

    /// Opens a consumer of all partitions that goes on where its group has committed.
    ///
    /// Consumers of one group do not share the work: each reads all partitions, and the last commit counts.
    ///
    /// # Errors
    /// *Config* when the topic does not exist.
    pub fn group_consumer(&self, topic: &str, group: &str) -> Result<Consumer> {
        Ok(Consumer::of_all(&self.topic(topic)?, Some(group)))
    }

    /// Faults to order for a topic, in tests.
    ///
    /// # Errors
    /// *Config* when the topic does not exist.
    pub fn faults(&self, topic: &str) -> Result<Faults> {
        Ok(Faults(self.topic(topic)?))
    }

    /// The time of records that bring none.
    pub(crate) fn unix_millis(&self) -> i64 {
        self.0.clock.unix_millis()
    }

    /// The topic of this name, made with the default settings where it does not exist.
    pub(crate) fn topic_or_new(&self, name: &str, n_partitions: u32) -> Result<Arc<Topic>> {
        let n_partitions = usize::try_from(n_partitions).unwrap_or(usize::MAX);
        match self.topic(name) {
            // Another writer may make it at this moment, and then it is there all the same.
            Err(_) => self.create_topic(name, n_partitions).or_else(|_| self.topic(name).map(drop)),
            Ok(_) => Ok(()),
        }?;
        self.topic(name)
    }

    pub(crate) fn topic(&self, name: &str) -> Result<Arc<Topic>> {
        let topics = self.0.topics.read().unwrap_or_else(PoisonError::into_inner);
        let found = topics.get(name).cloned();
        drop(topics);
        found.ok_or_else(|| error::unknown_topic(name, &self.topics()))
    }
}
