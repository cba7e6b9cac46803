//! What a program can set on a sink.

use std::time::Duration;

use millstream_engine::error::Error;
use millstream_engine::routing::TopicPolicy;
use millstream_engine::sink::WhenFull;
use serde::{Deserialize, Serialize};

use super::ClusterConfig;
use crate::encryption::Encryption;
use crate::producer::{Limits, Settings};
use crate::topic_name::TopicName;
use crate::wire::proto::{self, CompressionType, ProducerAccessMode, SchemaType};

/// Bytes of a batch at most: far more than a broker takes.
const MAX_BATCH: usize = 1 << 30;

/// How batches are compressed on their way and at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4: the cheapest that pays on text; levels 1 to 12.
    Lz4,
    /// zlib: small and slow; levels 0 to 9.
    Zlib,
    /// Zstandard: the smallest; levels 1 to 22.
    Zstd,
    /// Snappy: no levels.
    Snappy,
}

impl Compression {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
        }
    }

    fn codec(self) -> CompressionType {
        match self {
            Self::None => CompressionType::None,
            Self::Lz4 => CompressionType::Lz4,
            Self::Zlib => CompressionType::Zlib,
            Self::Zstd => CompressionType::Zstd,
            Self::Snappy => CompressionType::Snappy,
        }
    }

    fn levels(self) -> Option<std::ops::RangeInclusive<i32>> {
        match self {
            Self::None | Self::Snappy => None,
            Self::Lz4 => Some(1..=12),
            Self::Zlib => Some(0..=9),
            Self::Zstd => Some(1..=22),
        }
    }
}

/// How the partition of a record is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partitioner {
    /// By Java's hash of the key's text, as Java's producers do; records without a key stay on one partition for a batch, then go to
    /// the next.
    JavaStringHash,
    /// By murmur3 of the key, as producers of other languages can be set to; records without a key as above.
    Murmur3,
    /// As records without a key, whatever the key: even load, no order per key.
    Spread,
}

/// Who may write a topic beside this sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessMode {
    /// Everyone.
    Shared,
    /// Nobody: where somebody writes it already, the sink stops with `E0201`.
    Exclusive,
    /// Nobody: who writes it already is turned out for good.
    ExclusiveWithFencing,
}

/// What a topic is declared to hold. The broker checks it against what the topic has; records are sent as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Bytes, as of a topic without a schema.
    Bytes,
    /// UTF-8 text.
    String,
    /// JSON, described by an Avro record.
    Json(String),
}

/// The settings of a sink. The bounds are per writer: one writer runs per worker.
#[derive(Clone, Debug)]
pub struct SinkConfig {
    /// How the cluster is reached.
    pub cluster: ClusterConfig,
    /// The topic: `TOPIC`, `TENANT/NAMESPACE/TOPIC` or whole. Where it does not exist, brokers that are set up so create it. Empty where
    /// `routing` is set.
    pub topic: String,
    /// Which topics records may say that they go to. Default: none; all records go to `topic`.
    pub routing: Option<TopicPolicy>,
    /// The name of the producer, by which a broker with deduplication knows what it has of it. Default: none, the broker gives one.
    /// With several workers each appends its number. No other program may use the name at the same time.
    pub producer_name: Option<String>,
    /// Who else may write. Default: everyone.
    pub access_mode: AccessMode,
    /// What the topic is declared to hold. Default: bytes.
    pub schema: Schema,
    /// Records of one partition that are sent together at most. Default: 1,000; 1 switches batching off, so that each record is
    /// a message of its own. Too low: many small messages, dear on both sides.
    pub batch_records: usize,
    /// Bytes of one partition that are sent together at most, before they are compressed; a record that is larger is sent alone.
    /// Default: 128 KiB. Too low: as `batch_records`; too high: more memory; what the broker does not take is sent in halves.
    pub batch_bytes: usize,
    /// How long a record may wait for others to be sent with. Default: 1 ms. Too low: small batches, dear for the broker; too
    /// high: the latency of every record, and more of the queue in use.
    pub linger: Duration,
    /// Compression. Default: none, which costs no processor time; LZ4 pays where network or disk is the limit.
    pub compression: Compression,
    /// The level of the compression. Default: the codec's own.
    pub compression_level: Option<i32>,
    /// End-to-end encryption. Default: none. Whatever fails, nothing is sent in plain text.
    pub encryption: Option<Encryption>,
    /// How long a record is tried before it is given up on and rejected, counted from the oldest record of its batch. Default:
    /// 30 s, as Java's producers. Too low: a broker that restarts loses records to the error stream; too high: a broken broker is
    /// noticed late.
    pub send_timeout: Duration,
    /// Records taken and not confirmed yet at most. Default: 50,000. Too low: throughput is this many per round trip; too high:
    /// memory.
    pub queue_records: usize,
    /// Bytes of keys, values and headers taken and not confirmed yet at most. Default: 32 MiB. Too low: throughput is this much
    /// per round trip; too high: memory, and twice as much where batches are compressed.
    pub queue_bytes: usize,
    /// What becomes of records that the queue has no room for. Default: [`WhenFull::Wait`], Java's `blockIfQueueFull`.
    pub when_full: WhenFull,
    /// How partitions are chosen. Default: [`Partitioner::JavaStringHash`].
    pub partitioner: Partitioner,
    /// A topic that had nothing to send for so long is closed at the broker, and opened again by the next record. Default: 60 s.
    /// Too low: opening again and again; too high: producers that brokers keep for nothing.
    pub idle_timeout: Duration,
}

