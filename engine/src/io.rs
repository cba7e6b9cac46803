//! The I/O runtime: one tokio runtime per process, on which connectors do what waits for a network, and [`source::from_stream`]
//! polls its stream. Feature `io`, which such connectors turn on.
//!
//! Invariant: workers poll no future, and tasks here never block: what they bring reaches a reader's thread, or a worker, in batches
//! through something bounded.
//!
//! The runtime starts with the first call of [`handle`] and stays until the process ends: its threads sleep while there is nothing
//! to do, and a runtime that ended with its last user would drop connections in the middle of a restart.
//!
//! [`source::from_stream`]: crate::source::from_stream

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::{io, thread};

use crate::error::{Error, ErrorKind, Result, codes};

pub use tokio::runtime::Handle;

/// Most threads of the runtime. Tasks move bytes between sockets and batches, and leave the cores to the workers.
const MAX_THREADS: usize = 2;

static RUNTIME: OnceLock<Result<tokio::runtime::Runtime, Arc<io::Error>>> = OnceLock::new();

/// The runtime of this process: one thread per core, two at most, named `millstream-io-0` and so on.
///
/// Spawn on it; drive nothing from a thread of your own that a task could do, because each thread that waits for a future costs two
/// switches for what it brings. A reader's thread may wait with [`Handle::block_on`], always with a timeout; a worker may not.
///
/// # Errors
/// *Unavailable* when the system gives no threads; every later call says the same.
///
/// # Examples
/// ```
/// use millstream_engine::io;
///
/// let handle = io::handle()?;
/// let task = handle.spawn(async { 6 * 7 });
/// assert_eq!(handle.block_on(task)?, 42);
/// # Ok::<(), millstream_engine::BoxError>(())
/// ```
pub fn handle() -> Result<&'static Handle> {
    match RUNTIME.get_or_init(|| start().map_err(Arc::new)) {
        Ok(runtime) => Ok(runtime.handle()),
        Err(error) => {
            let what = "start the threads of the I/O runtime";
            Err(Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what)
                .with_source(Arc::clone(error)))
        }
    }
}

fn start() -> io::Result<tokio::runtime::Runtime> {
    let n_threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let started = AtomicUsize::new(0);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(n_threads)
        .thread_name_fn(move || {
            format!("millstream-io-{}", started.fetch_add(1, Ordering::Relaxed))
        })
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_runtime_of_few_named_threads() {
        let first = handle().unwrap();
        assert!(std::ptr::eq(first, handle().unwrap()));
        let n_threads = first.metrics().num_workers();
        assert!((1..=MAX_THREADS).contains(&n_threads), "{n_threads}");
        let task = first.spawn(async { thread::current().name().map(str::to_owned) });
        let name = first.block_on(task).unwrap().unwrap();
        assert!(name.starts_with("millstream-io-"), "{name}");
    }
}
