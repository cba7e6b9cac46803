//! The sink as a program configures it.

use std::time::Duration;

use millstream_engine::Preset;
use millstream_engine::error::{Error, Result};
use millstream_engine::routing::TopicPolicy;
use millstream_engine::sink::{
    Sink as SinkContract, SinkCapabilities, WhenFull, Writer as WriterContract, WriterContext,
};
use millstream_engine::source::OpenContext;
use millstream_engine::url::ConnectorUrl;

use crate::config::{Compression, Partitioner, Security, SinkConfig};
use crate::consumer::Consumer;
use crate::router::Router;
use crate::source::CONNECTOR;
use crate::writer::Writer;

/// Writes records to a Kafka topic.
///
/// Order per partition, and so per key, is kept. A record without a time gets the time at which it is taken. Each writer has a
/// producer of its own, whose threads do all that waits: one sends and receives, one looks topics up, and one sets up each new
/// connection.
///
/// # Delivery
/// At least once: a record is durable when all in-sync replicas have it. A batch that is sent again repeats nothing; a crash
/// repeats what was not durable. Where a batch that may have been written is given up on, those sent behind it may be there twice.
///
/// # Errors
/// `E0101`, `E0102`, `E0110`, `E0120` to `E0134` as for a source. A record that cannot be delivered is rejected: `E0141` it is too
/// large, `E0142` the queue is full and it is not to wait, `E0121` a permission is missing, `E0140` everything else.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use millstream_kafka::{Compression, Sink};
/// use millstream_engine::sink::Sink as _;
///
/// let good = Sink::new("localhost:9092", "orders.good")
///     .with_compression(Compression::Lz4)
///     .with_linger(Duration::from_millis(20));
/// assert!(good.faults().is_empty());
///
/// let wrong = Sink::new("localhost:9092", "orders.good").with_option("linger.ms", "20");
/// assert_eq!(wrong.faults()[0].hint(), Some("Leave it out and use `with_linger`."));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    config: SinkConfig,
}

impl Sink {
    /// Writes to `topic` on the cluster that `brokers` (`host:port`, separated by commas) belong to.
    pub fn new(brokers: impl Into<String>, topic: impl Into<String>) -> Self {
        Self { config: SinkConfig::new(brokers, topic) }
    }

    /// Writes every record to the topic that it says, as far as `policy` allows it.
    ///
    /// One producer writes to all topics, in batches per topic and partition. A topic is looked up when the first record to it comes,
    /// off the worker; its records wait in the queue meanwhile, those to other topics go on. Order per key is kept in each topic.
    ///
    /// # Errors
    /// A record is rejected: `E0118` it says no topic, `E0115` its topic's name cannot be one, `E0116` the policy does not allow it,
    /// `E0117` too many topics are in use, `E0110` the topic or the partition it says does not exist.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::sink::Sink as _;
    /// use millstream_kafka::{Sink, TopicPolicy};
    ///
    /// let tenants = Sink::routed("localhost:9092", TopicPolicy::prefix("orders.").with_creation(4));
    /// assert!(tenants.faults().is_empty());
    /// assert!(tenants.capabilities().routes);
    /// ```
    pub fn routed(brokers: impl Into<String>, policy: TopicPolicy) -> Self {
        let config = SinkConfig { routing: Some(policy), ..SinkConfig::new(brokers, "") };
        Self { config }
    }

    /// Writes as `config` says.
    pub fn from_config(config: SinkConfig) -> Self {
        Self { config }
    }

    /// Writes as a URL says: its address names the brokers, its path the topic, its fields settings by the names of [`SinkConfig`],
    /// as in [`Source::from_url`](crate::Source::from_url).
    ///
    /// Where the topic ends in `*`, or the field `topics` names some, records go to the topics that they say;
    /// [`TopicPolicy::from_url`] has the fields.
    ///
    /// # Errors
    /// *Config*, with every field that is unknown or wrong at once.
    ///
    /// # Examples
    /// ```
    /// use millstream_kafka::{Compression, Sink};
    ///
    /// let good = Sink::from_url(&"kafka://h:9092/orders.good?compression=lz4".parse()?)?;
    /// assert_eq!(good, Sink::new("h:9092", "orders.good").with_compression(Compression::Lz4));
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    pub fn from_url(url: &ConnectorUrl) -> Result<Self> {
        SinkConfig::from_url(url).map(Self::from_config)
    }

    /// Sets what `preset` sets; what is set by hand comes after it. [`Preset`] lists the fields.
    #[must_use]
    pub fn with_preset(self, preset: Preset) -> Self {
        Self { config: self.config.with_preset(preset) }
    }

    /// The settings, as they are now.
    pub fn config(&self) -> &SinkConfig {
        &self.config
    }

