//! The source as a program configures it.

use std::time::Duration;

use millstream_engine::Preset;
use millstream_engine::error::{Error, Result};
use millstream_engine::source::{
    Acknowledges, OpenContext, Partition, PartitionFinder, Reader as ReaderContract, ReaderContext,
    Source as SourceContract, SourceCapabilities,
};
use millstream_engine::url::ConnectorUrl;

use crate::config::{End, Expired, Isolation, Security, SourceConfig, Start};
use crate::consumer::Consumer;
use crate::finder::Finder;
use crate::reader::Reader;

/// The connector's name.
pub(crate) const CONNECTOR: &str = "kafka";

/// Reads records from Kafka topics.
///
/// Order per partition is kept. New partitions, and new topics that match the pattern, are read from their first record on while
/// the dataflow runs.
///
/// A topic that is deleted, or deleted and made again, is an error once, with its name; its partitions rest from then on. Where the
/// program takes the source's failures as a stream, the others go on.
///
/// # Delivery
/// At least once: the offsets of the consumer group, and the stored positions, go on when every sink has its records durable. A
/// crash repeats what was read after that.
///
/// # Errors
/// `E0101` no broker can be reached · `E0102` the broker names an address that this host cannot use · `E0110` a topic does not
/// exist, or was deleted while it was read · `E0111` a position has expired, or is of a topic that was made again · `E0120`, `E0121`
/// login or permission refused · `E0122` no token · `E0130` to `E0134` a certificate is refused, or TLS fails.
///
/// # Examples
/// ```
/// use millstream_kafka::{Isolation, Source, Start};
/// use millstream_engine::source::Source as _;
///
/// let orders = Source::new("localhost:9092", "orders")
///     .with_start(Start::Latest)
///     .with_isolation(Isolation::ReadUncommitted)
///     .with_option("socket.keepalive.enable", "true");
/// assert!(orders.faults().is_empty());
///
/// let wrong = Source::new("localhost:9092", "orders").with_option("fetch.max.byte", "1");
/// assert_eq!(wrong.faults()[0].hint(), Some("Did you mean \"fetch.max.bytes\"?"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    config: SourceConfig,
}

impl Source {
    /// Reads `topic` from the cluster that `brokers` (`host:port`, separated by commas) belong to.
    pub fn new(brokers: impl Into<String>, topic: impl Into<String>) -> Self {
        Self { config: SourceConfig::new(brokers, topic) }
    }

    /// Reads all topics whose whole names match a regular expression; [`SourceConfig::pattern`].
    ///
    /// Where none does, it waits for one, with a warning.
    ///
    /// # Examples
    /// ```
    /// use millstream_kafka::Source;
    /// use millstream_engine::source::Source as _;
    ///
    /// assert!(Source::matching("localhost:9092", r"orders\.(eu|us)").faults().is_empty());
    /// assert_eq!(Source::matching("localhost:9092", "orders.(").faults().len(), 1);
    /// ```
    pub fn matching(brokers: impl Into<String>, pattern: impl Into<String>) -> Self {
        Self { config: SourceConfig::matching(brokers, pattern) }
    }

    /// Reads as `config` says.
    pub fn from_config(config: SourceConfig) -> Self {
        Self { config }
    }

    /// Reads as a URL says: its address names the brokers, its path a topic, its fields settings by the names of [`SourceConfig`].
    ///
    /// Lists are separated by commas, times are such as `500ms`, sizes such as `16MiB`. `start` and `end` are `earliest`, `latest`,
    /// `never`, `timestamp:MILLIS` or `explicit:PARTITION:OFFSET,…`; `partitions` are numbers of the one topic. `preset` goes before
    /// all others; `option.NAME` is [`Source::with_option`]. TLS and login are `tls`, `ca_file`, `certificate_file`, `key_file`,
    /// `key_password_file`, `danger_accept_any_certificate`, `login` (`plain`, `scram_sha_256`, `scram_sha_512`, `oauthbearer`),
    /// `user`, `password_file`, `token_file`, where `_env` instead of `_file` names a variable of the environment for a secret.
    ///
    /// # Errors
    /// *Config*, with every field that is unknown or wrong at once.
    ///
    /// # Examples
    /// ```
    /// use millstream_kafka::{Source, Start};
    ///
    /// let orders = Source::from_url(&"kafka://h1:9092,h2:9092/orders?start=latest".parse()?)?;
    /// assert_eq!(orders, Source::new("h1:9092,h2:9092", "orders").with_start(Start::Latest));
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    pub fn from_url(url: &ConnectorUrl) -> Result<Self> {
        SourceConfig::from_url(url).map(Self::from_config)
    }

    /// Sets what `preset` sets; what is set by hand comes after it. [`Preset`] lists the fields.
    #[must_use]
    pub fn with_preset(self, preset: Preset) -> Self {
        Self { config: self.config.with_preset(preset) }
    }

    /// The settings, as they are now.
    pub fn config(&self) -> &SourceConfig {
        &self.config
    }

