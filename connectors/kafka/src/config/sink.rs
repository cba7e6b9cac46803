//! What a program can set on a sink.

use std::time::Duration;

use millstream_engine::error::Error;
use millstream_engine::routing::TopicPolicy;
use millstream_engine::sink::WhenFull;
use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};

use super::options::{Options, Taken};
use super::security::Security;
use super::set_defaults;
use crate::topic_name::name_rule;

/// How batches are compressed on their way and at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip: small and slow; levels 0 to 9.
    Gzip,
    /// Snappy: no levels.
    Snappy,
    /// LZ4: the cheapest that pays on text; levels 0 to 12.
    Lz4,
    /// Zstandard: the smallest; levels 0 to 12.
    Zstd,
}

impl Compression {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    fn levels(self) -> Option<std::ops::RangeInclusive<i32>> {
        match self {
            Self::None | Self::Snappy => None,
            Self::Gzip => Some(0..=9),
            Self::Lz4 | Self::Zstd => Some(0..=12),
        }
    }
}

/// How the partition of a record is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partitioner {
    /// By murmur2 of the key, as Java's producers do; records without a key stay on one partition for a batch, then on another.
    Murmur2Random,
    /// As records without a key, whatever the key: even load, no order per key.
    Spread,
}

/// The settings of a sink. The bounds are per writer: one writer runs per worker.
///
/// The memory of a writer is `queue_bytes`, where records wait and are sent, and the emptied buffers that are kept to be used again:
/// those that were in use at once, at most 16 times `batch_bytes`, and 8 of 4 MiB and `batch_bytes`. With the defaults that is 55 MiB
/// for one broker and four partitions, and 87 MiB for very many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkConfig {
    /// Addresses to start from, `host:port`, separated by commas.
    pub brokers: String,
    /// The topic. It must exist. Empty where `routing` is set.
    pub topic: String,
    /// Which topics records may say that they go to. Default: none; all records go to `topic`.
    pub routing: Option<TopicPolicy>,
    /// The name in the broker's logs and quotas. Default: `<dataflow>.<step>`.
    pub client_id: Option<String>,
    /// Records of one partition that are sent together at most. Default: 10,000; 1 switches batching off. Too low: small requests,
    /// dear on both sides.
    pub batch_records: usize,
    /// Bytes of one partition that are sent together at most, before they are compressed; a record that is larger is sent alone.
    /// Default: 1 MB, what brokers take. Too low: as `batch_records`; too high: the broker refuses batches, which are then sent
    /// again in halves, and more memory.
    pub batch_bytes: usize,
    /// How long a record may wait for others to be sent with. Default: 5 ms. Too low: small requests, dear for the broker; too
    /// high: the latency of every record, and more of the queue in use. Where the partition is busy a batch waits longer, and grows.
    pub linger: Duration,
    /// Compression. Default: none, which costs no processor time; LZ4 pays where network or disk is the limit.
    pub compression: Compression,
    /// The level of the compression. Default: the codec's own.
    pub compression_level: Option<i32>,
    /// How long a record is tried before it is given up on and rejected, counted from the oldest record of its batch. Default:
    /// 120 s, as Java's producers. Too low: a broker that restarts loses records to the error stream, and what was sent behind
    /// them may be there twice; too high: a broken broker is noticed late.
    pub delivery_timeout: Duration,
    /// Records taken and not confirmed yet at most. Default: 20,000. Too low: throughput is this many per round
    /// trip; too high: records have left the processor's cache when they are compressed and sent.
    pub queue_records: usize,
    /// Bytes of keys, values and headers taken and not confirmed yet at most. Default: 32 MiB. Too low: throughput is this much
    /// per round trip; too high: memory.
    pub queue_bytes: usize,
    /// What becomes of records that the queue has no room for. Default: [`WhenFull::Wait`], as Java's producers with an endless
    /// `max.block.ms`; [`WhenFull::Reject`] is `max.block.ms=0`. A topic whose partitions are not known yet makes records wait
    /// either way.
    #[serde(default)]
    pub when_full: WhenFull,
    /// How partitions are chosen. Default: [`Partitioner::Murmur2Random`].
    pub partitioner: Partitioner,
    /// Bytes of one record's key, value and headers at most; a larger one is rejected with `E0141`. Default: 1,000,000, what brokers take unless told more.
    pub max_record_bytes: usize,
    /// Whether the broker drops what it has seen when a batch is sent again. Default: yes. Without it a lost answer repeats
    /// records and may swap them. Before Kafka 2.8 it needs `IDEMPOTENT_WRITE` on the cluster.
    pub idempotent: bool,
    /// TLS and the login. Default: neither.
    #[serde(default)]
    pub security: Security,
    /// Options by librdkafka's names that no field above sets. Default: none. The package's page lists those that a sink takes;
    /// any other one is a fault.
    pub options: Options,
}

