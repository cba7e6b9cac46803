//! The sink: how a program says where to write.
//!
//! Invariant: it opens nothing by itself.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::time::Duration;

use millstream_engine::sink::{SinkCapabilities, WhenFull, Writer, WriterContext};
use millstream_engine::source::OpenContext;
use millstream_engine::{Error, Result};

use crate::config::{Format, Roll, SinkConfig};
use crate::output::{self, Bounds};
use crate::source::CONNECTOR;
use crate::target::{Target, open_to_append};
use crate::{error, parts};

/// Writes the values of records to files: lines, JSON lines or CSV rows.
///
/// Everything is appended to one file, by all workers and by other programs that use this sink; with [`Sink::with_roll`] every
/// writer has files of its own, which are seen once they are whole. Order is kept per writer. Keys, headers and times are not written.
///
/// # Delivery
/// At least once: a record is durable once its file was synced. After a crash, an appended file may end in a part of a record, which
/// the next start ends with a line break; a file that was not whole is finished by the next start.
///
/// # Errors
/// A record is rejected, with `E0140`, when it would not be the same record when it is read again: without a value, or with a line
/// break. Where the disk fails or is full the dataflow stops, with `E0150` or `E0151`; nothing of that is confirmed.
///
/// # Examples
/// ```
/// use millstream_engine::sink::Sink as _;
/// use millstream_file::{Format, Roll, Sink};
///
/// let roll = Roll { bytes: Some(64 << 20), ..Roll::default() };
/// let sink = Sink::new("/tmp/out.jsonl").with_format(Format::JsonLines).with_roll(roll);
/// assert_eq!(sink.target(), "/tmp/out.jsonl");
/// ```
#[derive(Clone, Debug)]
pub struct Sink {
    config: SinkConfig,
}

impl Sink {
    /// Appends to the file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::from_config(SinkConfig::new(path))
    }

    /// Writes as the settings say.
    pub fn from_config(config: SinkConfig) -> Self {
        Self { config }
    }

    /// How records lie in the file; [`Format::Lines`] by default.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.config.format = format;
        self
    }

    /// Writes to files that are seen once they are whole, and says when the next one is started. Default: one file, appended to.
    #[must_use]
    pub fn with_roll(mut self, roll: Roll) -> Self {
        self.config.roll = Some(roll);
        self
    }

    /// The shortest time from one sync to the next; 100 ms by default.
    #[must_use]
    pub fn with_sync_interval(mut self, sync_interval: Duration) -> Self {
        self.config.sync_interval = sync_interval;
        self
    }

    /// Records taken and not written yet at most; 20,000 by default.
    #[must_use]
    pub fn with_queue_records(mut self, queue_records: usize) -> Self {
        self.config.queue_records = queue_records;
        self
    }

    /// Bytes taken and not written yet at most; 8 MiB by default.
    #[must_use]
    pub fn with_queue_bytes(mut self, queue_bytes: usize) -> Self {
        self.config.queue_bytes = queue_bytes;
        self
    }

    /// What becomes of records that the queue has no room for; [`WhenFull::Wait`] by default.
    #[must_use]
    pub fn with_when_full(mut self, when_full: WhenFull) -> Self {
        self.config.when_full = when_full;
        self
    }
}

impl millstream_engine::sink::Sink for Sink {
    fn connector(&self) -> &'static str {
        CONNECTOR
    }

    fn target(&self) -> String {
        self.config.path.display().to_string()
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
        self.config.faults()
    }

    fn prepare(&self, _cx: &OpenContext) -> Result<()> {
        let path = &self.config.path;
        if self.config.roll.is_none() {
            let opened = open_to_append(path).map(drop);
            return opened.map_err(|cause| error::failed("append to", path, cause));
        }
        parts::recover(path, self.config.format)?;
        let probe = path.with_extension("probe");
        let made = OpenOptions::new().create(true).append(true).open(&probe);
        let made = made.and_then(|_| fs::remove_file(&probe));
        made.map_err(|cause| error::failed("make a file in the folder of", path, cause))
    }

    fn writer(&self, cx: WriterContext) -> Result<Box<dyn Writer>> {
        let config = &self.config;
        let bounds = Bounds {
            format: config.format,
            sync_interval: config.sync_interval,
            queue_records: config.queue_records,
            queue_bytes: config.queue_bytes,
            when_full: config.when_full,
        };
        let target = Target::new(config, cx.shard);
        output::writer(Box::new(target), bounds, self.target(), cx)
    }
}
