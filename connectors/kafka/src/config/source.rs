//! What a program can set on a source.

use std::time::Duration;

use millstream_engine::error::Error;
use millstream_engine::source::Partition;
use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};

use super::options::{Options, Taken};
use super::security::Security;
use super::topics::topic_faults;
use super::{kbytes, millis, set_defaults};

/// Where reading starts when neither a stored position nor a committed offset says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// At the oldest record that the broker still has.
    Earliest,
    /// At the end: only records written from now on.
    Latest,
    /// At the first record of this time or later, in milliseconds since the Unix epoch; at the end where there is none.
    Timestamp(i64),
    /// At these offsets, which go before stored positions; partitions not named start as if this were [`Start::Earliest`].
    Explicit(Vec<(Partition, u64)>),
}

/// Where reading ends. What lies at or behind the end is not handed out; a partition that starts there ends at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Nowhere: reading goes on for ever.
    Never,
    /// At the end of what is there when the reader gets there.
    Latest,
    /// At the first record of this time or later, in milliseconds since the Unix epoch, as the broker finds it at the start; where
    /// there is none, as [`End::Latest`].
    Timestamp(i64),
    /// At these offsets, which are waited for where they lie ahead of what is there; partitions not named end as if this were
    /// [`End::Latest`].
    Explicit(Vec<(Partition, u64)>),
}

/// What to do when a position has expired: the broker has deleted the record there, or the whole topic, and another one has its
/// name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expired {
    /// Stop with error `E0111`: records were lost, and somebody should know.
    Stop,
    /// Go on at the oldest record there is, with a warning.
    Earliest,
    /// Go on at the end, with a warning.
    Latest,
}

/// Which records of transactions are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Only committed ones.
    ReadCommitted,
    /// All, also of transactions that are open or were aborted.
    ReadUncommitted,
}

/// The settings of a source. The bounds are per reader: one reader runs per worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Addresses to start from, `host:port`, separated by commas.
    pub brokers: String,
    /// The topics, at least one unless there is a pattern.
    pub topics: Vec<String>,
    /// A regular expression that whole names of topics match, instead of named topics. Default: none. Topics that match later are
    /// read from their first record on; those whose names begin with two underscores, as Kafka's own do, never.
    pub pattern: Option<String>,
    /// Topics that the pattern may match at most; more are an error. Default: 1000. Too high: a careless pattern reads a whole
    /// cluster, and each partition costs memory.
    pub max_topics: usize,
    /// The partitions to read. Default: empty, which is all of them, and new ones as they appear.
    pub partitions: Vec<Partition>,
    /// The consumer group that offsets are committed to, for Kafka's own tools and for a restart without stored positions.
    /// Default: `<dataflow>.<step>`. Two dataflows of one group overwrite each other's offsets.
    pub group: Option<String>,
    /// The name in the broker's logs and quotas. Default: `<dataflow>.<step>`.
    pub client_id: Option<String>,
    /// Where reading starts. Default: [`Start::Earliest`].
    pub start: Start,
    /// Where reading ends. Default: [`End::Never`].
    pub end: End,
    /// What to do about an expired position, and about a topic that was deleted and made again. Default: [`Expired::Stop`].
    pub expired: Expired,
    /// Which records of transactions are read. Default: [`Isolation::ReadCommitted`].
    pub isolation: Isolation,
    /// Bytes of records that the client fetches ahead, over all partitions of a reader, to which comes one fetch per partition.
    /// Default: 16 MiB. Too low: the reader waits for the network; too high: memory.
    pub queue_bytes: usize,
    /// Records that the client fetches ahead, over all partitions of a reader; each costs about 400 bytes beside its own.
    /// Default: 50,000 (20 MiB). Too low: the reader waits for the network; too high: memory.
    pub queue_records: usize,
    /// Bytes of one answer to a fetch, over all its partitions. Default: 8 MiB. Too low: many requests; too high: memory.
    pub fetch_bytes: usize,
    /// Bytes of one partition in an answer to a fetch, as they are stored, so compressed; a larger record comes alone. Default:
    /// 1 MiB. Too low: many requests; too high: memory, for every partition.
    pub fetch_partition_bytes: usize,
    /// How long the broker may hold a fetch that it has nothing for. Default: 500 ms; a record that comes ends the wait at
    /// once. Too low: idle topics cost requests.
    pub fetch_wait: Duration,
    /// How long the client waits before it fetches again when its queue was full. Default: 5 ms. Too high: the reader idles after
    /// every full queue; too low: the client's threads spin.
    pub fetch_backoff: Duration,
    /// TLS and the login. Default: neither.
    #[serde(default)]
    pub security: Security,
    /// Options of librdkafka that no field above sets.
    pub options: Options,
}