/// Keys that a field sets, or that the connector decides.
pub(super) const TAKEN: &[Taken] = &[
    ("batch.num.messages", "`with_batch_records`"),
    ("batch.size", "`with_batch_bytes`"),
    ("linger.ms", "`with_linger`"),
    ("queue.buffering.max.ms", "`with_linger`"),
    ("compression.type", "`with_compression`"),
    ("compression.codec", "`with_compression`"),
    ("compression.level", "`with_compression_level`"),
    ("delivery.timeout.ms", "`with_delivery_timeout`"),
    ("message.timeout.ms", "`with_delivery_timeout`"),
    ("queue.buffering.max.messages", "`with_queue_records`"),
    ("queue.buffering.max.kbytes", "`with_queue_bytes`"),
    ("partitioner", "`with_partitioner`"),
    ("message.max.bytes", "`with_max_record_bytes`"),
    ("enable.idempotence", "`with_idempotent`"),
    ("acks", ""),
    ("request.required.acks", ""),
    ("delivery.report.only.error", ""),
    ("transactional.id", ""),
];

/// Options that the producer takes, by librdkafka's names; the README says what each means.
const HONOURED: &[&str] = &[
    "broker.address.family",
    "debug",
    "max.in.flight.requests.per.connection",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.sigalgs.list",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.interval.ms",
];

impl SinkConfig {
    /// The defaults.
    pub fn new(brokers: impl Into<String>, topic: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            topic: topic.into(),
            routing: None,
            client_id: None,
            batch_records: 10_000,
            batch_bytes: 1_000_000,
            linger: Duration::from_millis(5),
            compression: Compression::None,
            compression_level: None,
            delivery_timeout: Duration::from_mins(2),
            queue_records: 20_000,
            queue_bytes: 32 << 20,
            when_full: WhenFull::Wait,
            partitioner: Partitioner::Murmur2Random,
            max_record_bytes: 1_000_000,
            idempotent: true,
            security: Security::default(),
            options: Options::default(),
        }
    }

    /// All faults, found without touching the network.
    pub fn faults(&self) -> Vec<Error> {
        let mut faults = Vec::new();
        if self.brokers.trim().is_empty() {
            faults.push(
                Error::config("find Kafka: the address is empty").with_hint("Give `host:port`."),
            );
        }
        faults.extend(self.topic_faults());
        if self.queue_records == 0 || self.queue_bytes == 0 {
            faults.push(Error::config(
                "bound the queue: it must hold at least one record and one byte",
            ));
        }
        if self.batch_records == 0 || self.batch_bytes == 0 || self.max_record_bytes == 0 {
            faults.push(Error::config(
                "bound batches: they must hold at least one record and one byte",
            ));
        }
        faults.extend(self.level_fault());
        faults.extend(self.security.faults());
        faults.extend(self.options.faults(&self.probe_config("name"), TAKEN));
        faults.extend(self.unused_options());
        faults
    }

    fn topic_faults(&self) -> Vec<Error> {
        let Some(policy) = &self.routing else {
            let nameless = Error::config("choose a topic: the name is empty");
            let nameless = nameless.with_hint("Name the topic.");
            return Some(nameless).filter(|_| self.topic.is_empty()).into_iter().collect();
        };
        let mut faults = policy.faults();
        if !self.topic.is_empty() {
            let what = "choose a topic: records say their own, and one is named for all of them";
            faults.push(Error::config(what).with_hint("Leave `topic` or `routing` empty."));
        }
        faults.extend(policy.names().filter_map(|name| {
            let why = name_rule(name).err()?;
            Some(Error::config(format!("route records to {name:?}: {why}")))
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

    /// Options that exist, and that the producer has no use for.
    fn unused_options(&self) -> impl Iterator<Item = Error> {
        let is_unused = |key: &&String| {
            let is_taken = Options::is_taken(key, TAKEN);
            !is_taken && !HONOURED.contains(&key.as_str()) && Options::is_known(key)
        };
        self.options.0.keys().filter(is_unused).map(|key| {
            let what = format!("use the Kafka option \"{key}\": a sink has no use for it");
            Error::config(what).with_hint(format!("A sink takes {}.", HONOURED.join(", ")))
        })
    }

    /// The settings of the client that looks at the target before anything is written: how to reach the brokers, no more.
    pub(crate) fn probe_config(&self, qualified_name: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        set_defaults(&mut config);
        self.options.apply(&mut config);
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", self.client_id.as_deref().unwrap_or(qualified_name));
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choice_for_a_full_queue_may_be_left_out() {
        let config = SinkConfig::new("localhost:9092", "orders");
        let rejecting = SinkConfig { when_full: WhenFull::Reject, ..config.clone() };
        let mut written = serde_json::to_value(&rejecting).expect("JSON");
        assert_eq!(written["when_full"], "reject");
        assert_eq!(
            serde_json::from_value::<SinkConfig>(written.clone()).expect("it reads back"),
            rejecting
        );
        written.as_object_mut().expect("fields").remove("when_full");
        assert_eq!(serde_json::from_value::<SinkConfig>(written).expect("it reads back"), config);
    }
}
