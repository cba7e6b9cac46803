//! A connection to one broker in use: requests on their way there, answers on their way back, nothing waited for.
//!
//! Invariant: a broker answers in the order of the requests; an answer to another one ends the connection.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::time::Instant;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::batch::{Batch, Body};
use super::tray::LaneId;
use crate::net::dial::Connection;
use crate::net::exchange::malformed;
use crate::net::stream::Stream;
use crate::wire::codec::{Malformed, Reader};
use crate::wire::produce;

/// Bytes of an answer at most; it has some 50 for each batch of the request.
const MAX_ANSWER: usize = 8 << 20;

/// Bytes that are read at once.
const READ: usize = 16 << 10;

/// A batch within a request; its bytes lie there.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) lane: LaneId,
    pub(super) partition: u32,
    pub(super) range: Range<usize>,
    pub(super) batch: Batch,
}

/// A request that was not answered yet.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) correlation: i32,
    pub(super) bytes: Vec<u8>,
    pub(super) parts: Vec<Part>,
    /// When an answer is no longer waited for.
    pub(super) due: Instant,
}

impl Request {
    /// Takes a batch out again, with its bytes.
    pub(super) fn restore(bytes: &[u8], part: Part) -> Batch {
        let body = Body::Closed(bytes[part.range].to_vec());
        Batch { body, ..part.batch }
    }
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct Channel {
    stream: Stream,
    pub(super) token: Token,
    /// The version of produce requests.
    pub(super) version: i16,
    /// When the broker will want another login.
    pub(super) ends: Option<Instant>,
    under_way: VecDeque<Request>,
    /// Requests of those under way that are written, and bytes of the next one that are.
    n_written: usize,
    written: usize,
    input: Vec<u8>,
    next_correlation: i32,
}

impl Channel {
    pub(super) fn new(
        connection: Connection,
        token: Token,
        registry: &Registry,
    ) -> io::Result<Self> {
        let version =
            connection.versions.highest(produce::KEY, produce::VERSIONS).ok_or_else(|| {
                io::Error::new(
                    ErrorKind::Unsupported,
                    "the broker takes no produce request of ours",
                )
            })?;
        let stream = connection.stream;
        stream.set_nonblocking(true)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut SourceFd(&stream.as_raw_fd()), token, interest)?;
        Ok(Self {
            stream,
            token,
            version,
            ends: connection.ends,
            under_way: VecDeque::new(),
            n_written: 0,
            written: 0,
            input: Vec::new(),
            next_correlation: 1,
        })
    }

    pub(super) fn n_under_way(&self) -> usize {
        self.under_way.len()
    }

    /// When the oldest request is no longer waited for.
    pub(super) fn due(&self) -> Option<Instant> {
        self.under_way.iter().map(|request| request.due).min()
    }

    /// The number of the next request.
    pub(super) fn next_correlation(&mut self) -> i32 {
        let next = self.next_correlation;
        self.next_correlation = next.wrapping_add(1);
        next
    }

    /// Sends a request, as far as the connection takes it now.
    pub(super) fn send(&mut self, request: Request) -> io::Result<()> {
        self.under_way.push_back(request);
        self.write()
    }

    /// Writes on, as far as the connection takes it now.
    pub(super) fn write(&mut self) -> io::Result<()> {
        while let Some(request) = self.under_way.get(self.n_written) {
            match self.stream.write(&request.bytes[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n_bytes) => self.written += n_bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.written == request.bytes.len() {
                (self.n_written, self.written) = (self.n_written + 1, 0);
            }
        }
        Ok(())
    }

    /// Reads what has come, and calls `each` with every request that is answered.
    pub(super) fn read(&mut self, mut each: impl FnMut(Request, &[u8])) -> io::Result<()> {
        loop {
            let start = self.input.len();
            self.input.resize(start + READ, 0);
            let outcome = self.stream.read(&mut self.input[start..]);
            self.input.truncate(start + outcome.as_ref().map_or(0, |n_bytes| *n_bytes));
            match outcome {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => self.answer(&mut each)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes whole answers out of the input.
    fn answer(&mut self, each: &mut impl FnMut(Request, &[u8])) -> io::Result<()> {
        let mut begin = 0;
        while let Some((correlation, answer)) = next_answer(&self.input[begin..])? {
            begin += answer.end;
            let is_written = self.n_written > 0;
            let request = self
                .under_way
                .pop_front_if(|request| is_written && request.correlation == correlation);
            let request = request.ok_or_else(|| malformed(Malformed))?;
            self.n_written -= 1;
            each(request, &self.input[begin - answer.len()..begin]);
        }
        self.input.drain(..begin);
        Ok(())
    }

    /// Ends the connection, and gives back what was not answered.
    pub(super) fn close(self) -> VecDeque<Request> {
        self.under_way
    }
}

/// The number of the request that is answered first, and where what follows it lies, once all of it is there.
fn next_answer(input: &[u8]) -> io::Result<Option<(i32, Range<usize>)>> {
    let mut reader = Reader::new(input);
    let (Ok(n_bytes), Ok(correlation)) = (reader.i32(), reader.i32()) else { return Ok(None) };
    let n_bytes = usize::try_from(n_bytes).ok().filter(|n_bytes| (4..MAX_ANSWER).contains(n_bytes));
    let n_bytes = n_bytes.ok_or_else(|| malformed(Malformed))?;
    Ok((input.len() >= 4 + n_bytes).then_some((correlation, 8..4 + n_bytes)))
}

#[cfg(test)]
mod tests;
