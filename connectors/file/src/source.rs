//! The source: how a program says what to read.
//!
//! Invariant: it opens nothing by itself; all faults of its settings are found by `faults`.

use std::path::PathBuf;
use std::time::Duration;

use millstream_engine::source::{
    Acknowledges, OpenContext, PartitionFinder, Reader, ReaderContext, SourceCapabilities,
};
use millstream_engine::{Error, Result};

use crate::config::{End, Expired, Format, SourceConfig, Start};
use crate::finder::Finder;
use crate::reader::FileReader;

/// The connector's name, in origins, errors and metrics.
pub(crate) const CONNECTOR: &str = "file";

/// Reads files: lines, JSON lines or CSV.
///
/// Each file is a partition, by its absolute path, and its records come in their order. Positions are bytes. A file is followed when
/// it is renamed or copied and started again, as log files are.
///
/// # Delivery
/// At least once, with a state folder: the next run goes on at the positions stored there. Without one it starts anew.
///
/// # Examples
/// ```
/// use millstream_file::{Format, Source};
///
/// let source = Source::new("/var/log/app/*.log").with_format(Format::JsonLines).until_end();
/// # let _ = source;
/// ```
#[derive(Clone, Debug)]
pub struct Source {
    config: SourceConfig,
}

impl Source {
    /// Reads the file at `path`, or those that it matches as a pattern, without an end.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::from_config(SourceConfig::new(path))
    }

    /// Reads as the settings say.
    pub fn from_config(config: SourceConfig) -> Self {
        Self { config }
    }

    /// Reads these files too.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.paths.push(path.into());
        self
    }

    /// How records lie in the files; [`Format::Lines`] by default.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.config.format = format;
        self
    }

    /// Where a file without a position starts; [`Start::Earliest`] by default.
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.config.start = start;
        self
    }

    /// What to do about a position whose file is gone; [`Expired::Stop`] by default.
    #[must_use]
    pub fn with_expired(mut self, expired: Expired) -> Self {
        self.config.expired = expired;
        self
    }

    /// Where reading ends; [`End::Never`] by default.
    #[must_use]
    pub fn with_end(mut self, end: End) -> Self {
        self.config.end = end;
        self
    }

    /// Ends where each file ends when it is assigned, instead of waiting for more: [`End::Latest`].
    #[must_use]
    pub fn until_end(self) -> Self {
        self.with_end(End::Latest)
    }

    /// Bytes of one record at most; 1 MiB by default.
    #[must_use]
    pub fn with_max_record_bytes(mut self, max_record_bytes: usize) -> Self {
        self.config.max_record_bytes = max_record_bytes;
        self
    }

    /// Files at most; 1000 by default.
    #[must_use]
    pub fn with_max_files(mut self, max_files: usize) -> Self {
        self.config.max_files = max_files;
        self
    }

    /// How often a file at its end is looked at; every 100 ms by default.
    #[must_use]
    pub fn with_poll_interval(mut self, poll_interval: Duration) -> Self {
        self.config.poll_interval = poll_interval;
        self
    }
}

impl millstream_engine::source::Source for Source {
    fn connector(&self) -> &'static str {
        CONNECTOR
    }

    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities {
            replayable: true,
            ordered: true,
            acknowledges: Acknowledges::Cumulatively,
            redelivers: false,
            bounded: self.config.end != End::Never,
        }
    }

    fn faults(&self) -> Vec<Error> {
        self.config.faults()
    }

    fn finder(&self, _cx: &OpenContext) -> Result<Box<dyn PartitionFinder>> {
        Ok(Box::new(Finder::new(self.config.clone())))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn Reader>> {
        Ok(Box::new(FileReader::new(self.config.clone(), cx)))
    }
}
