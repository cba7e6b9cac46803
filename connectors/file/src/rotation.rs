//! Finds a file again that was renamed or copied, and those that followed it.
//!
//! The files of one log are the one at its path and those beside it whose names begin with its name, as rotation leaves them:
//! `app.log`, `app.log.1`, `app.log-20260102`. Compressed ones are not read. They are in the order in which they were last
//! written to; where that is equal, a higher number is older.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::identity::FileId;
use crate::position::Position;

/// Endings of files that cannot be read as they are.
const COMPRESSED: [&str; 5] = ["gz", "zst", "bz2", "xz", "lz4"];

/// The open file that a position stands in: at the path, or renamed or copied beside it; none when it is gone.
pub(crate) fn find(path: &Path, position: &Position) -> io::Result<Option<File>> {
    let Some((id, _)) = position.file else { return open(path) };
    let here = open(path)?;
    let mut copies = Vec::new();
    for file in
        here.into_iter().chain(rotated(path).into_iter().filter_map(|r| open(&r.path).ok()?))
    {
        if !position.has_content_of(&file)? {
            continue;
        }
        if FileId::of(&file.metadata()?) == id {
            return Ok(Some(file));
        }
        copies.push(file);
    }
    // An empty beginning is like that of any file.
    Ok(if position.offset == 0 { None } else { copies.into_iter().next() })
}

/// The file to read after `current` has been read to its end: the oldest of those that were written to later, the one at the path
/// last; none when there is no other one.
pub(crate) fn after(path: &Path, current: &File, done: &[FileId]) -> io::Result<Option<File>> {
    let metadata = current.metadata()?;
    let (id, modified) = (FileId::of(&metadata), metadata.modified()?);
    let last = open(path)?;
    if let Some(last) = &last
        && FileId::of(&last.metadata()?) == id
    {
        return Ok(None);
    }
    let is_next = |file: &Rotated| {
        file.n_bytes > 0 && file.id != id && !done.contains(&file.id) && file.modified >= modified
    };
    for next in rotated(path).into_iter().filter(is_next) {
        // It may have been renamed or deleted since: the next look finds it at its new name.
        let Some(file) = open(&next.path)? else { continue };
        if FileId::of(&file.metadata()?) == next.id {
            return Ok(Some(file));
        }
    }
    Ok(last)
}

/// Opens a file for reading; none when there is none.
pub(crate) fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

struct Rotated {
    path: PathBuf,
    id: FileId,
    n_bytes: u64,
    modified: SystemTime,
    number: Option<u64>,
}

/// The files beside `path` that it was renamed or copied to, the oldest first.
fn rotated(path: &Path) -> Vec<Rotated> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str))
    else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let entry_name = entry.file_name();
            let suffix = entry_name.to_str()?.strip_prefix(name)?.strip_prefix(['.', '-', '_'])?;
            Rotated::new(entry.path(), suffix, &entry.metadata().ok()?)
        })
        .collect();
    files.sort_by(|a, b| a.order().cmp(&b.order()));
    files
}

impl Rotated {
    fn new(path: PathBuf, suffix: &str, metadata: &Metadata) -> Option<Self> {
        let ending = suffix.rsplit('.').next().unwrap_or_default();
        let is_readable = metadata.is_file() && !COMPRESSED.contains(&ending);
        let modified = metadata.modified().ok()?;
        let number = suffix.parse().ok();
        let (id, n_bytes) = (FileId::of(metadata), metadata.len());
        is_readable.then_some(Self { path, id, n_bytes, modified, number })
    }

    fn order(&self) -> (SystemTime, Reverse<Option<u64>>, &Path) {
        (self.modified, Reverse(self.number), &self.path)
    }
}
