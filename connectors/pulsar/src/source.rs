//! The source as a program configures it.

use std::time::Duration;

use millstream_engine::error::{Error, Result};
use millstream_engine::source::{
    Acknowledges, OpenContext, Partition, PartitionFinder, Reader as ReaderContract, ReaderContext,
    Source as SourceContract, SourceCapabilities,
};
use millstream_engine::url::ConnectorUrl;
use millstream_engine::{Preset, io};

use crate::config::{End, Expired, Mode, Security, SourceConfig, Start};
use crate::encryption::Decryption;
use crate::finder::Finder;
use crate::net::cluster::Cluster;
use crate::position::MessageId;
use crate::reader::Reader;

/// The connector's name.
pub(crate) const CONNECTOR: &str = "pulsar";

/// Reads messages from Pulsar topics.
///
/// New partitions, and new topics that match the pattern, are read from their first message on while the dataflow runs. Whether order is
/// kept depends on the [`Mode`]. A record's time is its event time, else when it was published.
///
/// # Delivery
/// At least once. With [`Mode::Reader`] the stored positions go on when every sink has its records durable, and reading resumes exactly
/// there, within batches too. With a subscription the broker is told what is durable, parts of batches as well, and gives out again what
/// was not acknowledged: after a crash, and also after a broker crashed before it had stored an acknowledgement. Closing never
/// unsubscribes.
///
/// # Errors
/// `E0101` no broker can be reached · `E0110` a topic does not exist · `E0111` a position has expired · `E0120`, `E0121` login or
/// permission refused · `E0201` the subscription is in use by another program, or a setting is wrong · `E0301` an entry cannot be read.
///
/// # Examples
/// ```
/// use millstream_engine::source::Source as _;
/// use millstream_pulsar::{Mode, Source};
///
/// let orders = Source::new("pulsar://localhost:6650", "orders")
///     .with_mode(Mode::Shared)
///     .with_subscription("billing");
/// assert!(orders.faults().is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    config: SourceConfig,
}

impl Source {
    /// Reads `topic` from the cluster at `service_url`, `pulsar://HOST:PORT`.
    pub fn new(service_url: &str, topic: impl Into<String>) -> Self {
        Self { config: SourceConfig::new(service_url, topic) }
    }

    /// Reads all topics of a namespace whose names match a regular expression; [`SourceConfig::pattern`].
    ///
    /// Where none does, it waits for one, with a warning.
    pub fn matching(service_url: &str, pattern: impl Into<String>) -> Self {
        Self { config: SourceConfig::matching(service_url, pattern) }
    }

    /// Reads as `config` says.
    pub fn from_config(config: SourceConfig) -> Self {
        Self { config }
    }

