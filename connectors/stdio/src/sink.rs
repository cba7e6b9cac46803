//! The sink: lines to standard output, or to any other stream of bytes.
//!
//! Invariant: it opens nothing by itself.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::sink::{SinkCapabilities, WhenFull, Writer, WriterContext};
use millstream_engine::{Error, Result};
use millstream_file::Format;
use millstream_file::output::{self, Bounds, Output};

use crate::error;
use crate::source::CONNECTOR;

type Open = dyn Fn() -> io::Result<Box<dyn Write + Send>> + Send + Sync;

/// Writes the values of records to standard output.
///
/// Order is kept per worker; records of several workers stand in between each other, each whole. Keys, headers and times are not
/// written.
///
/// # Delivery
/// At least once, as far as whoever reads it takes what was flushed: a record is confirmed once it was.
///
/// # Errors
/// A record is rejected, with `E0140`, when it would not be one line: without a value, or with a line break. When nobody reads any
/// more the dataflow stops with `E0152`; when writing fails otherwise, with `E0150` or `E0151`.
///
/// # Examples
/// ```
/// use millstream_engine::sink::Sink as _;
///
/// assert_eq!(millstream_stdio::Sink::new().target(), "stdout");
/// ```
#[derive(Clone)]
pub struct Sink {
    name: &'static str,
    open: Arc<Open>,
    bounds: Bounds,
}

impl Sink {
    /// Writes to standard output.
    pub fn new() -> Self {
        Self::writing("stdout", || Ok(Box::new(io::stdout())))
    }

    /// Writes to what `open` opens, once per writer; `name` stands for it in errors. Each call of `write` that takes everything
    /// keeps records of several workers whole; it may block, on a thread of its own.
    pub fn writing(
        name: &'static str,
        open: impl Fn() -> io::Result<Box<dyn Write + Send>> + Send + Sync + 'static,
    ) -> Self {
        let bounds = Bounds {
            format: Format::default(),
            sync_interval: Duration::ZERO,
            queue_records: 20_000,
            queue_bytes: 1 << 20,
            when_full: WhenFull::default(),
        };
        Self { name, open: Arc::new(open), bounds }
    }

    /// How records are to lie in the output; [`Format::Lines`] by default.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.bounds.format = format;
        self
    }

    /// Records taken and not written yet at most; 20,000 by default.
    #[must_use]
    pub fn with_queue_records(mut self, queue_records: usize) -> Self {
        self.bounds.queue_records = queue_records;
        self
    }

    /// Bytes taken and not written yet at most; 1 MiB by default, and as much again is being written.
    #[must_use]
    pub fn with_queue_bytes(mut self, queue_bytes: usize) -> Self {
        self.bounds.queue_bytes = queue_bytes;
        self
    }

    /// What becomes of records that the queue has no room for; [`WhenFull::Wait`] by default.
    #[must_use]
    pub fn with_when_full(mut self, when_full: WhenFull) -> Self {
        self.bounds.when_full = when_full;
        self
    }
}

impl Default for Sink {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink")
            .field("name", &self.name)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

impl millstream_engine::sink::Sink for Sink {
    fn connector(&self) -> &'static str {
        CONNECTOR
    }

    fn target(&self) -> String {
        self.name.to_owned()
    }

    fn capabilities(&self) -> SinkCapabilities {
        SinkCapabilities {
            confirms: true,
            transactional: false,
            idempotent: false,
            headers: false,
            routes: false,
        }
    }

    fn faults(&self) -> Vec<Error> {
        let is_empty = self.bounds.queue_records == 0 || self.bounds.queue_bytes == 0;
        let what = "bound the queue: it must hold at least one record and one byte";
        is_empty.then(|| Error::config(what)).into_iter().collect()
    }

    fn writer(&self, cx: WriterContext) -> Result<Box<dyn Writer>> {
        let stream = (self.open)().map_err(|cause| error::failed("open", self.name, cause))?;
        let stream = Stream { name: self.name, stream };
        output::writer(Box::new(stream), self.bounds.clone(), self.target(), cx)
    }
}

struct Stream {
    name: &'static str,
    stream: Box<dyn Write + Send>,
}

impl Output for Stream {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.stream.write_all(bytes);
        written.map_err(|cause| error::failed("write to", self.name, cause))
    }

    fn sync(&mut self) -> Result<()> {
        self.stream.flush().map_err(|cause| error::failed("write to", self.name, cause))
    }
}
