//! The sink as a program configures it.

use std::time::{Duration, Instant};

use millstream_engine::error::{Error, Result};
use millstream_engine::routing::TopicPolicy;
use millstream_engine::sink::{
    Sink as SinkContract, SinkCapabilities, WhenFull, Writer as WriterContract, WriterContext,
};
use millstream_engine::source::OpenContext;
use millstream_engine::url::ConnectorUrl;
use millstream_engine::{Preset, io};

use crate::config::{AccessMode, Compression, Partitioner, Schema, Security, SinkConfig};
use crate::encryption::Encryption;
use crate::encryption::encryptor::Encryptor;
use crate::net::cluster::Cluster;
use crate::net::{Trouble, runtime};
use crate::outbox::not_found;
use crate::producer::{Place, Reason, try_out};
use crate::router::Router;
use crate::topic_name::TopicName;
use crate::writer::Writer;

/// Writes records to a Pulsar topic.
///
/// Order per partition, and so per key, is kept. Headers become properties, whose values are text: a record with a header that is
/// not UTF-8, or that is null, is rejected with `E0304`. A key that is not UTF-8 is sent as base64, which readers undo by themselves.
/// A task per partition on the I/O runtime does all that waits, with many batches under way at once.
///
/// # Delivery
/// At least once: a record is durable when the broker has confirmed its batch. What is unconfirmed when a connection ends is sent
/// again with the same numbers, so that a namespace with deduplication stores it once; without it such records may be there twice. A
/// crash repeats what was not durable. A receipt that says "dropped as a duplicate" of a batch that was sent once is an error, never
/// a confirmation.
///
/// # Errors
/// `E0101` no broker can be reached, `E0110` the topic does not exist, `E0120` and `E0121` login or permission are refused, `E0201`
/// the producer's name or the exclusive access is taken, or the schema does not fit. A record that cannot be delivered is rejected:
/// `E0141` it is larger than the broker takes, `E0142` the queue is full and it is not to wait, `E0304` it has no form in Pulsar,
/// `E0140` everything else.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use millstream_engine::sink::Sink as _;
/// use millstream_pulsar::{Compression, Sink};
///
/// let good = Sink::new("pulsar://localhost:6650", "orders.good")
///     .with_compression(Compression::Zstd)
///     .with_compression_level(3)
///     .with_linger(Duration::from_millis(20));
/// assert!(good.faults().is_empty());
///
/// let wrong = Sink::new("pulsar://localhost:6650", "a/b").with_queue_records(0);
/// assert_eq!(wrong.faults().len(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct Sink {
    config: SinkConfig,
}

impl Sink {
    /// Writes to `topic` on the cluster of `service_url`: `pulsar://HOST:PORT`, or `HOST:PORT`.
    pub fn new(service_url: impl AsRef<str>, topic: impl Into<String>) -> Self {
        Self { config: SinkConfig::new(service_url.as_ref(), topic) }
    }

