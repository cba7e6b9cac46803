//! What a program can set on a source.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use millstream_engine::Preset;
use millstream_engine::error::Error;
use millstream_engine::source::Partition;
use serde::{Deserialize, Serialize};

use super::ClusterConfig;
use super::topics::topic_faults;
use crate::consumer::{Kind, Terms, Unreadable};
use crate::encryption::{Decryption, OnUndecryptable};
use crate::position::MessageId;

/// Who keeps where reading stands, and who else gets messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The engine keeps the position, with the step's other state: reading can start anywhere, and resumes exactly. It reads by itself,
    /// without a subscription that the broker keeps; a topic without retention may delete what was not read yet.
    Reader,
    /// A subscription that only this program reads with. Order per partition is kept.
    Exclusive,
    /// A subscription that several programs may have; one of them reads each partition, another goes on when it is gone. Order per
    /// partition is kept.
    Failover,
    /// A subscription whose messages are shared out among all that have it. No order.
    Shared,
    /// As `Shared`, and messages of one key go to one program as long as it is there. Order per key.
    KeyShared,
}

/// Where reading starts when no position is kept yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest message that the broker still has.
    Earliest,
    /// At the end: only messages written from now on.
    Latest,
    /// At the first message published at this time or later, in milliseconds since the Unix epoch; at the end where there is none.
    /// For [`Mode::Reader`].
    Timestamp(u64),
    /// So long ago, by this computer's clock; otherwise as [`Start::Timestamp`].
    Ago(Duration),
    /// At these messages, which go before stored positions; partitions not named start as if this were [`Start::Earliest`]. For
    /// [`Mode::Reader`].
    Explicit(Vec<(Partition, MessageId)>),
}

/// Where reading ends. What lies at or behind the end is not handed out; a partition that starts there ends at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Nowhere: reading goes on for ever.
    Never,
    /// At the end of what is there when the reader gets there.
    Latest,
    /// At the first message published at this time or later, in milliseconds since the Unix epoch; where there is none, as
    /// [`End::Latest`].
    Timestamp(u64),
    /// At these messages; partitions not named end as if this were [`End::Latest`].
    Explicit(Vec<(Partition, MessageId)>),
}

/// What to do when a position of [`Mode::Reader`] has expired: the broker has deleted the message there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expired {
    /// Stop with error `E0111`: messages may have been lost, and somebody should know.
    Stop,
    /// Go on at the oldest message there is, with a warning.
    Earliest,
    /// Go on at the end, with a warning.
    Latest,
}

/// The settings of a source. The bounds are per reader: one reader runs per worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// The cluster.
    pub cluster: ClusterConfig,
    /// The topics, at least one unless there is a pattern: `orders`, `TENANT/NAMESPACE/orders` or a whole name. One partition of a
    /// topic is named as Pulsar does, `orders-partition-3`.
    pub topics: Vec<String>,
    /// A regular expression that the names of topics match, instead of named topics: `TENANT/NAMESPACE/REGEX`, or `REGEX` alone for
    /// `public/default`. Default: none. Topics that match later are read from their first message on.
    pub pattern: Option<String>,
    /// Topics that the pattern may match at most; more are an error. Default: 1000. Too high: a careless pattern reads a whole
    /// namespace, and each partition costs memory.
    pub max_topics: usize,
    /// Who keeps where reading stands. Default: [`Mode::Exclusive`].
    pub mode: Mode,
    /// The name of the subscription. Default: `<dataflow>.<step>`. Two dataflows of one name share a position.
    pub subscription: Option<String>,
    /// The consumer's name, by which the broker tells consumers apart in its statistics, and chooses among those of a failover.
    /// Default: the broker makes one.
    pub consumer_name: Option<String>,
    /// Where reading starts. Default: [`Start::Earliest`]. A subscription that exists already goes on where it stands.
    pub start: Start,
    /// Where reading ends. Default: [`End::Never`].
    pub end: End,
    /// What to do about an expired position. Default: [`Expired::Stop`].
    pub expired: Expired,
    /// Messages that a partition may have waiting to be read. Default: 1000. Too low: the reader waits for the network; too high:
    /// memory, and with [`Mode::Shared`] messages that other programs could work on.
    pub receiver_queue: u32,
    /// The same over all partitions of a reader. Default: 50,000.
    pub total_receiver_queue: u32,
    /// Bytes that may wait to be read, over all partitions of a reader, as they were sent, so compressed. Default: 64 MiB. It is kept
    /// by the size of the messages that came last. Too low: the reader waits for the network; too high: memory.
    pub receiver_queue_bytes: usize,
    /// Whether parts of a batch are acknowledged. Default: true. The broker needs `acknowledgmentAtBatchIndexLevelEnabled`; where it
    /// has it not, and with false, a batch is acknowledged once all of it is durable, and comes again whole until then.
    pub batch_index_acks: bool,
    /// The priority of this consumer in a shared subscription: 0 is the highest, and gets messages as long as it takes them. Default: 0.
    pub priority: u32,
    /// Whether only the newest message of each key is read, from the compacted form of the topic. Default: false. For
    /// [`Mode::Reader`], [`Mode::Exclusive`] and [`Mode::Failover`].
    pub read_compacted: bool,
    /// How long a message may be worked on before the broker is asked to give it out again, perhaps to another consumer. Default:
    /// none. For [`Mode::Shared`] and [`Mode::KeyShared`]; at least 1 s. Too low: messages are worked on twice.
    pub ack_timeout: Option<Duration>,
    /// Bytes that an entry may have once it is decompressed; a larger one is an error. Default: 64 MiB.
    pub max_entry_bytes: usize,
    /// The keys that encrypted messages are read with. Default: none; an encrypted message is then an error.
    pub decryption: Option<Decryption>,
}

