//! The sink contract: what a connector says of itself, and how batches are written and become durable.
//!
//! The engine promises: a writer sees batches of all open epochs interleaved, in order per key; `epoch_closed` comes in order;
//! each prefix taken is handed over once; records with a topic of their own come to sinks that route alone; nothing is called after `close`; each writer is called by one worker thread only.
//!
//! The implementer owes: never blocking the worker; no loss without an error; a bounded queue, and what [`WhenFull`] says when it
//! is full; a record with a partition of its own going there or being rejected; every record confirmed or rejected exactly once; a `Drop` that loses nothing confirmed.

mod from_fn;

use serde::{Deserialize, Serialize};

use crate::batch::{OwnedRecord, RecordBatch};
use crate::error::{Error, ErrorKind, Result, codes};
use crate::runtime::Wake;
use crate::source::OpenContext;

pub use from_fn::{FromFn, from_batch_fn, from_fn};

/// What a sink can do; checked when the graph is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkCapabilities {
    /// Each record is confirmed by the other side (false: fire and forget, at most once).
    pub confirms: bool,
    /// Writes can be grouped into a transaction that commits or aborts.
    pub transactional: bool,
    /// The other side drops what it has seen, by producer and sequence.
    pub idempotent: bool,
    /// Records may carry headers.
    pub headers: bool,
    /// Records say themselves which topic they go to. Without this ability a record that does stops the dataflow, before it is
    /// written: it must not go elsewhere in silence.
    pub routes: bool,
}

/// What a sink does with records that its queue has no room for; `with_when_full` on every connector.
///
/// Either way the worker is never blocked, what is queued goes on, and what is delivered keeps its order per key.
///
/// # Examples
/// ```
/// use millstream_engine::sink::WhenFull;
/// let (room, len) = (10, 30);
/// assert_eq!(WhenFull::Wait.taken(room, len), 10);
/// assert_eq!(WhenFull::Reject.taken(room, len), 30);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// They wait (the default): the sink takes no more, and the sources before it read no more than the ledger holds. Nothing is
    /// lost; a dataflow is as slow as its slowest sink.
    #[default]
    Wait,
    /// They are rejected at once, with `E0142`: the dataflow stops there, or they leave on the error stream and the sources go on
    /// at full speed. For records that are worth nothing when they are late.
    Reject,
}

impl WhenFull {
    /// Where [`Writer::write`] of a batch of `len` records ends when the queue has room for those before `room`: what lies between
    /// the two is the writer's to reject, with [`queue_full`].
    #[inline]
    pub fn taken(self, room: usize, len: usize) -> usize {
        match self {
            Self::Wait => room,
            Self::Reject => len,
        }
    }
}

/// A record found no room, and is not to wait for it.
#[cold]
pub fn queue_full(topic: &str) -> Error {
    Error::new(ErrorKind::Unavailable, codes::QUEUE_FULL, "take a record: the sink's queue is full")
        .at_topic(topic)
        .with_hint(
            "Choose `.with_when_full(WhenFull::Wait)` to hold the sources back instead, or make the queue larger.",
        )
}

/// What a writer is told when it opens.
#[derive(Clone, Debug)]
pub struct WriterContext {
    /// The common part.
    pub open: OpenContext,
    /// The writer's share of the sink.
    pub shard: usize,
    /// How many writers the sink has.
    pub n_shards: usize,
    /// The number of the execution, which fences older ones.
    pub generation: u64,
    /// Wakes the sink's operator: call it from any thread when something was confirmed or rejected, and when there is room again
    /// after a short write.
    pub wake: Wake,
}

/// A sink as the program configures it. It opens nothing by itself.
pub trait Sink: Send + 'static {
    /// The connector's name, such as `kafka`.
    fn connector(&self) -> &'static str;

    /// Where it writes, for people: a topic, a path.
    fn target(&self) -> String;

    /// What it can do.
    fn capabilities(&self) -> SinkCapabilities;

    /// All faults of its settings, found without touching the network.
    fn faults(&self) -> Vec<Error> {
        Vec::new()
    }

    /// Checks that the target can be written. Called once per execution, off the workers; may block up to `open_timeout`.
    ///
    /// # Errors
    /// *Unavailable* when the broker cannot be reached, *config* when a topic does not exist and may not be created.
    fn prepare(&self, _cx: &OpenContext) -> Result<()> {
        Ok(())
    }

    /// Opens a writer, on the worker that will use it; must not wait for the network.
    ///
    /// # Errors
    /// *Config* when the client refuses its settings.
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn Writer>>;
}

impl Sink for Box<dyn Sink> {
    fn connector(&self) -> &'static str {
        (**self).connector()
    }

    fn target(&self) -> String {
        (**self).target()
    }

    fn capabilities(&self) -> SinkCapabilities {
        (**self).capabilities()
    }

    fn faults(&self) -> Vec<Error> {
        (**self).faults()
    }

    fn prepare(&self, cx: &OpenContext) -> Result<()> {
        (**self).prepare(cx)
    }

    fn writer(&self, cx: WriterContext) -> Result<Box<dyn Writer>> {
        (**self).writer(cx)
    }
}

/// A record that the other side refused, or that the client gave up on. It is never sent again by the engine.
#[derive(Debug)]
pub struct Rejected {
    /// The epoch it was written in.
    pub epoch: u64,
    /// The record as it was to be written.
    pub record: OwnedRecord,
    /// Why; `is_retryable` says whether a retry could help.
    pub error: Error,
    /// How often it was tried, where the client tells.
    pub attempts: u32,
}

/// The running half of a sink: takes records, and tells when they are durable.
pub trait Writer {
    /// Takes records of `batch` from index `from` on, in order, and returns the index of the first one not taken: the length of
    /// the batch when all were, `from` when the queue is full and they are to wait ([`WhenFull`]). What was taken is the writer's to deliver or reject.
    ///
    /// # Errors
    /// Something that no later call can mend; the dataflow stops.
    fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<usize>;

    /// No record of an epoch before `frontier` comes any more; `None`: no record at all.
    fn epoch_closed(&mut self, _frontier: Option<u64>) {}

    /// Takes in what the client has to tell: confirmations and rejections. Called whenever the operator runs, and every 100 ms
    /// while something is unconfirmed; never waits.
    ///
    /// # Errors
    /// Something that no later call can mend; the dataflow stops.
    fn poll(&mut self, rejected: &mut Vec<Rejected>) -> Result<()>;

    /// The oldest epoch with a record that is neither durable nor rejected.
    fn oldest_unconfirmed(&self) -> Option<u64>;

    /// Lets go of everything. After a graceful stop nothing is unconfirmed; after an error or at the deadline something may be,
    /// and is given up: it was never reported durable, so the next run repeats it.
    fn close(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choice_is_written_as_one_word() {
        let written = serde_json::to_string(&[WhenFull::Wait, WhenFull::Reject]).expect("JSON");
        assert_eq!(written, r#"["wait","reject"]"#);
        let read: [WhenFull; 2] = serde_json::from_str(&written).expect("it reads back");
        assert_eq!(read, [WhenFull::default(), WhenFull::Reject]);
    }

    #[test]
    fn full_queue_says_what_to_choose() {
        let error = queue_full("orders");
        assert!(error.is_retryable());
        insta::assert_snapshot!(error.report(), @r#"
        E0142 failed to take a record: the sink's queue is full (topic "orders")
        Choose `.with_when_full(WhenFull::Wait)` to hold the sources back instead, or make the queue larger.
        "#);
    }
}
