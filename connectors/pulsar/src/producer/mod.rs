//! The way of records to the brokers.
//!
//! The worker puts records down on the tray, topic by topic; a task per topic takes batches up, compresses and sends them, many at a
//! time, and says what became of them. A topic is meant here as brokers do: each partition of a topic is one.
//!
//! Files: `batch` what travels · `provenance` where it came from · `tray` where worker and tasks meet · `lane` order and numbers of
//! one topic · `sender` its task · `making` its producer at the broker · `inbox` what is told of it · `sealing` batches as they are
//! sent · `verdict`, `reason` what refusals mean.

mod batch;
mod inbox;
mod lane;
mod making;
mod provenance;
mod reason;
mod sealing;
mod sender;
mod settings;
mod tray;
mod verdict;

pub(crate) use batch::Run;
pub(crate) use making::try_out;
pub(crate) use reason::Reason;
pub(crate) use settings::Settings;
pub(crate) use tray::{Done, GivenUp, LaneId, Limits, Place};

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream_engine::batch::Record;
use millstream_engine::clock::Clock;
use millstream_engine::error::Result;
use millstream_engine::runtime::Wake;
use tokio::sync::{Notify, Semaphore};

use self::sealing::Compressors;
use self::sender::{Parts, Sender};
use self::tray::Tray;
use crate::encryption::encryptor::Encryptor;
use crate::net::backoff::Backoff;
use crate::net::cluster::Cluster;
use crate::net::runtime;
use crate::topic_name::TopicName;
use crate::wire::entry::write::Unwritable;

/// Producers that are made at once at most.
const MAX_MAKING: usize = 32;

/// How long a producer waits before it is tried for again: 100 ms to a second.
fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(1))
}

/// What the worker and the tasks share.
struct Shared {
    tray: Mutex<Tray>,
    /// Wakes the sink's operator.
    wake: Wake,
    clock: Arc<dyn Clock>,
    compressors: Compressors,
}

impl Shared {
    /// The tray; a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the Unix epoch, as messages say when they were published.
    fn unix_millis(&self) -> u64 {
        self.clock.unix_millis().try_into().unwrap_or_default()
    }
}

/// The worker's half of a producer. Dropped, it lets go of everything at once, without waiting.
pub(crate) struct Producer {
    shared: Arc<Shared>,
    cluster: Arc<Cluster>,
    settings: Arc<Settings>,
    making: Arc<Semaphore>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}

impl Producer {
    /// Starts nothing yet: each topic gets a task when its way is opened.
    pub(crate) fn new(
        cluster: &Arc<Cluster>,
        (settings, limits): (Settings, Limits),
        (wake, clock): (Wake, Arc<dyn Clock>),
    ) -> Self {
        let tray = Mutex::new(Tray::new(limits));
        Self {
            shared: Arc::new(Shared { tray, wake, clock, compressors: Compressors::default() }),
            cluster: Arc::clone(cluster),
            settings: Arc::new(settings),
            making: Arc::new(Semaphore::new(MAX_MAKING)),
        }
    }

    /// The ways to the partitions of a topic, none of which is open yet.
    pub(crate) fn ways(&self, topic: &Arc<str>, whole: TopicName) -> Ways {
        let (shared, cluster) = (Arc::clone(&self.shared), Arc::clone(&self.cluster));
        let (settings, making) = (Arc::clone(&self.settings), Arc::clone(&self.making));
        let parts = PartsOfAll { shared, cluster, settings, making };
        Ways { parts, topic: Arc::clone(topic), whole, lanes: Vec::new() }
    }

    /// Begins to put records down. The tasks wait meanwhile.
    pub(crate) fn fill(&self) -> Filling<'_> {
        Filling { tray: Some(self.shared.lock()), now: Instant::now() }
    }

    /// Takes what became of batches.
    pub(crate) fn take_done(&self, done: &mut Vec<Done>) {
        self.shared.lock().take_done(done);
    }

    /// Why nothing can be written any more, and where that was said.
    pub(crate) fn failure(&self) -> Option<(Place, Reason)> {
        self.shared.lock().failure.clone()
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let tasks = self.shared.lock().close();
        wake(&tasks);
    }
}

fn wake(tasks: &[Arc<Notify>]) {
    for task in tasks {
        task.notify_one();
    }
}

/// What all senders of a producer have in common.
struct PartsOfAll {
    shared: Arc<Shared>,
    cluster: Arc<Cluster>,
    settings: Arc<Settings>,
    making: Arc<Semaphore>,
}

/// The ways to the partitions of one topic, or the one way to a topic without. Dropped, they are closed once what is on them has
/// arrived; not to be dropped while records are put down.
pub(crate) struct Ways {
    parts: PartsOfAll,
    /// As the program names it.
    topic: Arc<str>,
    whole: TopicName,
    lanes: Vec<LaneId>,
}

impl Ways {
    /// The way to a partition; a topic without partitions has one of the number 0.
    #[inline]
    pub(crate) fn get(&self, partition: u32) -> Option<LaneId> {
        self.lanes.get(partition as usize).copied()
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.lanes.len()).unwrap_or(u32::MAX)
    }

    /// Takes down how many partitions there are, 0 for a topic without. There are never fewer.
    ///
    /// # Errors
    /// *Config* `E0135` where a public key cannot be had.
    pub(crate) fn grow(&mut self, n_partitions: u32) -> Result<()> {
        if n_partitions == 0 && self.lanes.is_empty() {
            self.open(None, self.whole.as_str().into())?;
        }
        for partition in self.len()..n_partitions {
            self.open(Some(partition), self.whole.at_partition(partition).as_str().into())?;
        }
        Ok(())
    }

    fn open(&mut self, partition: Option<u32>, topic: Arc<str>) -> Result<()> {
        let PartsOfAll { shared, cluster, settings, making } = &self.parts;
        let encryption = settings.encryption.clone();
        let encryptor = encryption.map(|how| Encryptor::new(how, Instant::now())).transpose()?;
        let id = shared.lock().open_lane();
        self.lanes.push(id);
        let parts = Parts {
            shared: Arc::clone(shared),
            cluster: Arc::clone(cluster),
            settings: Arc::clone(settings),
            making: Arc::clone(making),
            id,
            place: Place { topic: Arc::clone(&self.topic), partition },
            topic,
        };
        runtime::handle().spawn(Sender::new(parts, encryptor).run());
        Ok(())
    }
}

impl Drop for Ways {
    fn drop(&mut self) {
        let mut tray = self.parts.shared.lock();
        let tasks: Vec<_> = self.lanes.iter().filter_map(|lane| tray.close_lane(*lane)).collect();
        drop(tray);
        wake(&tasks);
    }
}

/// Records are being put down.
pub(crate) struct Filling<'p> {
    /// Taken at the end.
    tray: Option<MutexGuard<'p, Tray>>,
    now: Instant,
}

impl Filling<'_> {
    /// Puts a record down that was taken in the epoch of `slot` and is counted with `n_bytes`.
    ///
    /// # Errors
    /// [`Unwritable`]; nothing was put down.
    #[inline]
    pub(crate) fn push(
        &mut self,
        lane: LaneId,
        record: Record<'_>,
        (slot, n_bytes): (u32, usize),
    ) -> Result<(), Unwritable> {
        match &mut self.tray {
            Some(tray) => tray.push(lane, record, (slot, n_bytes), self.now),
            None => Ok(()),
        }
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        let mut tasks: Vec<Arc<Notify>> = Vec::new();
        if let Some(mut tray) = self.tray.take() {
            tray.take_sleepers(&mut tasks);
        }
        wake(&tasks);
    }
}
