//! What lies between a writer on its worker and the thread that writes to the disk.
//!
//! Invariant: a record taken counts for its epoch until the thread has synced it; what waits to be written is bounded.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream_engine::Error;
use millstream_engine::runtime::Wake;

/// Records by epoch.
pub(crate) type Counts = BTreeMap<u64, usize>;

/// Bytes to write, and the records in them.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) bytes: Vec<u8>,
    pub(crate) counts: Counts,
}

/// What the worker and the thread share.
#[derive(Default)]
pub(crate) struct Shared {
    /// Taken, and not yet with the thread.
    pub(crate) load: Load,
    pub(crate) n_records: usize,
    /// Taken, and not durable.
    pub(crate) open: Counts,
    /// The worker found no room, and is to be woken.
    pub(crate) is_short: bool,
    pub(crate) closes: bool,
    pub(crate) has_ended: bool,
    pub(crate) failed: Option<Error>,
}

/// The two ends of the queue.
pub(crate) struct Queue {
    shared: Mutex<Shared>,
    changed: Condvar,
    wake: Wake,
}

impl Queue {
    pub(crate) fn new(wake: Wake) -> Arc<Self> {
        Arc::new(Self { shared: Mutex::default(), changed: Condvar::new(), wake })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the thread that there is something to do.
    pub(crate) fn notify(&self) {
        self.changed.notify_all();
    }

    /// Wakes the worker, for what it learns by `poll` alone.
    pub(crate) fn wake(&self) {
        self.wake.wake();
    }

    /// The thread's next load, swapped for an emptied one; empty when `until` has passed, none when the writer is closed and all is
    /// taken.
    pub(crate) fn next(&self, until: Option<Instant>, emptied: &mut Load) -> Option<Load> {
        let mut shared = self.lock();
        loop {
            if !shared.load.bytes.is_empty() {
                let load = std::mem::replace(&mut shared.load, std::mem::take(emptied));
                shared.n_records = 0;
                if std::mem::take(&mut shared.is_short) {
                    self.wake.wake();
                }
                return Some(load);
            }
            if shared.closes {
                return None;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            shared = match left {
                Some(Duration::ZERO) => return Some(Load::default()),
                Some(left) => {
                    let waited = self.changed.wait_timeout(shared, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// These records are durable.
    pub(crate) fn confirm(&self, counts: &mut Counts) {
        let mut shared = self.lock();
        while let Some((epoch, n)) = counts.pop_first() {
            if let Some(left) = shared.open.get_mut(&epoch) {
                *left = left.saturating_sub(n);
                if *left == 0 {
                    shared.open.remove(&epoch);
                }
            }
        }
        drop(shared);
        self.wake.wake();
    }

    /// The thread has ended, by itself or by an error.
    pub(crate) fn end(&self, outcome: Result<(), Error>) {
        let mut shared = self.lock();
        shared.has_ended = true;
        shared.failed = outcome.err();
        drop(shared);
        self.notify();
        self.wake.wake();
    }

    /// Closes the queue and waits until the thread has ended; false when that takes longer than `limit`.
    pub(crate) fn close(&self, limit: Duration) -> bool {
        let mut shared = self.lock();
        shared.closes = true;
        self.notify();
        let waited = self.changed.wait_timeout_while(shared, limit, |shared| !shared.has_ended);
        shared = waited.unwrap_or_else(PoisonError::into_inner).0;
        shared.has_ended
    }
}
