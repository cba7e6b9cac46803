//! Writing bytes in order on a thread of its own, for connectors whose other side may block: files, standard output.
//!
//! Invariant: the worker takes records into a bounded queue, and touches nothing else.

use std::time::{Duration, Instant};

use millstream_engine::Result;
use millstream_engine::sink::{WhenFull, Writer, WriterContext};

use crate::config::Format;
use crate::writer::QueueWriter;

/// What is written to. All calls come from one thread, and may block; after an error there are no more.
pub trait Output: Send {
    /// Writes whole records, with their line ends: all of them, or none that anybody sees.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being written; the dataflow stops, and nothing of them is confirmed.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// Makes everything appended durable; then it is confirmed.
    ///
    /// # Errors
    /// As for [`Output::append`].
    fn sync(&mut self) -> Result<()>;

    /// When [`Output::finish`] is due whether or not records come.
    fn rolls_at(&self) -> Option<Instant> {
        None
    }

    /// Whether [`Output::finish`] is due now.
    fn is_due(&self) -> bool {
        false
    }

    /// Ends what was written so far, which is synced; a last time when the writer is closed.
    ///
    /// # Errors
    /// As for [`Output::append`].
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// How a writer takes records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How records lie in the output: what would not be one record of it is rejected.
    pub format: Format,
    /// The shortest time from one sync to the next.
    pub sync_interval: Duration,
    /// Records taken and not written yet at most.
    pub queue_records: usize,
    /// Bytes taken and not written yet at most; a larger record goes alone.
    pub queue_bytes: usize,
    /// What becomes of records that the queue has no room for.
    pub when_full: WhenFull,
}

/// A writer to `output`, with a thread of its own; `target` names it in errors.
///
/// # Errors
/// *Unavailable* when the system starts no thread.
pub fn writer(
    output: Box<dyn Output>,
    bounds: Bounds,
    target: String,
    cx: WriterContext,
) -> Result<Box<dyn Writer>> {
    Ok(Box::new(QueueWriter::open(output, bounds, target, cx)?))
}