impl SinkConfig {
    /// The defaults.
    pub fn new(service_url: &str, topic: impl Into<String>) -> Self {
        Self {
            cluster: ClusterConfig::new(service_url),
            topic: topic.into(),
            routing: None,
            producer_name: None,
            access_mode: AccessMode::Shared,
            schema: Schema::Bytes,
            batch_records: 1_000,
            batch_bytes: 128 << 10,
            linger: Duration::from_millis(1),
            compression: Compression::None,
            compression_level: None,
            encryption: None,
            send_timeout: Duration::from_secs(30),
            queue_records: 50_000,
            queue_bytes: 32 << 20,
            when_full: WhenFull::Wait,
            partitioner: Partitioner::JavaStringHash,
            idle_timeout: Duration::from_mins(1),
        }
    }

    /// All faults, found without touching the network.
    pub fn faults(&self) -> Vec<Error> {
        let mut faults = self.cluster.faults();
        faults.extend(self.topic_faults());
        let mut need = |is_good: bool, what: &str| {
            if !is_good {
                faults.push(Error::config(what));
            }
        };
        need(
            self.queue_records > 0 && self.queue_bytes > 0,
            "bound the queue: it must hold at least one record and one byte",
        );
        need(
            self.batch_records > 0 && (1..=MAX_BATCH).contains(&self.batch_bytes),
            "bound batches: they must hold at least one record and one byte, and at most 1 GiB",
        );
        need(!self.send_timeout.is_zero(), "send records: the send timeout is zero");
        need(
            self.producer_name.as_deref() != Some(""),
            "name the producer: the name is empty, where none lets the broker choose",
        );
        faults.extend(self.level_fault());
        if self.encryption.as_ref().is_some_and(|encryption| encryption.key_names.is_empty()) {
            faults.push(Error::config("encrypt messages: no key is named"));
        }
        faults
    }

    fn topic_faults(&self) -> Vec<Error> {
        let fault = |name: &str, why| Error::config(format!("write to the topic {name:?}: {why}"));
        let Some(policy) = &self.routing else {
            return TopicName::parse(&self.topic)
                .err()
                .map(|why| fault(&self.topic, why))
                .into_iter()
                .collect();
        };
        let mut faults = policy.faults();
        if policy.creation().is_some_and(|n| n > 1) && self.cluster.admin_url.is_none() {
            let what =
                "create topics with partitions: the admin API does that, and no URL is named";
            faults.push(
                Error::config(what).with_hint("Set `with_admin_url`, or create them with one."),
            );
        }
        if !self.topic.is_empty() {
            let what = "choose a topic: records say their own, and one is named for all of them";
            faults.push(Error::config(what).with_hint("Leave `topic` or `routing` empty."));
        }
        faults.extend(policy.names().filter_map(|name| {
            let why = TopicName::parse(name).err()?;
            Some(fault(name, why))
        }));
        faults
    }

    fn level_fault(&self) -> Option<Error> {
        let level = self.compression_level?;
        let name = self.compression.name();
        match self.compression.levels() {
            None => {
                Some(Error::config(format!("compress at level {level}: \"{name}\" has no levels")))
            }
            Some(levels) if levels.contains(&level) => None,
            Some(levels) => Some(Error::config(format!(
                "compress at level {level}: \"{name}\" has levels {} to {}",
                levels.start(),
                levels.end()
            ))),
        }
    }

    /// How batches are bounded.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            batch_records: self.batch_records,
            batch_bytes: self.batch_bytes,
            linger: self.linger,
        }
    }

    /// What senders are told, of one writer among so many.
    pub(crate) fn settings(&self, (shard, n_shards): (usize, usize)) -> Settings {
        let of_shard = |name: &String| {
            if n_shards > 1 { format!("{name}-{shard}") } else { name.clone() }
        };
        Settings {
            producer_name: self.producer_name.as_ref().map(of_shard),
            access: match self.access_mode {
                AccessMode::Shared => ProducerAccessMode::Shared,
                AccessMode::Exclusive => ProducerAccessMode::Exclusive,
                AccessMode::ExclusiveWithFencing => ProducerAccessMode::ExclusiveWithFencing,
            },
            schema: self.schema.declared(),
            is_batching: self.batch_records > 1,
            compression: (self.compression.codec(), self.compression_level),
            encryption: self.encryption.clone(),
            send_timeout: self.send_timeout,
            idle: self.idle_timeout,
            max_under_way: self.queue_records.min(Settings::MAX_UNDER_WAY),
        }
    }
}

impl Schema {
    /// As the broker is told; nothing for bytes.
    fn declared(&self) -> Option<proto::Schema> {
        let (name, schema_data, r#type) = match self {
            Self::Bytes => return None,
            Self::String => ("String", Vec::new(), SchemaType::String),
            Self::Json(definition) => ("JSON", definition.clone().into_bytes(), SchemaType::Json),
        };
        let r#type = r#type.into();
        Some(proto::Schema { name: name.to_owned(), schema_data, r#type, properties: Vec::new() })
    }
}
