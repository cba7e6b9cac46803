//! One request and its answer, on a connection that is waited for: what happens rarely is done so.

use std::io::{self, Read, Write};

use crate::wire::codec::{Malformed, Reader, put_i16, put_i32, put_str};

/// Bytes of an answer at most: those of a cluster with very many partitions stay far below it.
const MAX_ANSWER: usize = 64 << 20;

/// A kind of request, in the version that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) key: i16,
    pub(crate) version: i16,
}

/// Begins a request in `out`: its length, which [`end_request`] fills in, and its head.
pub(crate) fn begin_request(out: &mut Vec<u8>, kind: Kind, correlation: i32, client_id: &str) {
    put_i32(out, 0);
    put_i16(out, kind.key);
    put_i16(out, kind.version);
    put_i32(out, correlation);
    put_str(out, client_id);
}

/// Fills in the length of the request that begins at `start`.
pub(crate) fn end_request(out: &mut [u8], start: usize) {
    let n_bytes = i32::try_from(out.len() - start - 4).unwrap_or(i32::MAX);
    out[start..start + 4].copy_from_slice(&n_bytes.to_be_bytes());
}

/// Sends a request, waits for the answer, and returns what follows its head.
///
/// # Errors
/// Those of the stream, its timeouts included; *invalid data* where the answer is not one to this request.
pub(crate) fn exchange(
    stream: &mut (impl Read + Write),
    (kind, correlation, client_id): (Kind, i32, &str),
    write: impl FnOnce(&mut Vec<u8>),
) -> io::Result<Vec<u8>> {
    let mut request = Vec::with_capacity(256);
    begin_request(&mut request, kind, correlation, client_id);
    write(&mut request);
    end_request(&mut request, 0);
    ask(stream, &request, correlation)
}

/// As [`exchange`], with a request that is written already.
pub(crate) fn ask(
    stream: &mut (impl Read + Write),
    request: &[u8],
    correlation: i32,
) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut head = [0; 8];
    stream.read_exact(&mut head)?;
    let mut reader = Reader::new(&head);
    let (n_bytes, answered) = (reader.i32(), reader.i32());
    let n_bytes = n_bytes.ok().and_then(|n_bytes| usize::try_from(n_bytes).ok()?.checked_sub(4));
    let n_bytes = n_bytes.filter(|n_bytes| *n_bytes <= MAX_ANSWER);
    let (Some(n_bytes), true) = (n_bytes, answered == Ok(correlation)) else {
        return Err(malformed(Malformed));
    };
    // Not reserved at once: a broker that promises much and sends nothing costs nothing.
    let mut answer = Vec::new();
    stream.take(n_bytes as u64).read_to_end(&mut answer)?;
    if answer.len() < n_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}

/// An answer that cannot be read, as an error of the connection that it came from.
pub(crate) fn malformed(malformed: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, malformed)
}
