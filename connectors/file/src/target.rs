//! The file that a writer is at, and what comes after it.
//!
//! Invariant: a file holds whole records, except that an appended one may end in a torn line after a crash, which the next writer
//! ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Instant;

use millstream_engine::Result;

use crate::config::{Roll, SinkConfig};
use crate::error;
use crate::output::Output;
use crate::parts::{Part, Parts};

/// Where a writer writes.
pub(crate) enum Target {
    /// One file that several writers, of this process and others, append to.
    Append { path: PathBuf, file: Option<File> },
    /// A part that becomes a file once it is whole, then the next one.
    Rolling { parts: Parts, roll: Roll, part: Option<Part> },
}

impl Target {
    pub(crate) fn new(config: &SinkConfig, shard: usize) -> Self {
        match config.roll {
            None => Self::Append { path: config.path.clone(), file: None },
            Some(roll) => {
                Self::Rolling { parts: Parts::new(&config.path, shard), roll, part: None }
            }
        }
    }
}

impl Output for Target {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Append { path, file } => {
                let appended = open_once(file, || open_to_append(path))
                    .and_then(|file| append_whole(file, bytes));
                appended.map_err(|cause| error::failed("append to", path, cause))
            }
            Self::Rolling { parts, part, .. } => {
                let part = match part {
                    Some(part) => part,
                    None => part.insert(parts.create()?),
                };
                part.append(bytes)
            }
        }
    }

    fn sync(&mut self) -> Result<()> {
        match self {
            Self::Append { path, file: Some(file) } => {
                sync(file).map_err(|cause| error::failed("sync", path, cause))
            }
            Self::Rolling { part: Some(part), .. } => part.sync(),
            _ => Ok(()),
        }
    }

    fn rolls_at(&self) -> Option<Instant> {
        let Self::Rolling { roll, part: Some(part), .. } = self else { return None };
        Some(part.since + roll.interval?)
    }

    fn is_due(&self) -> bool {
        let Self::Rolling { roll, part: Some(part), .. } = self else { return false };
        roll.bytes.is_some_and(|bytes| part.n_bytes >= bytes)
            || self.rolls_at().is_some_and(|at| at <= Instant::now())
    }

    fn finish(&mut self) -> Result<()> {
        match self {
            Self::Rolling { part, .. } => part.take().map_or(Ok(()), Part::publish),
            Self::Append { .. } => Ok(()),
        }
    }
}

fn open_once(
    file: &mut Option<File>,
    open: impl FnOnce() -> io::Result<File>,
) -> io::Result<&mut File> {
    Ok(match file {
        Some(file) => file,
        None => file.insert(open()?),
    })
}

/// Opens a file to append to, and makes it where there is none.
pub(crate) fn open_to_append(path: &std::path::Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    let opened = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = options.create(true).open(path)?;
            sync_folder(path)?;
            file
        }
        opened => opened?,
    };
    Ok(opened)
}

/// Appends under the file's lock, so that writers do not mix their records; what was written of them is taken back on an error.
fn append_whole(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.lock()?;
    let outcome = append_locked(file, bytes);
    file.unlock()?;
    outcome
}

fn append_locked(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let metadata = file.metadata()?;
    let end = metadata.len();
    if metadata.is_file() && is_torn(file, end)? {
        file.write_all(b"\n")?;
    }
    let outcome = file.write_all(bytes);
    if outcome.is_err() && metadata.is_file() {
        file.set_len(end)?;
    }
    outcome
}

/// Whether the last record has no line end, which is all that a crash leaves of it.
fn is_torn(file: &File, end: u64) -> io::Result<bool> {
    let Some(last) = end.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}

/// Syncs what can be: a device or a pipe has nothing to sync.
fn sync(file: &File) -> io::Result<()> {
    match file.sync_data() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        outcome => outcome,
    }
}

/// Makes names in the folder of `path` last.
pub(crate) fn sync_folder(path: &std::path::Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}
