//! What all threads of one execution share: the epoch clock, the confirm gate, stop and failure.
//!
//! Invariant: the gate closes before anything is dropped, because dropped capabilities look like progress.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;

use crate::clock::SharedClock;
use crate::config::Config;
use crate::error::{Error, ErrorKind, codes};
use crate::metrics::Metrics;
use crate::position::Positions;

/// How far a stop has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stop {
    /// Running.
    No = 0,
    /// Sources read no more; what was read is delivered and confirmed.
    Drain = 1,
    /// Everything is dropped; nothing more is confirmed.
    Now = 2,
}

/// Shared by the workers, the readers' threads and the coordinator of one execution.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dataflow: Arc<str>,
    pub(crate) config: Config,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) positions: Positions,
    pub(crate) generation: u64,
    epoch: AtomicU64,
    gate_open: AtomicBool,
    stop: AtomicU8,
    fault: Mutex<Option<Error>>,
    workers: Mutex<Vec<Thread>>,
    last_record_micros: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        dataflow: Arc<str>,
        config: Config,
        clock: SharedClock,
        generation: u64,
    ) -> Arc<Self> {
        let now = clock.micros();
        Arc::new(Self {
            dataflow,
            config,
            clock,
            metrics: Arc::new(Metrics::default()),
            positions: Positions::default(),
            generation,
            epoch: AtomicU64::new(0),
            gate_open: AtomicBool::new(true),
            stop: AtomicU8::new(Stop::No as u8),
            fault: Mutex::new(None),
            workers: Mutex::new(Vec::new()),
            last_record_micros: AtomicU64::new(now),
        })
    }

    /// The epoch that sources advance to now: the last multiple of the epoch length, or what another source closed early.
    pub(crate) fn epoch(&self) -> u64 {
        let length = self.epoch_micros();
        let slot = self.clock.micros() / length * length;
        self.epoch.fetch_max(slot, Ordering::AcqRel).max(slot)
    }

    /// Closes the current epoch early, for all workers: half a ledger is in use.
    pub(crate) fn close_epoch_early(&self) -> u64 {
        let now = self.clock.micros();
        let before = self.epoch.fetch_max(now, Ordering::AcqRel);
        if now > before {
            self.wake_workers();
        }
        before.max(now)
    }

    /// The newest epoch of any worker of the process.
    pub(crate) fn newest_epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The epoch length in microseconds.
    pub(crate) fn epoch_micros(&self) -> u64 {
        u64::try_from(self.config.epoch.as_micros()).unwrap_or(u64::MAX).max(1)
    }

    /// Whether receipts, positions, acknowledgements and commits may go out.
    pub(crate) fn gate_is_open(&self) -> bool {
        self.gate_open.load(Ordering::SeqCst)
    }

    /// Stops the dataflow with an error: closes the gate first, keeps the first error, wakes everybody.
    pub(crate) fn fail(&self, error: Error) {
        self.gate_open.store(false, Ordering::SeqCst);
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if fault.is_none() {
            tracing::error!(dataflow = %self.dataflow, code = %error.code(), "{}", error.report());
            *fault = Some(error);
        }
        drop(fault);
        self.stop.fetch_max(Stop::Now as u8, Ordering::SeqCst);
        self.wake_workers();
    }

    /// Asks for a stop; a stop never goes back.
    pub(crate) fn request_stop(&self, stop: Stop) {
        if stop == Stop::Now {
            self.fail(Error::new(
                ErrorKind::Stopped,
                codes::STOPPED,
                "drain the dataflow: it was told to stop at once",
            ));
        }
        self.stop.fetch_max(stop as u8, Ordering::SeqCst);
        self.wake_workers();
    }

    /// How far a stop has gone.
    pub(crate) fn stop(&self) -> Stop {
        match self.stop.load(Ordering::SeqCst) {
            0 => Stop::No,
            1 => Stop::Drain,
            _ => Stop::Now,
        }
    }

    /// The error that stopped the dataflow, once.
    pub(crate) fn take_fault(&self) -> Option<Error> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Adds the calling thread to those that are woken.
    pub(crate) fn register_worker(&self) {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(std::thread::current());
    }

    /// Wakes all workers of the process.
    pub(crate) fn wake_workers(&self) {
        for thread in self.workers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            thread.unpark();
        }
    }

    /// A worker had records just now; wakes the others when the process was idle, so that the epoch moves on everywhere.
    pub(crate) fn note_records(&self) {
        let now = self.clock.micros();
        let before = self.last_record_micros.swap(now, Ordering::AcqRel);
        if now.saturating_sub(before) > IDLE_MICROS {
            self.wake_workers();
        }
    }

    /// Whether no worker of the process had a record for a second.
    pub(crate) fn is_idle(&self) -> bool {
        self.clock.micros().saturating_sub(self.last_record_micros.load(Ordering::Acquire))
            > IDLE_MICROS
    }
}

const IDLE_MICROS: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    fn shared(clock: &ManualClock) -> Arc<Shared> {
        Shared::new("test".into(), Config::default(), clock.shared(), 1)
    }

    #[test]
    fn epochs_are_multiples_and_never_pass_the_clock() {
        let clock = ManualClock::default();
        let shared = shared(&clock);
        clock.advance(Duration::from_micros(25_300));
        assert_eq!(shared.epoch(), 20_000);
        assert_eq!(shared.close_epoch_early(), 25_300);
        assert_eq!(shared.epoch(), 25_300);
        clock.advance(Duration::from_millis(5));
        assert_eq!(shared.epoch(), 30_000);
    }

    #[test]
    fn first_fault_is_kept_and_closes_the_gate() {
        let shared = shared(&ManualClock::default());
        shared.fail(Error::config("first"));
        shared.fail(Error::config("second"));
        assert!(!shared.gate_is_open());
        assert_eq!(shared.stop(), Stop::Now);
        assert_eq!(shared.take_fault().map(|e| e.to_string()).as_deref(), Some("first"));
    }
}
