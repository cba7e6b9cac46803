//! The thread of a writer: writes what was taken, syncs on an interval, and says what is durable.
//!
//! Invariant: a record is confirmed after the sync that followed its write, never before; after the first error nothing is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use millstream_engine::error::codes;
use millstream_engine::{Error, ErrorKind, Result};

use crate::output::{Bounds, Output};
use crate::queue::{Counts, Load, Queue};

/// Starts the thread; it ends with the queue.
pub(crate) fn start(output: Box<dyn Output>, bounds: &Bounds, queue: Arc<Queue>) -> Result<()> {
    let sync_interval = bounds.sync_interval;
    let run = move || {
        let (unsynced, synced) = (Counts::new(), Instant::now());
        let thread = IoThread { output, sync_interval, queue: &queue, unsynced, synced };
        let outcome = catch_unwind(AssertUnwindSafe(|| thread.run()));
        queue.end(outcome.unwrap_or_else(|_told_by_the_hook| Err(panicked())));
    };
    let thread = thread::Builder::new().name("millstream-output".to_owned()).spawn(run);
    thread.map(drop).map_err(|cause| {
        Error::new(ErrorKind::Unavailable, codes::FILE_UNUSABLE, "start a thread that writes")
            .with_source(cause)
    })
}

/// Without this a writer whose output panics would wait for it for ever.
fn panicked() -> Error {
    Error::new(ErrorKind::Panic, codes::PANIC, "write: the output panicked")
}

struct IoThread<'a> {
    output: Box<dyn Output>,
    sync_interval: Duration,
    queue: &'a Queue,
    /// Written, and not synced.
    unsynced: Counts,
    synced: Instant,
}

impl IoThread<'_> {
    fn run(mut self) -> Result<()> {
        let mut emptied = Load::default();
        while let Some(mut load) = self.queue.next(self.due(), &mut emptied) {
            if !load.bytes.is_empty() {
                self.output.append(&load.bytes)?;
                merge(&mut self.unsynced, &mut load.counts);
                load.bytes.clear();
                emptied = load;
            }
            self.keep_up()?;
        }
        self.sync()?;
        self.output.finish()
    }

    /// When there is something to do, whether or not records come.
    fn due(&self) -> Option<Instant> {
        let sync = (!self.unsynced.is_empty()).then(|| self.synced + self.sync_interval);
        [sync, self.output.rolls_at()].into_iter().flatten().min()
    }

    /// Syncs and rolls what is due.
    fn keep_up(&mut self) -> Result<()> {
        if self.output.is_due() {
            self.sync()?;
            self.output.finish()?;
        } else if self.synced.elapsed() >= self.sync_interval {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        if !self.unsynced.is_empty() {
            self.output.sync()?;
            self.queue.confirm(&mut self.unsynced);
        }
        self.synced = Instant::now();
        Ok(())
    }
}

fn merge(into: &mut Counts, from: &mut Counts) {
    while let Some((epoch, n)) = from.pop_first() {
        *into.entry(epoch).or_default() += n;
    }
}
