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

/// What the thread has read; the channel ends with the input.
pub(crate) type Intake = Receiver<io::Result<Vec<u8>>>;

/// Reads `input` on a thread of its own: a read of standard input cannot be called off.
pub(crate) fn start(mut input: Box<dyn Read + Send>) -> io::Result<Intake> {
    let (send, intake) = bounded(CHUNKS);
    let run = move || {
        loop {
            let mut chunk = vec![0; CHUNK];
            let outcome = match input.read(&mut chunk) {
                Ok(0) => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(n_bytes) => {
                    chunk.truncate(n_bytes);
                    Ok(chunk)
                }
                Err(error) => Err(error),
            };
            let failed = outcome.is_err();
            if send.send(outcome).is_err() || failed {
                return;
            }
        }
    };
    thread::Builder::new().name("millstream-input".to_owned()).spawn(run)?;
    Ok(intake)
}
