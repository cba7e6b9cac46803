//! One partition of a reader: a file, and the files that follow it as it is rotated.
//!
//! Invariant: `offset` is the next byte of the current file to hand out; everything before it was handed out, or told as an error.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use millstream_engine::Result;
use millstream_engine::batch::{NO_TIME, Origin, RecordBatch};
use millstream_engine::source::Partition;

use crate::config::{Format, SourceConfig};
use crate::divide::Divider;
use crate::identity::FileId;
use crate::position::Position;
use crate::source::CONNECTOR;
use crate::{error, rotation};

/// Files that were read to their end, and are not to be taken for later ones.
const REMEMBERED: usize = 16;

/// When a batch is full.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    pub(crate) records: usize,
}

impl Limits {
    pub(crate) fn is_reached(self, batch: &RecordBatch) -> bool {
        batch.n_bytes() >= self.bytes || batch.len() >= self.records
    }
}

/// What there is to do next in the current file.
enum Next {
    Read(u64),
    AtEnd,
    Truncated,
}

/// Where a lane ends.
#[derive(PartialEq)]
enum End {
    Never,
    /// At this byte of this file.
    At(FileId, u64),
    /// When there is no later file: there was none at the path.
    WithTheLast,
}

impl End {
    /// Where the file at `path` ends now.
    fn of(path: &Path) -> io::Result<Self> {
        let Some(file) = rotation::open(path)? else { return Ok(Self::WithTheLast) };
        let metadata = file.metadata()?;
        Ok(Self::At(FileId::of(&metadata), metadata.len()))
    }
}

/// What a step came to.
enum Step {
    Go,
    /// Nothing until somebody writes.
    Wait,
    End,
}

pub(crate) struct Lane {
    pub(crate) partition: Partition,
    origin: Origin,
    path: PathBuf,
    format: Format,
    max_record_bytes: usize,
    poll_interval: Duration,
    divider: Divider,
    /// None until there is a file.
    file: Option<File>,
    offset: u64,
    /// Bytes to read at once: more while a record is longer than that.
    chunk: usize,
    /// The length of the file when all of it was looked at; behind `offset` when its last record is not ended yet.
    seen: Option<u64>,
    /// Nobody writes to the current file any more: what has no line end is a record all the same.
    is_complete: bool,
    /// In the middle of a record that is too long.
    skips: bool,
    /// A position before which everything was handed out, taken while the file was as it had been read.
    mark: Position,
    end: End,
    done: Vec<FileId>,
    next_look: Instant,
    has_ended: bool,
}

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