    /// Sets the name at the broker; [`SinkConfig::client_id`].
    #[must_use]
    pub fn with_client_id(mut self, client_id: impl Into<String>) -> Self {
        self.config.client_id = Some(client_id.into());
        self
    }

    /// Bounds a batch in records, where 1 is no batching; [`SinkConfig::batch_records`].
    #[must_use]
    pub fn with_batch_records(mut self, n_records: usize) -> Self {
        self.config.batch_records = n_records;
        self
    }

    /// Bounds a batch in bytes; [`SinkConfig::batch_bytes`].
    #[must_use]
    pub fn with_batch_bytes(mut self, bytes: usize) -> Self {
        self.config.batch_bytes = bytes;
        self
    }

    /// Sets how long a record may wait for others; [`SinkConfig::linger`].
    #[must_use]
    pub fn with_linger(mut self, linger: Duration) -> Self {
        self.config.linger = linger;
        self
    }

    /// Sets the compression; [`SinkConfig::compression`].
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.config.compression = compression;
        self
    }

    /// Sets the level of the compression; [`SinkConfig::compression_level`].
    #[must_use]
    pub fn with_compression_level(mut self, level: i32) -> Self {
        self.config.compression_level = Some(level);
        self
    }

    /// Sets how long a record is tried; [`SinkConfig::delivery_timeout`].
    #[must_use]
    pub fn with_delivery_timeout(mut self, timeout: Duration) -> Self {
        self.config.delivery_timeout = timeout;
        self
    }

    /// Bounds what is not confirmed yet, in records; [`SinkConfig::queue_records`].
    #[must_use]
    pub fn with_queue_records(mut self, n_records: usize) -> Self {
        self.config.queue_records = n_records;
        self
    }

    /// Bounds what is not confirmed yet, in bytes; [`SinkConfig::queue_bytes`].
    #[must_use]
    pub fn with_queue_bytes(mut self, bytes: usize) -> Self {
        self.config.queue_bytes = bytes;
        self
    }

    /// Sets what becomes of records that the queue has no room for; [`SinkConfig::when_full`].
    #[must_use]
    pub fn with_when_full(mut self, when_full: WhenFull) -> Self {
        self.config.when_full = when_full;
        self
    }

    /// Sets how partitions are chosen; [`SinkConfig::partitioner`].
    #[must_use]
    pub fn with_partitioner(mut self, partitioner: Partitioner) -> Self {
        self.config.partitioner = partitioner;
        self
    }

    /// Bounds one record; [`SinkConfig::max_record_bytes`].
    #[must_use]
    pub fn with_max_record_bytes(mut self, bytes: usize) -> Self {
        self.config.max_record_bytes = bytes;
        self
    }

    /// Sets whether the broker drops what it has seen; [`SinkConfig::idempotent`].
    #[must_use]
    pub fn with_idempotent(mut self, idempotent: bool) -> Self {
        self.config.idempotent = idempotent;
        self
    }

    /// Sets TLS and the login; [`SinkConfig::security`].
    #[must_use]
    pub fn with_security(mut self, security: Security) -> Self {
        self.config.security = security;
        self
    }

    /// Sets an option that has no setter here, by librdkafka's name; [`SinkConfig::options`].
    #[must_use]
    pub fn with_option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.options.0.insert(key.into(), value.into());
        self
    }
}

impl SinkContract for Sink {
    fn connector(&self) -> &'static str {
        CONNECTOR
    }

    fn target(&self) -> String {
        match &self.config.routing {
            Some(policy) => policy.to_string(),
            None => self.config.topic.clone(),
        }
    }

    fn capabilities(&self) -> SinkCapabilities {
        SinkCapabilities {
            confirms: true,
            transactional: false,
            idempotent: self.config.idempotent,
            headers: true,
            routes: self.config.routing.is_some(),
        }
    }

    fn faults(&self) -> Vec<Error> {
        self.config.faults()
    }

    fn prepare(&self, cx: &OpenContext) -> Result<()> {
        let probe = Consumer::open(
            self.config.probe_config(&cx.qualified_name()),
            &self.config.security,
            cx,
        )?;
        if self.config.routing.is_some() {
            return probe.check_reachable();
        }
        probe.count_partitions(std::slice::from_ref(&self.config.topic))?;
        probe.check_address(&self.config.topic)
    }

    fn writer(&self, cx: WriterContext) -> Result<Box<dyn WriterContract>> {
        let Self { config } = self;
        if let Some(policy) = &config.routing {
            return Ok(Box::new(Router::open(config, policy, cx)?));
        }
        Ok(Box::new(Writer::open(config, cx)?))
    }
}
