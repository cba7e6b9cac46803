//! The source contract: what a connector says of itself, how its partitions are found, and how records are read.
//!
//! The engine promises: `assign` comes before the first `read`; batches come back for reuse; batches are confirmed in the order
//! they were read, each at most once, and only when every sink has made them durable; what is not durable at `close` is never
//! confirmed; nothing is called after `close`; each reader is called by one thread only.
//!
//! The implementer owes: no loss without an error; no unbounded queue; no wait beyond the one asked for; errors with a kind and a
//! place; a stored position that has expired is an error that names the choices.

mod fill;
mod from_fn;
mod from_fn_reader;
mod from_iter;
#[cfg(feature = "io")]
mod from_stream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::batch::RecordBatch;
use crate::clock::SharedClock;
use crate::error::{Error, Result};

pub use fill::Fill;
pub use from_fn::{FromFn, from_fn};
pub use from_iter::from_iter;
#[cfg(feature = "io")]
pub use from_stream::{from_stream, try_from_stream};

/// How a source acknowledges what was processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledges {
    /// A position per partition covers everything before it (Kafka, files).
    Cumulatively,
    /// Each record alone (RabbitMQ, Redis Streams).
    Singly,
    /// Not at all (standard input, a generator).
    Never,
}

/// What a source can do; checked when the graph is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceCapabilities {
    /// Reading can start again from a position.
    pub replayable: bool,
    /// Records of one partition arrive in their order.
    pub ordered: bool,
    /// How it acknowledges.
    pub acknowledges: Acknowledges,
    /// What was not acknowledged comes again by itself.
    pub redelivers: bool,
    /// It ends by itself.
    pub bounded: bool,
}

/// A unit of parallel reading.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Partition {
    /// The topic.
    pub topic: Arc<str>,
    /// The number within the topic.
    pub index: u32,
}

impl Partition {
    /// A partition of a topic.
    pub fn new(topic: &str, index: u32) -> Self {
        Self { topic: topic.into(), index }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.index)
    }
}

/// Where to continue after everything handed out, as the connector writes it. Only the connector reads or makes one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ResumePosition(pub String);

impl fmt::Display for ResumePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A partition and where its reading starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The partition.
    pub partition: Partition,
    /// Where reading starts.
    pub start: ResumePosition,
    /// What the broker has committed for this source, where it keeps that; a difference to a stored position is a warning.
    pub committed: Option<ResumePosition>,
}

/// When partitions are resolved: what is new while running starts at its first record, whatever the start setting says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// At the start of an execution.
    AtStart,
    /// While the dataflow runs: the partition is new.
    WhileRunning,
}

/// What everything that opens is told.
#[derive(Clone, Debug)]
pub struct OpenContext {
    /// The dataflow's name.
    pub dataflow: Arc<str>,
    /// The step's name.
    pub step: Arc<str>,
    /// The clock.
    pub clock: SharedClock,
    /// The longest that opening may take; then an error of kind *unavailable*.
    pub open_timeout: Duration,
}

impl OpenContext {
    /// `<dataflow>.<step>`, the default name of consumer groups and client ids.
    pub fn qualified_name(&self) -> String {
        format!("{}.{}", self.dataflow, self.step)
    }
}

/// What a reader is told when it opens.
#[derive(Clone, Debug)]
pub struct ReaderContext {
    /// The common part.
    pub open: OpenContext,
    /// The worker that the reader feeds.
    pub worker: usize,
    /// Bytes at which a batch is full.
    pub batch_bytes: usize,
    /// Records at which a batch is full.
    pub batch_records: usize,
    /// Whether the source ends once its assigned partitions have ended: nothing more will be assigned.
    pub bounded: bool,
}

/// A source as the program configures it. It is cloned per worker by building the graph again, and opens nothing by itself.
pub trait Source: Send + 'static {
    /// The connector's name, such as `kafka`.
    fn connector(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> SourceCapabilities;

    /// All faults of its settings, found without touching the network.
    fn faults(&self) -> Vec<Error> {
        Vec::new()
    }

    /// Opens what finds partitions. Called once per execution, off the workers; may block up to `open_timeout`.
    ///
    /// # Errors
    /// *Unavailable* when the broker cannot be reached, *config* when a topic does not exist.
    fn finder(&self, cx: &OpenContext) -> Result<Box<dyn PartitionFinder>>;

    /// Opens a reader. Called on the thread that will use it; may block up to `open_timeout`.
    ///
    /// # Errors
    /// As for [`Source::finder`].
    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn Reader>>;

    /// Whether readers run on a thread of their own (the default) or on the worker's, where `read` must never wait.
    fn placement(&self) -> Placement {
        Placement::OwnThread
    }
}