impl Lane {
    /// A lane that starts at a position, in the file that the position stands in.
    pub(crate) fn open(
        partition: Partition,
        position: Position,
        config: &SourceConfig,
        bounded: bool,
    ) -> Result<Self> {
        let path = PathBuf::from(&*partition.topic);
        let failed = |cause| error::failed("read", &path, cause);
        let file = rotation::find(&path, &position).map_err(failed)?;
        if file.is_none() && position.file.is_some() {
            return Err(error::expired(&partition.topic, position.offset));
        }
        let end = if bounded { End::of(&path).map_err(failed)? } else { End::Never };
        let mut lane = Self {
            origin: Origin::new(CONNECTOR, &partition.topic, partition.index),
            partition,
            format: config.format,
            max_record_bytes: config.max_record_bytes,
            poll_interval: config.poll_interval,
            divider: Divider::new(config.format),
            has_ended: bounded && file.is_none(),
            file: None,
            offset: position.offset,
            chunk: CHUNK,
            seen: None,
            is_complete: bounded,
            skips: false,
            mark: position,
            end,
            done: Vec::new(),
            next_look: Instant::now(),
            path,
        };
        if let Some(file) = file {
            lane.read_header(&file).map_err(|cause| lane.failed(cause))?;
            lane.file = Some(file);
        }
        Ok(lane)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Adds records to the batch until it is full, or nothing is left for now.
    ///
    /// After an error that concerns one record the next call goes on behind it; after any other one the lane rests.
    pub(crate) fn fill(
        &mut self,
        batch: &mut RecordBatch,
        limits: Limits,
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        if self.has_ended || Instant::now() < self.next_look {
            return Ok(());
        }
        batch.set_origin(&self.origin);
        while !limits.is_reached(batch) {
            match self.step(batch, limits, buffer)? {
                Step::Go => {}
                Step::Wait => {
                    self.next_look = Instant::now() + self.poll_interval;
                    return Ok(());
                }
                Step::End => {
                    self.has_ended = true;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Where reading goes on. Where the file is no longer as it was read, an earlier position: more is repeated, nothing lost.
    pub(crate) fn position(&mut self) -> Position {
        if let Some(Ok(position)) =
            self.file.as_ref().map(|file| Position::in_file(file, self.offset))
        {
            self.mark = position;
        }
        self.mark
    }

    fn step(
        &mut self,
        batch: &mut RecordBatch,
        limits: Limits,
        buffer: &mut Vec<u8>,
    ) -> Result<Step> {
        let outcome = match self.next() {
            Ok(Next::Read(n_bytes)) => return self.read(n_bytes, batch, limits, buffer),
            Ok(Next::AtEnd) => self.at_end(),
            Ok(Next::Truncated) => self.go_on_in_a_copy(),
            Err(cause) => Err(cause),
        };
        outcome.map_err(|cause| self.rest(cause))
    }

    fn next(&mut self) -> io::Result<Next> {
        let Some(file) = &self.file else { return Ok(Next::AtEnd) };
        let metadata = file.metadata()?;
        let n_bytes = match self.end {
            End::At(id, end) if id == FileId::of(&metadata) => metadata.len().min(end),
            _ => metadata.len(),
        };
        if n_bytes < self.offset {
            return Ok(if self.end == End::Never { Next::Truncated } else { Next::AtEnd });
        }
        // Everything was looked at: was more written, or was it cut off and is as long again?
        if self.seen.is_some() && !self.mark.has_content_of(file)? {
            return Ok(Next::Truncated);
        }
        let is_read = n_bytes == self.offset || self.seen == Some(n_bytes);
        Ok(if is_read { Next::AtEnd } else { Next::Read(n_bytes - self.offset) })
    }

    /// Reads some of the bytes there are, and hands out the records in them.
    fn read(
        &mut self,
        n_bytes: u64,
        batch: &mut RecordBatch,
        limits: Limits,
        buffer: &mut Vec<u8>,
    ) -> Result<Step> {
        let wanted = usize::try_from(n_bytes).unwrap_or(usize::MAX).min(self.chunk);
        buffer.resize(wanted, 0);
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound);
        let n_read =
            file.map_err(io::Error::from).and_then(|file| file.read_at(buffer, self.offset));
        let n_read = n_read.map_err(|cause| self.rest(cause))?;
        let bytes = &buffer[..n_read];
        let is_all = n_read as u64 == n_bytes;
        if self.skips {
            self.skip(bytes);
            return Ok(Step::Go);
        }
        let before = self.offset;
        self.divide(bytes, is_all && self.is_complete, batch, limits)?;
        if self.offset > before {
            self.chunk = CHUNK;
            self.seen = None;
        } else if n_read > self.longest() {
            self.skips = true;
            self.chunk = CHUNK;
            return Err(self.too_long(before));
        } else if is_all {
            self.seen = Some(before + n_bytes);
        } else {
            self.chunk = (2 * self.chunk).min(self.longest() + 1);
        }
        Ok(Step::Go)
    }

    fn divide(
        &mut self,
        bytes: &[u8],
        last: bool,
        batch: &mut RecordBatch,
        limits: Limits,
    ) -> Result<()> {
        let longest = self.longest();
        let mut rest = bytes;
        while !limits.is_reached(batch) {
            let Some(piece) = self.divider.next(rest, last) else { return Ok(()) };
            let (at, n_bytes) = (self.offset, piece.n_bytes);
            if n_bytes > longest {
                self.offset += n_bytes as u64;
                return Err(self.too_long(at));
            }
            if let Some(value) = piece.value {
                batch.push(None, Some(value), NO_TIME, at);
            }
            rest = &rest[n_bytes..];
            self.offset += n_bytes as u64;
        }
        Ok(())
    }

    /// Goes on to the end of the line: what follows may be a good record.
    fn skip(&mut self, bytes: &[u8]) {
        let end = memchr::memchr(b'\n', bytes);
        self.skips = end.is_none() && !bytes.is_empty();
        self.offset += end.map_or(bytes.len(), |end| end + 1) as u64;
    }

    /// Everything there is was handed out: is there another file?
    fn at_end(&mut self) -> io::Result<Step> {
        let Some(file) = &self.file else {
            return match rotation::open(&self.path)? {
                Some(file) => self.go_to(file),
                None => Ok(Step::Wait),
            };
        };
        let metadata = file.metadata()?;
        let id = FileId::of(&metadata);
        if matches!(self.end, End::At(last, _) if last == id) {
            return Ok(Step::End);
        }
        let next = rotation::after(&self.path, file, &self.done)?;
        match next {
            None if self.end != End::Never => Ok(Step::End),
            // It was deleted: kept open, it would hold its place on the disk for ever.
            None if metadata.nlink() == 0 => {
                self.file = None;
                Ok(Step::Wait)
            }
            Some(next) if self.is_complete => self.go_to(next),
            // An empty one may have been made before the program that writes has let go of this one.
            Some(next) if next.metadata()?.len() > 0 => {
                self.is_complete = true;
                self.seen = None;
                Ok(Step::Go)
            }
            _ => {
                self.seen = Some(metadata.len());
                self.position();
                Ok(Step::Wait)
            }
        }
    }

    /// Goes to the start of a file.
    fn go_to(&mut self, next: File) -> io::Result<Step> {
        if let Some(file) = &self.file {
            self.done.push(FileId::of(&file.metadata()?));
            let n_too_many = self.done.len().saturating_sub(REMEMBERED);
            self.done.drain(..n_too_many);
        }
        self.file = Some(next);
        self.start_over();
        Ok(Step::Go)
    }

    /// The file was cut off. What was not read of it may be in a copy; then it goes on from its start.
    fn go_on_in_a_copy(&mut self) -> io::Result<Step> {
        if let Some(copy) = rotation::find(&self.path, &self.mark)? {
            self.file = Some(copy);
            self.seen = None;
            self.is_complete = true;
            return Ok(Step::Go);
        }
        tracing::warn!(
            path = %self.path.display(),
            offset = self.offset,
            "the file was cut off, and no copy of it is there: what was not read of it is lost, and reading goes on at its start"
        );
        self.start_over();
        Ok(Step::Go)
    }

    fn start_over(&mut self) {
        self.offset = 0;
        self.seen = None;
        self.skips = false;
        self.is_complete = self.end != End::Never;
        self.divider = Divider::new(self.format);
        self.position();
    }

    /// Reads what the first row of a file says, before records behind it are read.
    fn read_header(&mut self, file: &File) -> io::Result<()> {
        if self.offset == 0 || !self.divider.has_header() {
            return Ok(());
        }
        let n_bytes = usize::try_from(self.offset).unwrap_or(usize::MAX).min(self.longest());
        let mut bytes = vec![0; n_bytes];
        file.read_exact_at(&mut bytes, 0)?;
        self.divider.next(&bytes, true);
        Ok(())
    }

    /// Bytes of the longest record with its line end.
    fn longest(&self) -> usize {
        self.max_record_bytes.saturating_add(2)
    }

    fn too_long(&self, offset: u64) -> millstream_engine::Error {
        error::record_too_long(&self.partition.topic, offset, self.max_record_bytes)
    }

    /// The lane cannot go on: it is told once.
    fn rest(&mut self, cause: io::Error) -> millstream_engine::Error {
        self.has_ended = true;
        self.failed(cause)
    }

    fn failed(&self, cause: io::Error) -> millstream_engine::Error {
        error::failed("read", &self.path, cause)
    }
}
