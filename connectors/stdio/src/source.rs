//! The source: lines of standard input, or of any other stream of bytes.
//!
//! Invariant: nothing is opened before a reader has its partition, so that one worker alone reads.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use millstream_engine::source::{
    Acknowledges, Assignment, Found, OpenContext, Partition, PartitionFinder, Reader,
    ReaderContext, ResumePosition, SourceCapabilities,
};
use millstream_engine::{Error, Result};
use millstream_file::Format;

use crate::reader::StreamReader;

/// The connector's name, in origins, errors and metrics.
pub(crate) const CONNECTOR: &str = "stdio";

type Open = dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync;

/// Reads records from standard input until it ends.
///
/// One partition, so one worker reads; the last line needs no line end. Up to five chunks of 64 KiB are read ahead. A program has one
/// standard input: a second source of it gets what the first one leaves.
///
/// # Delivery
/// At most once: a stream cannot be read again, and nothing is acknowledged.
///
/// # Errors
/// `E0150` when reading fails. A record that is too long is an error of kind *bad item*, `E0141`, and is skipped where reading goes on.
///
/// # Examples
/// ```
/// let source = millstream_stdio::Source::new();
/// let of_my_own = millstream_stdio::Source::reading("greeting", || Ok(Box::new(&b"hello\n"[..])));
/// # let _ = (source, of_my_own);
/// ```
#[derive(Clone)]
pub struct Source {
    pub(crate) name: &'static str,
    pub(crate) open: Arc<Open>,
    pub(crate) format: Format,
    pub(crate) max_record_bytes: usize,
}

impl Source {
    /// Reads standard input.
    pub fn new() -> Self {
        Self::reading("stdin", || Ok(Box::new(io::stdin())))
    }

    /// Reads what `open` opens, once per execution; `name` stands for the topic in origins and errors. It may block: it is read on a
    /// thread of its own, which ends at the end of the input, or with the first read after the dataflow's end.
    pub fn reading(
        name: &'static str,
        open: impl Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync + 'static,
    ) -> Self {
        Self { name, open: Arc::new(open), format: Format::default(), max_record_bytes: 1 << 20 }
    }

    /// How records lie in the input; [`Format::Lines`] by default.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Bytes of one record at most; 1 MiB by default. Too low: good records are refused; too high: input without line ends takes
    /// that much memory.
    #[must_use]
    pub fn with_max_record_bytes(mut self, max_record_bytes: usize) -> Self {
        self.max_record_bytes = max_record_bytes;
        self
    }
}

impl Default for Source {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("format", &self.format)
            .field("max_record_bytes", &self.max_record_bytes)
            .finish_non_exhaustive()
    }
}

impl millstream_engine::source::Source for Source {
    fn connector(&self) -> &'static str {
        CONNECTOR
    }

    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities {
            replayable: false,
            ordered: true,
            acknowledges: Acknowledges::Never,
            redelivers: false,
            bounded: true,
        }
    }

    fn faults(&self) -> Vec<Error> {
        let what = "bound reading: `max_record_bytes` must be more than 0";
        (self.max_record_bytes == 0).then(|| Error::config(what)).into_iter().collect()
    }

    fn finder(&self, _cx: &OpenContext) -> Result<Box<dyn PartitionFinder>> {
        Ok(Box::new(OnlyOne(Partition::new(self.name, 0))))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn Reader>> {
        Ok(Box::new(StreamReader::new(self.clone(), cx)))
    }
}

/// The only partition there is; it starts where the stream stands.
struct OnlyOne(Partition);

impl PartitionFinder for OnlyOne {
    fn find(&mut self) -> Result<Vec<Partition>> {
        Ok(vec![self.0.clone()])
    }

    fn resolve(
        &mut self,
        wanted: &[(Partition, Option<ResumePosition>)],
        _found: Found,
    ) -> Result<Vec<Assignment>> {
        let assigned = |(partition, _): &(Partition, Option<ResumePosition>)| Assignment {
            partition: partition.clone(),
            start: ResumePosition("0".to_owned()),
            committed: None,
        };
        Ok(wanted.iter().map(assigned).collect())
    }
}