/// Keys that a field sets, or that the connector decides.
const TAKEN: &[Taken] = &[
    ("group.id", "`with_group`"),
    ("isolation.level", "`with_isolation`"),
    ("auto.offset.reset", "`with_start` and `with_expired`"),
    ("queued.max.messages.kbytes", "`with_queue_bytes`"),
    ("queued.min.messages", "`with_queue_records`"),
    ("fetch.max.bytes", "`with_fetch_bytes`"),
    ("fetch.message.max.bytes", "`with_fetch_partition_bytes`"),
    ("max.partition.fetch.bytes", "`with_fetch_partition_bytes`"),
    ("fetch.wait.max.ms", "`with_fetch_wait`"),
    ("fetch.queue.backoff.ms", "`with_fetch_backoff`"),
    ("enable.partition.eof", "`with_end`"),
    ("enable.auto.commit", ""),
    ("auto.commit.enable", ""),
    ("auto.commit.interval.ms", ""),
    ("enable.auto.offset.store", ""),
    ("group.protocol", ""),
    ("group.instance.id", ""),
    ("partition.assignment.strategy", ""),
];

impl SourceConfig {
    /// The defaults, for one topic.
    pub fn new(brokers: impl Into<String>, topic: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            topics: vec![topic.into()],
            pattern: None,
            max_topics: 1000,
            partitions: Vec::new(),
            group: None,
            client_id: None,
            start: Start::Earliest,
            end: End::Never,
            expired: Expired::Stop,
            isolation: Isolation::ReadCommitted,
            queue_bytes: 16 << 20,
            queue_records: 50_000,
            fetch_bytes: 8 << 20,
            fetch_partition_bytes: 1 << 20,
            fetch_wait: Duration::from_millis(500),
            fetch_backoff: Duration::from_millis(5),
            security: Security::default(),
            options: Options::default(),
        }
    }

    /// The defaults, for all topics whose names match a regular expression.
    pub fn matching(brokers: impl Into<String>, pattern: impl Into<String>) -> Self {
        let config = Self::new(brokers, "");
        Self { topics: Vec::new(), pattern: Some(pattern.into()), ..config }
    }

    /// All faults, found without touching the network.
    pub fn faults(&self) -> Vec<Error> {
        let mut faults = Vec::new();
        if self.brokers.trim().is_empty() {
            faults.push(
                Error::config("find Kafka: the address is empty").with_hint("Give `host:port`."),
            );
        }
        faults.extend(topic_faults(self));
        faults.extend(self.security.faults());
        faults.extend(self.options.faults(&self.client_config("name"), TAKEN));
        faults
    }

    /// The client's settings; `qualified_name` where no name is given.
    pub(crate) fn client_config(&self, qualified_name: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        set_defaults(&mut config);
        // As Java's consumers; librdkafka would hand out damaged records in silence.
        config.set("check.crcs", "true");
        self.options.apply(&mut config);
        let isolation = match self.isolation {
            Isolation::ReadCommitted => "read_committed",
            Isolation::ReadUncommitted => "read_uncommitted",
        };
        let expired = match self.expired {
            Expired::Stop => "error",
            Expired::Earliest => "earliest",
            Expired::Latest => "latest",
        };
        config
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", self.group.as_deref().unwrap_or(qualified_name))
            .set("client.id", self.client_id.as_deref().unwrap_or(qualified_name))
            .set("isolation.level", isolation)
            .set("auto.offset.reset", expired)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", if self.end == End::Never { "false" } else { "true" })
            .set("queued.max.messages.kbytes", kbytes(self.queue_bytes))
            .set("queued.min.messages", self.queue_records.to_string())
            .set("fetch.max.bytes", self.fetch_bytes.max(self.fetch_partition_bytes).to_string())
            .set("fetch.message.max.bytes", self.fetch_partition_bytes.to_string())
            .set("fetch.wait.max.ms", millis(self.fetch_wait))
            .set("fetch.queue.backoff.ms", millis(self.fetch_backoff));
        config
    }
}