impl Source for Box<dyn Source> {
    fn connector(&self) -> &'static str {
        (**self).connector()
    }

    fn capabilities(&self) -> SourceCapabilities {
        (**self).capabilities()
    }

    fn faults(&self) -> Vec<Error> {
        (**self).faults()
    }

    fn finder(&self, cx: &OpenContext) -> Result<Box<dyn PartitionFinder>> {
        (**self).finder(cx)
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn Reader>> {
        (**self).reader(cx)
    }

    fn placement(&self) -> Placement {
        (**self).placement()
    }
}

/// Where a reader runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// On a thread of its own; batches reach the worker through a bounded channel.
    OwnThread,
    /// On the worker's thread; `read` is called with no wait and returns at once.
    Worker,
}

/// Finds the partitions of a source and where their reading starts.
pub trait PartitionFinder: Send {
    /// The partitions as they are now. Called at start and then on an interval.
    ///
    /// # Errors
    /// As for [`Source::finder`]; while running, an error is logged and the call repeated.
    fn find(&mut self) -> Result<Vec<Partition>>;

    /// Where reading starts: explicit positions of this run, else the stored ones given, else what the broker has committed,
    /// else the source's start setting. One assignment per wanted partition.
    ///
    /// # Errors
    /// *Corrupt* when a stored position has expired and the policy says stop.
    fn resolve(
        &mut self,
        wanted: &[(Partition, Option<ResumePosition>)],
        found: Found,
    ) -> Result<Vec<Assignment>>;

    /// Makes the resolved starts last at the broker, before the first record is handed out, where the broker keeps positions.
    ///
    /// # Errors
    /// *Unavailable*.
    fn pin(&mut self, _assignments: &[Assignment]) -> Result<()> {
        Ok(())
    }
}

/// What a call of [`Reader::read`] brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The batch holds at least one record.
    Records,
    /// Nothing came within the wait; returned only once the wait has passed.
    Idle,
    /// All assigned partitions of a bounded source have ended; `read` is not called again.
    End,
}

/// What is told when batches become durable: where each partition resumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The partition.
    pub partition: Partition,
    /// Where reading resumes after everything durable.
    pub resume: ResumePosition,
}

/// The running half of a source: fills batches, and is told when they are durable.
pub trait Reader {
    /// Adds partitions. Called before the first `read`, and again when new ones appear.
    ///
    /// # Errors
    /// *Unavailable*; *corrupt* for a position that has expired.
    fn assign(&mut self, assignments: &[Assignment]) -> Result<()>;

    /// Fills the empty batch handed in (or swaps it for a full one) until bytes, records or `wait` are reached.
    ///
    /// Returns as soon as something is there: a batch is never held back to grow. It sets the origin of every run.
    ///
    /// # Errors
    /// Anything that keeps the partition from going on; what the client retries by itself is not an error. The dataflow stops,
    /// or, where the program takes a source's failures as a stream, `read` is called again after a wait. What came before the
    /// error is handed out first: the engine throws away what a failed `read` leaves in the batch. A partition that cannot go on
    /// is told of once, and then rests.
    fn read(&mut self, batch: &mut RecordBatch, wait: Duration) -> Result<Read>;

    /// Empties a batch that was worked off, for the next `read`. A reader that hands out the same records again may leave them.
    fn recycle(&mut self, batch: &mut RecordBatch) {
        batch.clear();
    }

    /// The oldest `n_batches` batches not confirmed yet are durable: commits or acknowledges them, and says where their
    /// partitions resume. Called on the commit interval, and a last time before `close`. May start I/O, does not wait for it.
    ///
    /// # Errors
    /// Logged; the next call covers the same ground.
    fn confirm(&mut self, n_batches: u64, resume: &mut Vec<Confirmed>) -> Result<()>;

    /// Records at the broker that were not read yet, where that is known.
    fn lag(&self) -> Option<u64> {
        None
    }

    /// Finishes what `confirm` started, within `deadline`, and lets go of everything.
    ///
    /// # Errors
    /// *Unavailable* when the last commit did not get through; nothing is lost, the next run repeats more.
    fn close(&mut self, deadline: Duration) -> Result<()>;
}
