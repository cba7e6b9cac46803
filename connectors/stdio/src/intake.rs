//! The thread that waits for input.
//!
//! Invariant: it holds at most `CHUNKS` chunks that were not asked for, and ends with the input or with its reader.

use std::io::{self, Read};
use std::thread;

use crossbeam_channel::{Receiver, bounded};

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// Chunks that wait to be taken.
const CHUNKS: usize = 4;

/// What the thread has read; an empty chunk is the end.
pub(crate) type Intake = Receiver<io::Result<Vec<u8>>>;

/// The next bytes; none at the end.
fn next(input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match input.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => {
                chunk.truncate(outcome?);
                return Ok(chunk);
            }
        }
    }
}

/// Reads `input` on a thread of its own: a read of standard input cannot be called off.
pub(crate) fn start(mut input: Box<dyn Read + Send>) -> io::Result<Intake> {
    let (send, intake) = bounded(CHUNKS);
    let run = move || {
        loop {
            let chunk = next(&mut *input);
            let is_last = !matches!(&chunk, Ok(bytes) if !bytes.is_empty());
            // The end is told as an empty chunk: a channel that only closes may have lost the thread.
            if send.send(chunk).is_err() || is_last {
                return;
            }
        }
    };
    thread::Builder::new().name("millstream-input".to_owned()).spawn(run)?;
    Ok(intake)
}
