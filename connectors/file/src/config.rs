//! What a program can set, for sources and for sinks.
//!
//! Invariant: every default is written once, here.

use std::path::PathBuf;
use std::time::Duration;

use millstream_engine::Error;
use millstream_engine::sink::WhenFull;
use serde::{Deserialize, Serialize};

/// How records lie in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A record per line, without its line end, `\n` or `\r\n` (the default).
    #[default]
    Lines,
    /// As [`Format::Lines`], without the lines that are blank. A line that is no JSON is handed out: the step that decodes it says so.
    #[serde(rename = "jsonl")]
    JsonLines,
    /// A record per row; quoted fields may hold line breaks. The first row of a file names the columns.
    ///
    /// A source hands out each row as a JSON object of strings, in the order of the columns. A row that does not fit, with more or
    /// fewer fields than the first one or that is not UTF-8, is handed out as it stands: the step that decodes it sets it aside. A sink
    /// takes rows as they are to stand in the file, without their line end.
    Csv,
}

/// Where reading a file starts when there is no position of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// At the first record (the default).
    #[default]
    Earliest,
    /// After the last line end: what is written from now on.
    Latest,
}

/// Where reading ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Nowhere: it waits for more, and follows the file when it is rotated (the default).
    #[default]
    Never,
    /// Where each file ends when it is assigned. A last line without line end is a record.
    Latest,
}

/// What to do about a position in a file that is there no more: replaced, or cut off before the position, with no renamed or
/// copied file beside it that holds what was not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expired {
    /// An error of kind *corrupt*, `E0111` (the default): nobody loses records without knowing.
    #[default]
    Stop,
    /// Go on at the first record of the file that is there, with a warning.
    Earliest,
    /// Go on after its last line end, with a warning.
    Latest,
}

/// The settings of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// The files, by path or by pattern (`*`, `?`, `[…]`, `**`): each file is a partition. Relative ones are made absolute.
    pub paths: Vec<PathBuf>,
    /// How records lie in the files. Default: [`Format::Lines`].
    pub format: Format,
    /// Where a file without a position starts. Default: [`Start::Earliest`]. A file that appears later starts at its first record.
    pub start: Start,
    /// Where reading ends. Default: [`End::Never`].
    pub end: End,
    /// What to do about a position whose file is there no more. Default: [`Expired::Stop`].
    pub expired: Expired,
    /// Bytes of one record at most. Default: 1 MiB. A longer one is an error of kind *bad item*, and is skipped where reading goes on.
    /// Too low: good records are refused; too high: a file without line ends takes that much memory per reader.
    pub max_record_bytes: usize,
    /// Files that the patterns may match at most; more are an error. Default: 1000. Too high: open files, and a look at each of them
    /// per `poll_interval`.
    pub max_files: usize,
    /// How often a file at its end is looked at again. Default: 100 ms, the latency of a line that is written alone. Too low: some
    /// calls of the system per file and look.
    pub poll_interval: Duration,
}

impl SourceConfig {
    /// The defaults.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            paths: vec![path.into()],
            format: Format::default(),
            start: Start::default(),
            end: End::default(),
            expired: Expired::default(),
            max_record_bytes: 1 << 20,
            max_files: 1000,
            poll_interval: Duration::from_millis(100),
        }
    }

    /// All faults, found without touching a file.
    pub fn faults(&self) -> Vec<Error> {
        let mut faults = Vec::new();
        if self.paths.is_empty() || self.paths.iter().any(|path| path.as_os_str().is_empty()) {
            faults.push(Error::config("read a file: the path is empty"));
        }
        for path in &self.paths {
            let pattern = path.to_string_lossy();
            if let Err(why) = glob::Pattern::new(&pattern) {
                faults.push(Error::config(format!("read \"{pattern}\" as a pattern: {why}")));
            }
        }
        if self.max_record_bytes == 0 || self.max_files == 0 || self.poll_interval.is_zero() {
            let what = "bound reading: `max_record_bytes`, `max_files` and `poll_interval` must be more than 0";
            faults.push(Error::config(what));
        }
        faults
    }
}

/// When a sink ends a file and starts the next one; at least one of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roll {
    /// Once it holds this many bytes. Default: never. What is written at once stays in one file, so that it may be larger by
    /// [`SinkConfig::queue_bytes`] at most.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// This long after its first record. Default: never.
    #[serde(default)]
    pub interval: Option<Duration>,
}

/// The settings of a sink. The bounds are per writer: one writer runs per worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkConfig {
    /// The file to append to; with `roll` what the names of files are made of: `out.jsonl` becomes `out-0-000000.jsonl`, the first
    /// file of writer 0. The folder must exist.
    pub path: PathBuf,
    /// How records lie in the file. Default: [`Format::Lines`].
    pub format: Format,
    /// When the next file is started. Default: never; everything is appended to one file.
    #[serde(default)]
    pub roll: Option<Roll>,
    /// The shortest time from one sync to the next. Default: 100 ms. Too low: the disk does little else; too high: records are
    /// durable late, and positions committed late.
    pub sync_interval: Duration,
    /// Records taken and not written yet at most. Default: 20,000.
    pub queue_records: usize,
    /// Bytes taken and not written yet at most; a larger record goes alone. Default: 8 MiB, and as much again is being written. Too
    /// low: small writes; too high: memory.
    pub queue_bytes: usize,
    /// What becomes of records that the queue has no room for. Default: [`WhenFull::Wait`].
    #[serde(default)]
    pub when_full: WhenFull,
}

impl SinkConfig {
    /// The defaults.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: Format::default(),
            roll: None,
            sync_interval: Duration::from_millis(100),
            queue_records: 20_000,
            queue_bytes: 8 << 20,
            when_full: WhenFull::default(),
        }
    }

    /// All faults, found without touching a file.
    pub fn faults(&self) -> Vec<Error> {
        let mut faults = Vec::new();
        if self.path.file_name().is_none() {
            let what = format!("write to \"{}\": it names no file", self.path.display());
            faults.push(Error::config(what));
        }
        if self.queue_records == 0 || self.queue_bytes == 0 {
            let what = "bound the queue: it must hold at least one record and one byte";
            faults.push(Error::config(what));
        }
        if let Some(roll) = self.roll {
            let never = roll.bytes.is_none() && roll.interval.is_none();
            if never || roll.bytes == Some(0) || roll.interval == Some(Duration::ZERO) {
                let what =
                    "roll files: name the bytes or the interval after which the next one starts";
                faults.push(Error::config(what).with_hint("Both must be more than 0."));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readme_lists_every_setter() {
        let readme = include_str!("../README.md");
        for code in [include_str!("source.rs"), include_str!("sink.rs")] {
            let names = code.lines().filter_map(|line| {
                let name = line.strip_prefix("    pub fn ")?.split('(').next()?;
                (name.starts_with("with_") || name == "until_end").then_some(name)
            });
            for name in names {
                assert!(readme.contains(&format!("`{name}`")), "{name} is not in the README");
            }
        }
    }

    #[test]
    fn sink_that_cannot_work_is_told_before_it_opens() {
        let roll = Some(Roll::default());
        let config = SinkConfig { queue_records: 0, roll, ..SinkConfig::new("/tmp/..") };
        let reports: Vec<_> = config.faults().iter().map(Error::report).collect();
        insta::assert_snapshot!(reports.join("\n"), @r#"
        E0201 failed to write to "/tmp/..": it names no file
        E0201 failed to bound the queue: it must hold at least one record and one byte
        E0201 failed to roll files: name the bytes or the interval after which the next one starts
        Both must be more than 0.
        "#);
    }
}
