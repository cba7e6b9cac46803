//! Files that are seen once they are whole: written under a hidden name, synced, renamed.
//!
//! A writer holds the lock of its part. A part without one was left behind by a crash: the next start makes a file of it, without the
//! record that it may end in the middle of.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use millstream_engine::Result;

use crate::config::Format;
use crate::error;
use crate::target::sync_folder;

const SUFFIX: &str = ".part";

/// The names of one writer's files: `out-0-000007.jsonl` for `out.jsonl`, writer 0 and the eighth file.
pub(crate) struct Parts {
    path: PathBuf,
    shard: usize,
    number: u64,
}

/// A part that is being written.
pub(crate) struct Part {
    file: File,
    hidden: PathBuf,
    path: PathBuf,
    pub(crate) n_bytes: u64,
    pub(crate) since: Instant,
}

impl Parts {
    pub(crate) fn new(path: &Path, shard: usize) -> Self {
        Self { path: path.to_owned(), shard, number: next_number(path, shard) }
    }

    /// Makes the next part. Whoever makes the hidden file owns its number: another writer takes the one after it.
    pub(crate) fn create(&mut self) -> Result<Part> {
        loop {
            let path = self.path.with_file_name(self.name());
            let hidden = hidden(&path);
            self.number += 1;
            let failed = |cause| error::failed("make", &hidden, cause);
            let file = match OpenOptions::new().append(true).create_new(true).open(&hidden) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => opened.map_err(failed)?,
            };
            file.lock().map_err(failed)?;
            if !path.exists() {
                return Ok(Part { file, hidden, path, n_bytes: 0, since: Instant::now() });
            }
            fs::remove_file(&hidden).map_err(failed)?;
        }
    }

    fn name(&self) -> OsString {
        let mut name = stem(&self.path);
        name.push(format!("{}-{:06}", self.shard, self.number));
        name.push(ending(&self.path));
        name
    }
}

impl Part {
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if let Err(cause) = self.file.write_all(bytes) {
            let taken_back = self.file.set_len(self.n_bytes);
            return Err(error::failed(
                "append to",
                &self.hidden,
                taken_back.err().unwrap_or(cause),
            ));
        }
        self.n_bytes += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|cause| error::failed("sync", &self.hidden, cause))
    }

    /// Gives the part its name, for good once this returns.
    pub(crate) fn publish(self) -> Result<()> {
        let renamed = fs::rename(&self.hidden, &self.path).and_then(|()| sync_folder(&self.path));
        renamed.map_err(|cause| error::failed("give its name to", &self.path, cause))
    }
}

/// Makes files of the parts that a crash left behind, in all shards; those that somebody writes to are left alone.
pub(crate) fn recover(path: &Path, format: Format) -> Result<()> {
    let failed = |cause| error::failed("finish what a crash left at", path, cause);
    for hidden in left_behind(path).map_err(failed)? {
        recover_one(&hidden, format).map_err(failed)?;
    }
    Ok(())
}

fn recover_one(hidden: &Path, format: Format) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(hidden)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(()),
        locked => locked?,
    }
    // Its writer may have renamed it in between: then it is a file by now, and the name is free or another part's.
    if fs::metadata(hidden).map(|now| now.ino()).ok() != Some(file.metadata()?.ino()) {
        return Ok(());
    }
    let n_bytes = whole_bytes(&file, format)?;
    if n_bytes == 0 {
        return fs::remove_file(hidden);
    }
    file.set_len(n_bytes)?;
    file.sync_all()?;
    let name = hidden.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_start_matches('.').trim_end_matches(SUFFIX);
    let path = hidden.with_file_name(name);
    fs::rename(hidden, &path)?;
    sync_folder(&path)?;
    tracing::warn!(path = %path.display(), n_bytes, "a crash left this file unfinished: it holds all that was durable, perhaps more");
    Ok(())
}

/// The length up to the last line end that ends a record.
fn whole_bytes(file: &File, format: Format) -> io::Result<u64> {
    let (mut n_read, mut n_whole, mut is_quoted) = (0, 0, false);
    for byte in BufReader::with_capacity(64 << 10, file).bytes() {
        n_read += 1;
        match byte? {
            b'"' => is_quoted = !is_quoted && format == Format::Csv,
            b'\n' if !is_quoted => n_whole = n_read,
            _ => {}
        }
    }
    Ok(n_whole)
}

fn left_behind(path: &Path) -> io::Result<Vec<PathBuf>> {
    let is_left = |name: &str| name.starts_with('.') && name.ends_with(SUFFIX);
    Ok(names_of(path)?
        .filter(|(name, _)| is_left(name))
        .map(|(name, _)| path.with_file_name(name))
        .collect())
}

/// One more than the highest number in use by a writer.
fn next_number(path: &Path, shard: usize) -> u64 {
    let numbers = names_of(path).into_iter().flatten().filter(|(_, of)| of.0 == shard);
    numbers.map(|(_, of)| of.1 + 1).max().unwrap_or_default()
}

/// The files and parts of all writers to `path`: their names, with shard and number.
fn names_of(path: &Path) -> io::Result<impl Iterator<Item = (String, (usize, u64))> + use<>> {
    let (stem, ending) = (stem(path), ending(path));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = fs::read_dir(folder.unwrap_or(Path::new(".")))?;
    Ok(entries.flatten().filter_map(move |entry| {
        let name = entry.file_name().into_string().ok()?;
        let shown = match name.strip_prefix('.') {
            Some(hidden) => hidden.strip_suffix(SUFFIX)?,
            None => name.as_str(),
        };
        let counted = shown.strip_prefix(stem.to_str()?)?.strip_suffix(ending.to_str()?)?;
        let (shard, number) = counted.split_once('-')?;
        let of = (shard.parse().ok()?, number.parse().ok()?);
        Some((name, of))
    }))
}

fn hidden(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(SUFFIX);
    path.with_file_name(name)
}

/// `out-` of `out.jsonl`.
fn stem(path: &Path) -> OsString {
    let mut stem = path.file_stem().unwrap_or_default().to_owned();
    stem.push("-");
    stem
}

/// `.jsonl` of `out.jsonl`.
fn ending(path: &Path) -> OsString {
    let mut ending = OsString::new();
    if let Some(extension) = path.extension() {
        ending.push(".");
        ending.push(extension);
    }
    ending
}
