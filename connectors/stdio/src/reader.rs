//! The running half of the source: divides what comes into records.
//!
//! Invariant: at most one record that is not whole is kept, of `max_record_bytes` at most and a chunk.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use millstream_engine::batch::{NO_TIME, Origin, RecordBatch};
use millstream_engine::source::{Assignment, Confirmed, Read, Reader, ReaderContext};
use millstream_engine::{Error, Result};
use millstream_file::divide::Divider;

use crate::error;
use crate::intake::{self, Intake};
use crate::source::{CONNECTOR, Source};

/// Reads the stream, if it is assigned.
pub(crate) struct StreamReader {
    source: Source,
    cx: ReaderContext,
    origin: Origin,
    divider: Divider,
    /// None until the stream is assigned, and after its end.
    intake: Option<Intake>,
    /// What was read, from `at` on not handed out.
    bytes: Vec<u8>,
    at: usize,
    /// The byte of the stream that `at` is.
    position: u64,
    /// In the middle of a record that is too long.
    skips: bool,
    failed: Option<Error>,
}

impl StreamReader {
    pub(crate) fn new(source: Source, cx: ReaderContext) -> Self {
        Self {
            origin: Origin::new(CONNECTOR, source.name, 0),
            divider: Divider::new(source.format),
            source,
            cx,
            intake: None,
            bytes: Vec::new(),
            at: 0,
            position: 0,
            skips: false,
            failed: None,
        }
    }

    /// Hands out what is there until the batch is full.
    fn divide(&mut self, batch: &mut RecordBatch) -> Result<()> {
        let (bytes, records) = (self.cx.batch_bytes, self.cx.batch_records.max(1));
        let longest = self.source.max_record_bytes.saturating_add(2);
        let last = self.intake.is_none();
        if self.skips {
            self.skip();
        }
        while batch.n_bytes() < bytes && batch.len() < records {
            let rest = &self.bytes[self.at..];
            let Some(piece) = self.divider.next(rest, last) else {
                self.skips = rest.len() > longest;
                return if self.skips { Err(self.too_long()) } else { Ok(()) };
            };
            let n_bytes = piece.n_bytes;
            if n_bytes > longest {
                let error = self.too_long();
                self.advance(n_bytes);
                return Err(error);
            }
            if let Some(value) = piece.value {
                batch.push(None, Some(value), NO_TIME, self.position);
            }
            self.advance(n_bytes);
        }
        Ok(())
    }

    /// Goes on to the end of the line: what follows may be a good record.
    fn skip(&mut self) {
        let rest = &self.bytes[self.at..];
        let end = memchr::memchr(b'\n', rest);
        let n_bytes = end.map_or(rest.len(), |end| end + 1);
        self.skips = end.is_none();
        self.advance(n_bytes);
    }

    fn advance(&mut self, n_bytes: usize) {
        self.at += n_bytes;
        self.position += n_bytes as u64;
    }

    /// Waits for a chunk; false when none came.
    fn wait(&mut self, wait: Duration) -> Result<bool> {
        let Some(intake) = &self.intake else { return Ok(false) };
        match intake.recv_timeout(wait) {
            Ok(Ok(chunk)) => {
                if chunk.is_empty() {
                    self.intake = None;
                }
                self.bytes.drain(..std::mem::take(&mut self.at));
                self.bytes.extend_from_slice(&chunk);
                Ok(true)
            }
            Ok(Err(cause)) => {
                self.intake = None;
                Err(error::failed("read", self.source.name, cause))
            }
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => {
                self.intake = None;
                let cause = io::Error::other("the thread that reads it panicked");
                Err(error::failed("read", self.source.name, cause))
            }
        }
    }

    fn too_long(&self) -> Error {
        error::record_too_long(self.source.name, self.position, self.source.max_record_bytes)
    }
}

impl Reader for StreamReader {
    fn assign(&mut self, assignments: &[Assignment]) -> Result<()> {
        if !assignments.is_empty() {
            let intake = (self.source.open)().and_then(intake::start);
            let name = self.source.name;
            self.intake = Some(intake.map_err(|cause| error::failed("open", name, cause))?);
        }
        Ok(())
    }

    fn read(&mut self, batch: &mut RecordBatch, wait: Duration) -> Result<Read> {
        let until = Instant::now() + wait;
        loop {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            batch.set_origin(&self.origin);
            self.failed = self.divide(batch).err();
            if !batch.is_empty() {
                batch.ingest_micros = self.cx.open.clock.micros();
                return Ok(Read::Records);
            }
            if self.failed.is_some() {
                continue;
            }
            let left = until.saturating_duration_since(Instant::now());
            if self.intake.is_none() {
                return Ok(Read::End);
            }
            if !self.wait(left)? {
                return Ok(Read::Idle);
            }
        }
    }

    fn confirm(&mut self, _n_batches: u64, _resume: &mut Vec<Confirmed>) -> Result<()> {
        Ok(())
    }

    fn close(&mut self, _deadline: Duration) -> Result<()> {
        self.intake = None;
        Ok(())
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReader").field("source", &self.source).finish_non_exhaustive()
    }
}
