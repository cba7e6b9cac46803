//! The thread of a writer: writes what was taken, syncs on an interval, and says what is durable.
//!
//! Invariant: a record is confirmed after the sync that followed its write, never before; after the first error nothing is.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use millstream_engine::Result;

use crate::config::SinkConfig;
use crate::error;
use crate::queue::{Counts, Load, Queue};
use crate::target::Target;

/// Starts the thread; it ends with the queue.
pub(crate) fn start(config: SinkConfig, shard: usize, queue: Arc<Queue>) -> Result<()> {
    let path = config.path.clone();
    let run = move || {
        let outcome = IoThread::new(&config, shard, &queue).run();
        queue.end(outcome);
    };
    let thread = thread::Builder::new().name("file-writer".to_owned()).spawn(run);
    thread.map(drop).map_err(|cause| error::failed("start the thread that writes", &path, cause))
}

struct IoThread<'a> {
    config: &'a SinkConfig,
    queue: &'a Queue,
    target: Target,
    /// Written, and not synced.
    unsynced: Counts,
    synced: Instant,
}

impl<'a> IoThread<'a> {
    fn new(config: &'a SinkConfig, shard: usize, queue: &'a Queue) -> Self {
        let target = Target::new(config, shard);
        Self { config, queue, target, unsynced: Counts::new(), synced: Instant::now() }
    }

    fn run(mut self) -> Result<()> {
        let mut emptied = Load::default();
        while let Some(mut load) = self.queue.next(self.due(), &mut emptied) {
            if !load.bytes.is_empty() {
                self.target.append(&load.bytes)?;
                merge(&mut self.unsynced, &mut load.counts);
                load.bytes.clear();
                emptied = load;
            }
            self.keep_up()?;
        }
        self.sync()?;
        self.target.finish()
    }

    /// When there is something to do, whether or not records come.
    fn due(&self) -> Option<Instant> {
        let sync = (!self.unsynced.is_empty()).then(|| self.synced + self.config.sync_interval);
        [sync, self.target.rolls_at()].into_iter().flatten().min()
    }

    /// Syncs and rolls what is due.
    fn keep_up(&mut self) -> Result<()> {
        if self.target.is_due() {
            self.sync()?;
            self.target.finish()?;
        } else if self.synced.elapsed() >= self.config.sync_interval {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        if !self.unsynced.is_empty() {
            self.target.sync()?;
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