    /// Writes every record to the topic that it says, as far as `policy` allows it.
    ///
    /// Each topic has a producer of its own, made when the first record to it comes, 32 at a time, off the worker; its records wait in
    /// the queue meanwhile, those to other topics go on. A topic that nothing under way needs gives up its place to another one, the
    /// one not used for longest first. Order per key is kept in each topic.
    ///
    /// # Errors
    /// A record is rejected: `E0118` it says no topic, `E0115` its topic's name cannot be one, `E0116` the policy does not allow it,
    /// `E0117` too many topics are in use, `E0110` the topic or the partition it says does not exist.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::sink::Sink as _;
    /// use millstream_pulsar::{Sink, TopicPolicy};
    ///
    /// let tenants = Sink::routed("localhost:6650", TopicPolicy::prefix("orders."));
    /// assert!(tenants.faults().is_empty());
    /// assert!(tenants.capabilities().routes);
    /// ```
    pub fn routed(service_url: impl AsRef<str>, policy: TopicPolicy) -> Self {
        let config = SinkConfig::new(service_url.as_ref(), "");
        Self { config: SinkConfig { routing: Some(policy), ..config } }
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
    /// use millstream_pulsar::{Compression, Sink};
    ///
    /// let good = Sink::from_url(&"pulsar://h:6650/orders.good?compression=lz4".parse()?)?;
    /// assert_eq!(good.config().compression, Compression::Lz4);
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

    /// Names the admin API, which creates topics with partitions; [`ClusterConfig::admin_url`](crate::ClusterConfig::admin_url).
    #[must_use]
    pub fn with_admin_url(mut self, url: impl Into<String>) -> Self {
        self.config.cluster.admin_url = Some(url.into());
        self
    }

    /// Sets TLS and the login; [`ClusterConfig::security`](crate::ClusterConfig::security).
    #[must_use]
    pub fn with_security(mut self, security: Security) -> Self {
        self.config.cluster.security = security;
        self
    }

    /// Names the producer; [`SinkConfig::producer_name`].
    #[must_use]
    pub fn with_producer_name(mut self, name: impl Into<String>) -> Self {
        self.config.producer_name = Some(name.into());
        self
    }

    /// Sets who else may write; [`SinkConfig::access_mode`].
    #[must_use]
    pub fn with_access_mode(mut self, mode: AccessMode) -> Self {
        self.config.access_mode = mode;
        self
    }

    /// Declares what the topic holds; [`SinkConfig::schema`].
    #[must_use]
    pub fn with_schema(mut self, schema: Schema) -> Self {
        self.config.schema = schema;
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

    /// Encrypts what is written; [`SinkConfig::encryption`].
    #[must_use]
    pub fn with_encryption(mut self, encryption: Encryption) -> Self {
        self.config.encryption = Some(encryption);
        self
    }

    /// Sets how long a record is tried; [`SinkConfig::send_timeout`].
    #[must_use]
    pub fn with_send_timeout(mut self, timeout: Duration) -> Self {
        self.config.send_timeout = timeout;
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

    /// Sets when a topic without records is closed; [`SinkConfig::idle_timeout`].
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.config.idle_timeout = timeout;
        self
    }

    /// Shows that the target can be written, within `limit`: a producer is made and closed again.
    fn check(&self, limit: Duration) -> Result<()> {
        if let Some(encryption) = self.config.encryption.clone() {
            Encryptor::new(encryption, Instant::now())?;
        }
        let cluster = Cluster::new(&self.config.cluster);
        let work = async {
            if self.config.routing.is_some() {
                return reach(&cluster).await;
            }
            let topic = &self.config.topic;
            let name = TopicName::parse(topic).map_err(Error::config)?;
            let n_partitions = cluster.n_partitions(name.as_str()).await;
            let n_partitions = n_partitions.map_err(|trouble| not_found(&trouble, topic))?;
            let partition = (n_partitions > 0).then_some(0);
            let name = partition.map_or(name.clone(), |partition| name.at_partition(partition));
            // A writer of its own has a name of its own: that of the first one is tried.
            let settings = self.config.settings((0, 1));
            let tried = try_out(&cluster, &settings, name.as_str()).await;
            let place = Place { topic: topic.as_str().into(), partition };
            tried.map_err(|trouble| Reason::Refused(trouble).fatal(&place))
        };
        let in_time = async { tokio::time::timeout(limit, work).await };
        runtime::handle().block_on(in_time).unwrap_or_else(|_late| {
            let broker = self.config.cluster.service_url.clone();
            let silent = Trouble::Silent { broker, what: "a producer" };
            Err(crate::error::error_of(&silent, "write to Pulsar"))
        })
    }
}

/// Shows that a broker answers: what it says of a topic that nobody has does not matter.
async fn reach(cluster: &Cluster) -> Result<()> {
    match cluster.n_partitions("persistent://public/default/millstream-reach").await {
        Ok(_) | Err(Trouble::Refused { .. }) => Ok(()),
        Err(trouble) => Err(crate::error::error_of(&trouble, "reach Pulsar")),
    }
}

impl SinkContract for Sink {
    fn connector(&self) -> &'static str {
        "pulsar"
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
            idempotent: self.config.producer_name.is_some(),
            headers: true,
            routes: self.config.routing.is_some(),
        }
    }

    fn faults(&self) -> Vec<Error> {
        self.config.faults()
    }

    fn prepare(&self, cx: &OpenContext) -> Result<()> {
        io::handle()?;
        self.check(cx.open_timeout).map_err(|error| error.at_step(&cx.step))
    }

    fn writer(&self, cx: WriterContext) -> Result<Box<dyn WriterContract>> {
        io::handle()?;
        Ok(match &self.config.routing {
            Some(policy) => Box::new(Router::open(&self.config, policy, cx)),
            None => Box::new(Writer::open(&self.config, cx)),
        })
    }
}