impl SourceConfig {
    /// The defaults, for one topic.
    pub fn new(service_url: &str, topic: impl Into<String>) -> Self {
        Self {
            cluster: ClusterConfig::new(service_url),
            topics: vec![topic.into()],
            pattern: None,
            max_topics: 1_000,
            mode: Mode::Exclusive,
            subscription: None,
            consumer_name: None,
            start: Start::Earliest,
            end: End::Never,
            expired: Expired::Stop,
            receiver_queue: 1_000,
            total_receiver_queue: 50_000,
            receiver_queue_bytes: 64 << 20,
            batch_index_acks: true,
            priority: 0,
            read_compacted: false,
            ack_timeout: None,
            max_entry_bytes: 64 << 20,
            decryption: None,
        }
    }

    /// The defaults, for all topics whose names match a regular expression.
    pub fn matching(service_url: &str, pattern: impl Into<String>) -> Self {
        let config = Self::new(service_url, "");
        Self { topics: Vec::new(), pattern: Some(pattern.into()), ..config }
    }

    /// Sets what `preset` sets:
    ///
    /// | | receiver queue | over all partitions | mode |
    /// |---|---|---|---|
    /// | `Balanced` | 1,000 | 50,000 | as it is |
    /// | `HighThroughput` | 50,000 | 200,000 | `Shared` |
    /// | `LowLatency` | 100 | 50,000 | as it is |
    /// | `ResourceConstrained` | 100 | 1,000 | as it is |
    #[must_use]
    pub fn with_preset(mut self, preset: Preset) -> Self {
        let (queue, total) = match preset {
            Preset::HighThroughput => {
                self.mode = Mode::Shared;
                (50_000, 200_000)
            }
            Preset::Balanced => (1_000, 50_000),
            Preset::LowLatency => (100, 50_000),
            Preset::ResourceConstrained => (100, 1_000),
        };
        Self { receiver_queue: queue, total_receiver_queue: total, ..self }
    }

    /// All faults, found without touching the network.
    pub fn faults(&self) -> Vec<Error> {
        let mut faults = self.cluster.faults();
        faults.extend(topic_faults(self));
        faults.extend(self.mode_faults());
        let bounds = [
            ("receiver_queue", self.receiver_queue as usize),
            ("total_receiver_queue", self.total_receiver_queue as usize),
            ("receiver_queue_bytes", self.receiver_queue_bytes),
            ("max_entry_bytes", self.max_entry_bytes),
        ];
        let zero = bounds.iter().filter(|(_, bound)| *bound == 0);
        faults.extend(zero.map(|(name, _)| {
            Error::config(format!("use the setting `{name}`: it is 0, and nothing could be read"))
        }));
        if self.subscription.as_deref() == Some("") {
            faults.push(Error::config("subscribe under a name that is empty"));
        }
        if self.ack_timeout.is_some_and(|timeout| timeout < Duration::from_secs(1)) {
            faults.push(
                Error::config("use the setting `ack_timeout`: it is shorter than 1 s")
                    .with_hint("Records are acknowledged on the commit interval, up to 1 s later."),
            );
        }
        faults
    }

    /// What is asked of the broker; `qualified_name` where the subscription has no name.
    pub(crate) fn terms(&self, qualified_name: &str) -> Terms {
        let subscription = match (self.mode, &self.subscription) {
            // of one consumer alone, and gone with it
            (Mode::Reader, _) => {
                format!("reader-{qualified_name}-{:016x}", RandomState::new().hash_one(()))
            }
            (_, Some(name)) => name.clone(),
            (_, None) => qualified_name.to_owned(),
        };
        Terms {
            kind: match self.mode {
                Mode::Reader => Kind::Reader,
                Mode::Exclusive => Kind::Exclusive,
                Mode::Failover => Kind::Failover,
                Mode::Shared => Kind::Shared,
                Mode::KeyShared => Kind::KeyShared,
            },
            subscription,
            consumer_name: self.consumer_name.clone(),
            priority: i32::try_from(self.priority).unwrap_or(i32::MAX),
            read_compacted: self.read_compacted,
            starts_at_end: false,
        }
    }

