//! The errors of this connector, each with the code, the place and what the reader can do.
//!
//! Invariant: no error holds the bytes of a record.

use std::io;

use millstream_engine::error::codes;
use millstream_engine::{Error, ErrorKind};

/// Reading or writing failed.
pub(crate) fn failed(what: &str, stream: &str, cause: io::Error) -> Error {
    let what = format!("{what} {stream}");
    match cause.kind() {
        io::ErrorKind::BrokenPipe => Error::new(ErrorKind::Unavailable, codes::CLOSED_PIPE, what)
            .with_source("nobody reads it any more")
            .with_retryable(false)
            .with_hint("The program behind the pipe has ended, as `head` does when it has enough."),
        io::ErrorKind::StorageFull => Error::new(ErrorKind::Unavailable, codes::DISK_FULL, what)
            .with_source(cause)
            .with_hint("Make room where it is redirected to, then start again."),
        _ => Error::new(ErrorKind::Unavailable, codes::FILE_UNUSABLE, what)
            .with_source(cause)
            .with_hint("Is it open, and what it should be? Try: ls -l /proc/self/fd"),
    }
}

pub(crate) fn record_too_long(stream: &str, position: u64, max_bytes: usize) -> Error {
    let what = format!("read a record: it has more than {max_bytes} bytes");
    Error::new(ErrorKind::BadItem, codes::TOO_LARGE, what)
        .at_partition(stream, 0)
        .at_position(position)
        .with_hint("Raise `with_max_record_bytes`, or check that the input is lines of text.")
}
