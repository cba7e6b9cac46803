//! What a connector must bring along so that its promises can be tested.
//!
//! Invariant: `produce` and `records` share no code with the source and the sink under test, so far as the client allows.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use millstream_engine::batch::OwnedRecord;
use millstream_engine::routing::TopicPolicy;
use millstream_engine::sink::{Sink, WhenFull};
use millstream_engine::source::Source;

/// Where a source is to start without a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first record kept.
    Earliest,
    /// After the last record.
    Latest,
}

/// Where a source is to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Nowhere.
    Never,
    /// Where the topic ends.
    Latest,
    /// Before the first record of this time or later, in milliseconds since the Unix epoch.
    Time(i64),
    /// Before these positions, by partition; other partitions as with [`End::Latest`].
    Positions(BTreeMap<u32, u64>),
}

/// What a source is to do with an expired position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Fail.
    Stop,
    /// Go on with the first record kept.
    Earliest,
    /// Go on after the last record.
    Latest,
}

/// The settings a case asks of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSetup {
    /// The group, or what the connector keeps positions under.
    pub group: String,
    /// Where to start without a position.
    pub start: Start,
    /// What to do with an expired position.
    pub expired: Expired,
    /// Where it ends.
    pub end: End,
}

impl Default for SourceSetup {
    fn default() -> Self {
        Self {
            group: "conformance".to_owned(),
            start: Start::Earliest,
            expired: Expired::Stop,
            end: End::Never,
        }
    }
}

/// Records of a hundred bytes that the queue of [`Subject::sink_of_ten`] holds.
pub const QUEUED_RECORDS: usize = 10;

/// Secrets, and everything that could show them.
pub struct Secretive {
    /// The secrets, each of a text found nowhere else; of all origins that the connector takes them from.
    pub canaries: Vec<String>,
    /// What a program may print: `Debug` and the written form of sources, sinks and their settings.
    pub printed: Vec<String>,
    /// Sources that hold the secrets and cannot be opened, each for another reason.
    pub sources: Vec<Box<dyn Source>>,
    /// Sinks likewise.
    pub sinks: Vec<Box<dyn Sink>>,
}

impl fmt::Debug for Secretive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secretive").finish_non_exhaustive()
    }
}

/// A connector under test, with the means to look at it from outside.
///
/// The suite promises: topics are not shared between cases; positions of a group are looked at only through the source.
/// The implementer owes the methods without a default; each of the others is an ability, and a case that needs a missing
/// one is skipped with a line.
pub trait Subject: Sync {
    /// Why nothing can be tested here, such as a broker that is not running. With `CI` set in the environment this fails.
    fn unavailable(&self) -> Option<String> {
        None
    }

    /// The cases whose promises cannot concern the connector, by its nature: their lines say `NOT OWED`, and no run counts them as
    /// skipped. A case that could run after all fails.
    fn not_owed(&self) -> &[&'static str] {
        &[]
    }

    /// How long anything may take that should happen soon.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Called before anything else by a case that will stall, hold back or keep very busy. Where the other side stalls only as a whole, all that
    /// follows goes to one of its own, which no other case uses.
    fn isolate(&self) {}

    /// Creates an empty topic of a name not used before.
    fn create_topic(&self, n_partitions: u32) -> String;

    /// Writes records to one partition, by a path of its own, and returns when they are durable.
    fn produce(&self, topic: &str, partition: u32, records: &[OwnedRecord]);

    /// All records of a topic so far, partition by partition, read by a path of its own; waits, as long as its patience
    /// goes, until there are `n_expected`. May make room in a topic of [`Subject::small_sink`].
    fn records(&self, topic: &str, n_expected: usize) -> Vec<OwnedRecord>;

    /// Whether records are values alone: without keys, headers and times, and never null. Cases do without those where they can, and
    /// are skipped where they cannot.
    fn values_only(&self) -> bool {
        false
    }

    /// Whether values of headers are text, and never null. Cases do without others.
    fn text_headers(&self) -> bool {
        false
    }

    /// The topic and the partition that the records of a partition say they come from.
    fn place(&self, topic: &str, partition: u32) -> (String, u32) {
        (topic.to_owned(), partition)
    }

    /// A source of a topic (which need not exist).
    fn source(&self, _topic: &str, _setup: &SourceSetup) -> Option<Box<dyn Source>> {
        None
    }

    /// A sink to a topic.
    fn sink(&self, _topic: &str) -> Option<Box<dyn Sink>> {
        None
    }

    /// A fresh topic of one partition, and a sink to it that takes at most about 100 records of 100 bytes at once.
    fn small_sink(&self) -> Option<(String, Box<dyn Sink>)> {
        None
    }

    /// Bytes of a value that the topic of [`Subject::small_sink`] refuses as too large.
    fn too_large(&self) -> usize {
        400_000
    }

    /// A fresh topic of one partition, and a sink to it that does as told when its queue is full. Its queue holds
    /// [`QUEUED_RECORDS`] records of a hundred bytes of key and value, and keeps them far longer than a call of `write` takes, or
    /// until [`Subject::records`] makes room.
    fn sink_of_ten(&self, _when_full: WhenFull) -> Option<(String, Box<dyn Sink>)> {
        None
    }

    /// A fresh topic of two partitions, and a sink to it that gives up on a record after a few seconds.
    fn impatient_sink(&self) -> Option<(String, Box<dyn Sink>)> {
        None
    }

    /// Where secrets could show, if the connector takes any; sources and sinks name this topic.
    fn secretive(&self, _topic: &str) -> Option<Secretive> {
        None
    }

    /// A sink whose records say their topic.
    fn routed_sink(&self, _policy: TopicPolicy) -> Option<Box<dyn Sink>> {
        None
    }

    /// Creates empty topics of names not used before; override it where many at once are much cheaper.
    fn create_topics(&self, n_topics: usize, n_partitions: u32) -> Vec<String> {
        (0..n_topics).map(|_| self.create_topic(n_partitions)).collect()
    }

    /// A name not used before, of a topic that does not exist.
    fn new_name(&self) -> String {
        format!("{}-new", self.create_topic(1))
    }

    /// All records of each topic so far, as [`records`](Subject::records); `n_each` are expected of each. Override it where many
    /// at once are much cheaper.
    fn records_of(&self, topics: &[String], n_each: usize) -> Vec<Vec<OwnedRecord>> {
        topics.iter().map(|topic| self.records(topic, n_each)).collect()
    }

    /// Adds empty partitions to a topic.
    fn add_partitions(&self, _topic: &str, _n_more: u32) -> bool {
        false
    }

    /// Makes the first `n_records` of a partition unreadable for good.
    fn expire(&self, _topic: &str, _partition: u32, _n_records: u64) -> bool {
        false
    }

    /// The other side stops answering for this topic: nothing is confirmed, committed or read until `release`.
    fn stall(&self, _topic: &str) -> bool {
        false
    }

    /// The other side takes records of this topic, but confirms none until `release`.
    fn hold_confirmations(&self, _topic: &str) -> bool {
        false
    }

    /// Ends `stall` and `hold_confirmations`.
    fn release(&self, _topic: &str) {}

    /// From now on the other side refuses records with the value returned, and only those, on this topic.
    fn refuse(&self, _topic: &str) -> Option<Vec<u8>> {
        None
    }
}