    /// Whether a partition rests before an entry that cannot be read for this reason; otherwise it goes on behind it.
    pub(crate) fn rests_at(&self, why: &Unreadable) -> bool {
        let on = self.decryption.as_ref().map(|d| d.on_undecryptable).unwrap_or_default();
        matches!(why, Unreadable::Encrypted(_)) && on == OnUndecryptable::Stop
    }

    /// Settings that the mode does not have.
    fn mode_faults(&self) -> Vec<Error> {
        let is_shared = matches!(self.mode, Mode::Shared | Mode::KeyShared);
        let is_reader = self.mode == Mode::Reader;
        let is_placed =
            matches!(self.start, Start::Timestamp(_) | Start::Ago(_) | Start::Explicit(_));
        let checks = [
            (
                is_placed && !is_reader,
                "start at a time or a message: the broker keeps where a subscription stands",
                "Use `Mode::Reader`, or move the subscription by `pulsar-admin topics reset-cursor`.",
            ),
            (
                self.read_compacted && is_shared,
                "read the compacted form of a topic: shared subscriptions cannot",
                "Use `Mode::Reader`, `Mode::Exclusive` or `Mode::Failover`.",
            ),
            (
                self.ack_timeout.is_some() && !is_shared,
                "use the setting `ack_timeout`: it is for shared subscriptions",
                "Leave it out: what was not acknowledged comes again with the next run.",
            ),
            (
                self.subscription.is_some() && is_reader,
                "use a subscription: readers have none",
                "Leave the name out, or choose another mode.",
            ),
        ];
        let broken = checks.into_iter().filter(|(is_broken, _, _)| *is_broken);
        broken.map(|(_, what, hint)| Error::config(what).with_hint(hint)).collect()
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn told(config: &SourceConfig) -> String {
        config.faults().iter().map(Error::report).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let config = SourceConfig {
            mode: Mode::Shared,
            start: Start::Timestamp(1),
            read_compacted: true,
            receiver_queue: 0,
            subscription: Some(String::new()),
            ack_timeout: Some(Duration::from_millis(5)),
            ..SourceConfig::new("pulsar://127.0.0.1:1", "a/b")
        };
        assert_snapshot!(told(&config), @r#"
        E0201 failed to read the topic "a/b": a topic's name is `TOPIC` or `TENANT/NAMESPACE/TOPIC`
        E0201 failed to start at a time or a message: the broker keeps where a subscription stands
        Use `Mode::Reader`, or move the subscription by `pulsar-admin topics reset-cursor`.
        E0201 failed to read the compacted form of a topic: shared subscriptions cannot
        Use `Mode::Reader`, `Mode::Exclusive` or `Mode::Failover`.
        E0201 failed to use the setting `receiver_queue`: it is 0, and nothing could be read
        E0201 failed to subscribe under a name that is empty
        E0201 failed to use the setting `ack_timeout`: it is shorter than 1 s
        Records are acknowledged on the commit interval, up to 1 s later.
        "#);
        assert_eq!(told(&SourceConfig::new("pulsar://127.0.0.1:1", "orders")), "");
    }

    #[test]
    fn settings_of_another_mode_are_refused() {
        let config = SourceConfig {
            mode: Mode::Reader,
            subscription: Some("s".to_owned()),
            ack_timeout: Some(Duration::from_mins(1)),
            ..SourceConfig::new("pulsar://127.0.0.1:1", "orders")
        };
        assert_snapshot!(told(&config), @r#"
        E0201 failed to use the setting `ack_timeout`: it is for shared subscriptions
        Leave it out: what was not acknowledged comes again with the next run.
        E0201 failed to use a subscription: readers have none
        Leave the name out, or choose another mode.
        "#);
    }

    #[test]
    fn presets_set_what_they_say() {
        let config = SourceConfig::new("pulsar://127.0.0.1:1", "orders");
        let high = config.clone().with_preset(Preset::HighThroughput);
        assert_eq!((high.receiver_queue, high.total_receiver_queue), (50_000, 200_000));
        assert_eq!(high.mode, Mode::Shared);
        let low = config.clone().with_preset(Preset::LowLatency);
        assert_eq!((low.receiver_queue, low.mode), (100, Mode::Exclusive));
        let small = config.with_preset(Preset::ResourceConstrained);
        assert_eq!((small.receiver_queue, small.total_receiver_queue), (100, 1_000));
    }
}