    /// Reads as a URL says: its address names the brokers, its path the topic, its fields settings by the names of [`SourceConfig`].
    ///
    /// A topic of another namespace is written `TENANT/NAMESPACE/TOPIC`; more than one in the field `topics`. A token, a password or a
    /// key is named by the variable or the file that has it (`token_env`, `token_file`), never written out.
    ///
    /// # Errors
    /// *Config*, with every field that is unknown or wrong at once.
    ///
    /// # Examples
    /// ```
    /// use millstream_pulsar::{Mode, Source};
    ///
    /// let orders = Source::from_url(&"pulsar://h:6650/orders?mode=shared&subscription=billing".parse()?)?;
    /// let same = Source::new("h:6650", "orders").with_mode(Mode::Shared).with_subscription("billing");
    /// assert_eq!(orders, same);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    pub fn from_url(url: &ConnectorUrl) -> Result<Self> {
        SourceConfig::from_url(url).map(Self::from_config)
    }

    /// Sets what `preset` sets; what is set by hand comes after it. [`SourceConfig::with_preset`] lists the fields.
    #[must_use]
    pub fn with_preset(self, preset: Preset) -> Self {
        Self { config: self.config.with_preset(preset) }
    }

    /// The settings, as they are now.
    pub fn config(&self) -> &SourceConfig {
        &self.config
    }

    /// Sets TLS and the login; [`ClusterConfig::security`](crate::ClusterConfig::security).
    #[must_use]
    pub fn with_security(mut self, security: Security) -> Self {
        self.config.cluster.security = security;
        self
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

    /// Sets who keeps where reading stands; [`SourceConfig::mode`].
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.config.mode = mode;
        self
    }

    /// Names the subscription; [`SourceConfig::subscription`].
    #[must_use]
    pub fn with_subscription(mut self, name: impl Into<String>) -> Self {
        self.config.subscription = Some(name.into());
        self
    }

    /// Names the consumer; [`SourceConfig::consumer_name`].
    #[must_use]
    pub fn with_consumer_name(mut self, name: impl Into<String>) -> Self {
        self.config.consumer_name = Some(name.into());
        self
    }

    /// Sets where reading starts; [`SourceConfig::start`].
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.config.start = start;
        self
    }

    /// Starts at these messages, whatever was stored; [`Start::Explicit`].
    #[must_use]
    pub fn with_positions(self, ids: impl IntoIterator<Item = (Partition, MessageId)>) -> Self {
        self.with_start(Start::Explicit(ids.into_iter().collect()))
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

    /// Bounds what waits to be read, in messages of a partition; [`SourceConfig::receiver_queue`].
    #[must_use]
    pub fn with_receiver_queue(mut self, n_messages: u32) -> Self {
        self.config.receiver_queue = n_messages;
        self
    }

    /// Bounds what waits to be read, in messages of all partitions; [`SourceConfig::total_receiver_queue`].
    #[must_use]
    pub fn with_total_receiver_queue(mut self, n_messages: u32) -> Self {
        self.config.total_receiver_queue = n_messages;
        self
    }

    /// Bounds what waits to be read, in bytes; [`SourceConfig::receiver_queue_bytes`].
    #[must_use]
    pub fn with_receiver_queue_bytes(mut self, bytes: usize) -> Self {
        self.config.receiver_queue_bytes = bytes;
        self
    }

    /// Sets whether parts of batches are acknowledged; [`SourceConfig::batch_index_acks`].
    #[must_use]
    pub fn with_batch_index_acks(mut self, enabled: bool) -> Self {
        self.config.batch_index_acks = enabled;
        self
    }

    /// Sets the priority in a shared subscription; [`SourceConfig::priority`].
    #[must_use]
    pub fn with_priority(mut self, priority: u32) -> Self {
        self.config.priority = priority;
        self
    }

    /// Reads the compacted form of topics; [`SourceConfig::read_compacted`].
    #[must_use]
    pub fn with_read_compacted(mut self, enabled: bool) -> Self {
        self.config.read_compacted = enabled;
        self
    }

    /// Sets how long a message may be worked on; [`SourceConfig::ack_timeout`].
    #[must_use]
    pub fn with_ack_timeout(mut self, timeout: Duration) -> Self {
        self.config.ack_timeout = Some(timeout);
        self
    }

    /// Bounds an entry, decompressed; [`SourceConfig::max_entry_bytes`].
    #[must_use]
    pub fn with_max_entry_bytes(mut self, bytes: usize) -> Self {
        self.config.max_entry_bytes = bytes;
        self
    }

    /// Reads encrypted messages; [`SourceConfig::decryption`].
    #[must_use]
    pub fn with_decryption(mut self, decryption: Decryption) -> Self {
        self.config.decryption = Some(decryption);
        self
    }
}

impl SourceContract for Source {
    fn connector(&self) -> &'static str {
        CONNECTOR
    }

    fn capabilities(&self) -> SourceCapabilities {
        let mode = self.config.mode;
        let is_shared = matches!(mode, Mode::Shared | Mode::KeyShared);
        SourceCapabilities {
            replayable: mode == Mode::Reader,
            ordered: !is_shared,
            acknowledges: if is_shared { Acknowledges::Singly } else { Acknowledges::Cumulatively },
            redelivers: mode != Mode::Reader,
            bounded: self.config.end != End::Never,
        }
    }

    fn faults(&self) -> Vec<Error> {
        self.config.faults()
    }

    fn finder(&self, cx: &OpenContext) -> Result<Box<dyn PartitionFinder>> {
        let cluster = Cluster::new(&self.config.cluster);
        Ok(Box::new(Finder::new(io::handle()?.clone(), cluster, cx, self.config.clone())?))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn ReaderContract>> {
        let cluster = Cluster::new(&self.config.cluster);
        Ok(Box::new(Reader::new(io::handle()?.clone(), cluster, cx, self.config.clone())))
    }
}