    /// Reads one topic more; [`SourceConfig::topics`].
    #[must_use]
    pub fn with_topic(mut self, topic: impl Into<String>) -> Self {
        self.config.topics.push(topic.into());
        self
    }

    /// Bounds how many topics a pattern may match; [`SourceConfig::max_topics`].
    #[must_use]
    pub fn with_max_topics(mut self, n_topics: usize) -> Self {
        self.config.max_topics = n_topics;
        self
    }

    /// Reads only these partitions; [`SourceConfig::partitions`].
    #[must_use]
    pub fn with_partitions(mut self, partitions: impl IntoIterator<Item = Partition>) -> Self {
        self.config.partitions = partitions.into_iter().collect();
        self
    }

    /// Sets the consumer group; [`SourceConfig::group`].
    #[must_use]
    pub fn with_group(mut self, group: impl Into<String>) -> Self {
        self.config.group = Some(group.into());
        self
    }

    /// Sets the name at the broker; [`SourceConfig::client_id`].
    #[must_use]
    pub fn with_client_id(mut self, client_id: impl Into<String>) -> Self {
        self.config.client_id = Some(client_id.into());
        self
    }

    /// Sets where reading starts; [`SourceConfig::start`].
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.config.start = start;
        self
    }

    /// Starts at these offsets, whatever was stored; [`Start::Explicit`].
    #[must_use]
    pub fn with_positions(self, positions: impl IntoIterator<Item = (Partition, u64)>) -> Self {
        self.with_start(Start::Explicit(positions.into_iter().collect()))
    }

    /// Sets where reading ends; [`SourceConfig::end`].
    #[must_use]
    pub fn with_end(mut self, end: End) -> Self {
        self.config.end = end;
        self
    }

    /// Ends at the end of what is there; short for [`End::Latest`].
    #[must_use]
    pub fn until_end(self) -> Self {
        self.with_end(End::Latest)
    }

    /// Sets what happens when a position has expired; [`SourceConfig::expired`].
    #[must_use]
    pub fn with_expired(mut self, expired: Expired) -> Self {
        self.config.expired = expired;
        self
    }

    /// Sets which records of transactions are read; [`SourceConfig::isolation`].
    #[must_use]
    pub fn with_isolation(mut self, isolation: Isolation) -> Self {
        self.config.isolation = isolation;
        self
    }

    /// Bounds what is fetched ahead, in bytes; [`SourceConfig::queue_bytes`].
    #[must_use]
    pub fn with_queue_bytes(mut self, bytes: usize) -> Self {
        self.config.queue_bytes = bytes;
        self
    }

    /// Bounds what is fetched ahead, in records; [`SourceConfig::queue_records`].
    #[must_use]
    pub fn with_queue_records(mut self, n_records: usize) -> Self {
        self.config.queue_records = n_records;
        self
    }

    /// Bounds an answer to a fetch; [`SourceConfig::fetch_bytes`].
    #[must_use]
    pub fn with_fetch_bytes(mut self, bytes: usize) -> Self {
        self.config.fetch_bytes = bytes;
        self
    }

    /// Bounds one partition of an answer to a fetch; [`SourceConfig::fetch_partition_bytes`].
    #[must_use]
    pub fn with_fetch_partition_bytes(mut self, bytes: usize) -> Self {
        self.config.fetch_partition_bytes = bytes;
        self
    }

    /// Sets how long the broker may hold an empty fetch; [`SourceConfig::fetch_wait`].
    #[must_use]
    pub fn with_fetch_wait(mut self, wait: Duration) -> Self {
        self.config.fetch_wait = wait;
        self
    }

    /// Sets how long the client waits when its queue is full; [`SourceConfig::fetch_backoff`].
    #[must_use]
    pub fn with_fetch_backoff(mut self, backoff: Duration) -> Self {
        self.config.fetch_backoff = backoff;
        self
    }

    /// Sets TLS and the login; [`SourceConfig::security`].
    #[must_use]
    pub fn with_security(mut self, security: Security) -> Self {
        self.config.security = security;
        self
    }

    /// Sets an option of librdkafka that has no setter here; [`SourceConfig::options`].
    #[must_use]
    pub fn with_option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.options.0.insert(key.into(), value.into());
        self
    }

    fn open(&self, cx: &OpenContext) -> Result<Consumer> {
        Consumer::open(self.config.client_config(&cx.qualified_name()), &self.config.security, cx)
    }
}

impl SourceContract for Source {
    fn connector(&self) -> &'static str {
        CONNECTOR
    }

    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities {
            replayable: true,
            ordered: true,
            acknowledges: Acknowledges::Cumulatively,
            redelivers: true,
            bounded: self.config.end != End::Never,
        }
    }

    fn faults(&self) -> Vec<Error> {
        self.config.faults()
    }

    fn finder(&self, cx: &OpenContext) -> Result<Box<dyn PartitionFinder>> {
        Ok(Box::new(Finder::new(self.open(cx)?, self.config.clone(), cx.open_timeout)?))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn ReaderContract>> {
        let consumer = self.open(&cx.open)?;
        Ok(Box::new(Reader::new(consumer, cx, &self.config)))
    }
}
