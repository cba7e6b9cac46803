//! The way of records to the brokers: a producer of our own on Kafka's protocol.
//!
//! The worker puts records down on the tray, partition by partition; one thread takes batches up, compresses and sends them, and
//! says what became of them. What happens rarely, such as finding out who leads a partition, is asked for by the control thread.
//!
//! Files: `batch` what travels · `provenance` where it came from · `tray` where both threads meet · `lane` order and numbers of one partition · `lanes` all of them ·
//! `verdict` what answers mean · `request`, `channel`, `broker` the way there and back · `io` the thread.

mod batch;
mod broker;
mod channel;
mod io;
mod lane;
mod lanes;
#[cfg(test)]
mod model;
mod provenance;
mod request;
mod settings;
#[cfg(test)]
mod tests;
mod tray;
#[cfg(test)]
mod trial;
mod verdict;

pub(crate) use batch::Run;
pub(crate) use tray::{Done, GivenUp, LaneId, MAX_BATCH};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use millstream_engine::batch::Record;
use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::sink::WriterContext;
use mio::{Poll, Waker};
use rdkafka::types::RDKafkaErrorCode;

use self::io::{Io, Parts, WAKER};
use self::settings::Settings;
use self::tray::{Change, Limits, Told, Tray};
use crate::config::SinkConfig;
use crate::control::Control;
use crate::listener::Listener;
use crate::net::dial::Dialer;

/// What the worker and the thread that sends share.
struct Shared {
    tray: Mutex<Tray>,
    waker: Waker,
    /// How often the thread has looked for something to do.
    #[cfg(test)]
    n_turns: std::sync::atomic::AtomicUsize,
}

impl Shared {
    /// The tray; a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_io(&self) {
        // It fails only where the system has no room for one number more, and then the thread looks up a moment later.
        drop(self.waker.wake());
    }
}

/// The worker's half of a producer. Dropped, it lets go of everything at once, without waiting.
pub(crate) struct Producer {
    shared: Arc<Shared>,
}

impl Producer {
    /// Starts the thread. It finds brokers, leaders and its id through `control`.
    pub(crate) fn start(
        config: &SinkConfig,
        client_id: &str,
        (dialer, listener): (&Arc<Dialer>, &Arc<Listener>),
        cx: &WriterContext,
        control: impl FnOnce(Box<dyn Fn() + Send>) -> Result<Arc<Control>>,
    ) -> Result<(Self, Arc<Control>)> {
        let failed = |error: std::io::Error| {
            let what = "start a thread for the Kafka client";
            Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what)
                .with_source(error)
                .at_step(&cx.open.step)
        };
        let poll = Poll::new().map_err(failed)?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(failed)?;
        let tray = Mutex::new(Tray::new(Limits::new(config)));
        let shared = Arc::new(Shared {
            tray,
            waker,
            #[cfg(test)]
            n_turns: 0.into(),
        });
        let of_control = Arc::clone(&shared);
        let control = control(Box::new(move || of_control.wake_io()))?;
        let io = Io::new(Parts {
            shared: Arc::clone(&shared),
            control: Arc::clone(&control),
            dialer: Arc::clone(dialer),
            listener: Arc::clone(listener),
            settings: Settings::new(config, client_id),
            poll,
            wake: cx.wake.clone(),
        });
        let end = End { shared: Arc::clone(&shared), wake: cx.wake.clone() };
        let run = move || {
            let _end = end;
            if let Err(error) = io.run() {
                tracing::error!("the thread that writes to Kafka cannot go on: {error}");
            }
        };
        std::thread::Builder::new().name("kafka-produce".to_owned()).spawn(run).map_err(failed)?;
        Ok((Self { shared }, control))
    }

    /// The ways to the partitions of a topic, none of which is open yet. `control` keeps the topic in mind until they are closed.
    pub(crate) fn ways(&self, topic: &Arc<str>, control: &Arc<Control>) -> Ways {
        let (shared, control) = (Arc::clone(&self.shared), Arc::clone(control));
        Ways { shared, control, topic: Arc::clone(topic), lanes: Vec::new() }
    }

    /// Begins to put records down. The thread that sends waits meanwhile.
    pub(crate) fn fill(&self, unix_millis: i64) -> Filling<'_> {
        let tray = self.shared.lock();
        Filling { shared: &self.shared, tray, now: Instant::now(), unix_millis }
    }

    /// Takes what became of batches.
    pub(crate) fn take_done(&self, done: &mut Vec<Done>) {
        done.append(&mut self.shared.lock().done);
    }

    /// Why nothing can be sent any more.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let tray = self.shared.lock();
        match tray.refusal {
            Some(code) => Some(Failure::Refused(code)),
            None => tray.is_broken.then_some(Failure::Ended),
        }
    }
}

/// The ways to the partitions of one topic. Dropped, they are closed once what is on them has arrived; not to be dropped while
/// records are put down.
pub(crate) struct Ways {
    shared: Arc<Shared>,
    control: Arc<Control>,
    topic: Arc<str>,
    lanes: Vec<LaneId>,
}

impl Ways {
    /// The way to a partition.
    #[inline]
    pub(crate) fn get(&self, partition: u32) -> Option<LaneId> {
        self.lanes.get(partition as usize).copied()
    }

    pub(crate) fn n_partitions(&self) -> u32 {
        u32::try_from(self.lanes.len()).unwrap_or(u32::MAX)
    }

    /// Takes down that there are more partitions; there are never fewer, unless the topic was made again.
    pub(crate) fn grow(&mut self, n_partitions: u32) {
        let mut tray = self.shared.lock();
        for partition in self.n_partitions()..n_partitions {
            self.lanes.push(tray.open_lane(&self.topic, partition));
        }
        drop(tray);
        self.shared.wake_io();
    }

    /// Gives up on everything that waits.
    pub(crate) fn give_up(&self, code: RDKafkaErrorCode) {
        self.change(|lane| Change::GiveUp { lane, code });
    }

    fn change(&self, change: impl Fn(LaneId) -> Change) {
        self.shared.lock().changes.extend(self.lanes.iter().map(|lane| change(*lane)));
        self.shared.wake_io();
    }
}

impl Drop for Ways {
    fn drop(&mut self) {
        self.change(|lane| Change::Close { lane });
        self.control.forget(&self.topic);
    }
}

/// Why nothing can be sent any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The cluster does not let us write.
    Refused(RDKafkaErrorCode),
    /// The thread that sends has ended.
    Ended,
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.wake_io();
    }
}

/// Records are being put down.
pub(crate) struct Filling<'p> {
    shared: &'p Shared,
    tray: MutexGuard<'p, Tray>,
    now: Instant,
    unix_millis: i64,
}

impl Filling<'_> {
    /// Puts a record down that was taken in the epoch of `slot` and is counted with `n_bytes`.
    #[inline]
    pub(crate) fn push(&mut self, lane: LaneId, record: Record<'_>, slot: u32, n_bytes: usize) {
        let told = Told { slot, n_bytes, now: self.now, unix_millis: self.unix_millis };
        self.tray.push(lane, record, told);
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        if self.tray.must_wake() {
            self.shared.wake_io();
        }
    }
}

/// Tells the worker that the thread has ended, by a panic too: nothing would be heard of its records.
struct End {
    shared: Arc<Shared>,
    wake: millstream_engine::runtime::Wake,
}

impl Drop for End {
    fn drop(&mut self) {
        self.shared.lock().is_broken = true;
        self.wake.wake();
    }
}
