//! The thread of a reader: reads ahead into a bounded channel, confirms on the interval, closes on request.
//!
//! Invariant: it never waits longer than `PATIENCE` without looking at its control.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{SendTimeoutError, TrySendError};

use super::feed::{Event, ReaderEnd, interval_micros};
use super::{Shared, Wake};
use crate::batch::RecordBatch;
use crate::error::{Error, ErrorKind, Result, codes};
use crate::source::{Assignment, Read, Reader, ReaderContext, Source};
use crate::stage::catch;

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_millis(50);

/// Everything a reader's thread needs.
pub(crate) struct ReaderThread {
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: Arc<str>,
    pub(crate) worker: usize,
    pub(crate) wake: Wake,
    pub(crate) end: ReaderEnd,
    pub(crate) on_failure: OnFailure,
}

/// What becomes of a failure of the source itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// The dataflow stops.
    Stop,
    /// It leaves as an error record, and the reader is asked again.
    GoOn,
}

/// Why reading ended.
enum Ended {
    Closing,
    AllRead,
}

impl ReaderThread {
    /// Starts the thread, which opens the reader itself.
    pub(crate) fn spawn(
        self,
        source: Box<dyn Source>,
        cx: ReaderContext,
        first: Vec<Assignment>,
    ) -> Result<()> {
        let name = format!("ms-read-{}", self.name);
        let spawned = std::thread::Builder::new()
            .name(name)
            .spawn(move || self.run(source.as_ref(), cx, &first));
        spawned.map(drop).map_err(|e| {
            Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, "start a reader's thread")
                .with_source(e)
        })
    }

    fn run(self, source: &dyn Source, cx: ReaderContext, first: &[Assignment]) {
        let result = catch(|| self.open_and_read(source, cx, first)).unwrap_or_else(|panicked| {
            let error = Error::new(ErrorKind::Panic, codes::PANIC, "run a reader: it panicked")
                .with_source(panicked.message);
            self.report(Event::Failed(error));
            Ok(())
        });
        // The worker may have given up waiting.
        drop(self.end.done.send(result));
    }

    fn open_and_read(
        &self,
        source: &dyn Source,
        cx: ReaderContext,
        first: &[Assignment],
    ) -> Result<()> {
        let mut reader = match source.reader(cx).and_then(|mut r| r.assign(first).map(|()| r)) {
            Ok(reader) => reader,
            Err(error) => {
                self.report(Event::Failed(error));
                return Ok(());
            }
        };
        let mut confirmer = Confirmer { seen: 0, last: Instant::now() };
        match self.read_all(reader.as_mut(), &mut confirmer) {
            Ok(Ended::Closing) => {}
            Ok(Ended::AllRead) => {
                self.report(Event::End);
                self.wait_for_close(reader.as_mut(), &mut confirmer);
            }
            Err(error) => {
                self.report(Event::Failed(error));
                self.wait_for_close(reader.as_mut(), &mut confirmer);
            }
        }
        if self.end.control.graceful.load(Ordering::Acquire) {
            self.confirm(reader.as_mut(), &mut confirmer);
        }
        reader.close(self.shared.config.stop_deadline)
    }

    fn read_all(&self, reader: &mut dyn Reader, confirmer: &mut Confirmer) -> Result<Ended> {
        let mut batch = RecordBatch::default();
        let mut failures = 0;
        loop {
            if self.closing() {
                return Ok(Ended::Closing);
            }
            if self.end.control.stopped.load(Ordering::Acquire) {
                self.wait_for_close(reader, confirmer);
                return Ok(Ended::Closing);
            }
            while let Ok(more) = self.end.assignments.try_recv() {
                reader.assign(&more)?;
            }
            self.confirm_on_interval(reader, confirmer);
            match reader.read(&mut batch, PATIENCE) {
                Ok(Read::Records) => {
                    failures = 0;
                    self.send(reader, confirmer, std::mem::take(&mut batch));
                    batch = self.emptied(reader);
                }
                Ok(Read::Idle) => {}
                Ok(Read::End) => return Ok(Ended::AllRead),
                Err(error) if self.on_failure == OnFailure::Stop => return Err(error),
                Err(error) => {
                    batch.clear();
                    self.report(Event::Failed(error));
                    self.pause(PATIENCE * (1 << failures), reader, confirmer);
                    failures = (failures + 1).min(6);
                }
            }
        }
    }

    /// Waits before a reader that failed is asked again; confirmations and closing go on.
    fn pause(&self, wait: Duration, reader: &mut dyn Reader, confirmer: &mut Confirmer) {
        let end = Instant::now() + wait;
        while Instant::now() < end && !self.closing() {
            std::thread::park_timeout(PATIENCE);
            self.confirm_on_interval(reader, confirmer);
        }
    }

    /// Hands a batch to the worker; while the channel is full, confirmations and closing go on.
    fn send(&self, reader: &mut dyn Reader, confirmer: &mut Confirmer, batch: RecordBatch) {
        let control = &self.end.control;
        let bytes = batch.n_bytes();
        while !control.takes(bytes) && !self.closing() {
            self.wake.wake();
            self.wait_for_room(bytes);
            self.confirm_on_interval(reader, confirmer);
        }
        control.queued_bytes.fetch_add(bytes, Ordering::AcqRel);
        let mut event = match self.end.events.try_send(Event::Batch(batch)) {
            Ok(()) => return self.wake.wake(),
            Err(full) => full.into_inner(),
        };
        self.wake.wake();
        while !self.closing() {
            self.wait_for_room(0);
            match self.end.events.try_send(event) {
                Ok(()) => return self.wake.wake(),
                Err(TrySendError::Full(back)) => event = back,
                Err(TrySendError::Disconnected(_)) => return,
            }
            self.confirm_on_interval(reader, confirmer);
        }
    }

    /// Sleeps until half of the channel is free and `bytes` more fit, at most `PATIENCE`.
    fn wait_for_room(&self, bytes: usize) {
        let control = &self.end.control;
        control.reader.get_or_init(std::thread::current);
        control.is_waiting.store(true, Ordering::SeqCst);
        // Looked at after the flag was set: the worker either sees the flag or had made the room before.
        if !control.is_half_free(self.end.events.len()) || !control.takes(bytes) {
            std::thread::park_timeout(PATIENCE);
        }
        control.is_waiting.store(false, Ordering::SeqCst);
    }

    fn emptied(&self, reader: &mut dyn Reader) -> RecordBatch {
        if let Ok(mut batch) = self.end.emptied.try_recv() {
            reader.recycle(&mut batch);
            return batch;
        }
        let config = &self.shared.config;
        RecordBatch::with_capacity(
            config.batch_bytes + config.batch_bytes / 4,
            config.batch_records.min(1024),
        )
    }

    /// Tells the worker something other than records; it has room for it sooner or later, or has gone.
    fn report(&self, event: Event) {
        let mut event = event;
        while !self.closing() {
            self.wake.wake();
            match self.end.events.send_timeout(event, PATIENCE) {
                Ok(()) => return self.wake.wake(),
                Err(SendTimeoutError::Timeout(back)) => event = back,
                Err(SendTimeoutError::Disconnected(_)) => return,
            }
        }
    }

    fn wait_for_close(&self, reader: &mut dyn Reader, confirmer: &mut Confirmer) {
        while !self.closing() {
            std::thread::park_timeout(PATIENCE);
            self.confirm_on_interval(reader, confirmer);
        }
    }

    fn closing(&self) -> bool {
        self.end.control.closing.load(Ordering::Acquire)
    }

    fn confirm_on_interval(&self, reader: &mut dyn Reader, confirmer: &mut Confirmer) {
        if confirmer.last.elapsed() >= Duration::from_micros(interval_micros(&self.shared)) {
            self.confirm(reader, confirmer);
        }
    }

    fn confirm(&self, reader: &mut dyn Reader, confirmer: &mut Confirmer) {
        confirmer.last = Instant::now();
        self.shared.metrics.set_lag(&self.name, self.worker, reader.lag());
        let durable = self.end.control.confirmed.load(Ordering::Acquire);
        let n_batches = durable - confirmer.seen;
        if n_batches == 0 || !self.shared.gate_is_open() {
            return;
        }
        confirmer.seen = durable;
        let mut resume = Vec::new();
        if let Err(error) = reader.confirm(n_batches, &mut resume) {
            tracing::warn!(source = %self.name, "{}\nThe next commit covers the same records.", error.report());
        }
        self.shared.positions.confirm(&self.name, resume);
    }
}

struct Confirmer {
    seen: u64,
    last: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::config::Config;
    use crate::runtime::{Feed, Next};
    use crate::source::{OpenContext, Partition, ResumePosition};
    use crate::testing::TestSource;

    /// Reads one batch, calls it durable, closes gracefully; returns what was committed.
    fn committed_after(before_close: impl FnOnce(&Shared)) -> u64 {
        let source = TestSource::new(["a", "b"]);
        let shared = Shared::new("gate".into(), Config::default(), SystemClock::new(), 1);
        let open = OpenContext {
            dataflow: Arc::clone(&shared.dataflow),
            step: "in".into(),
            clock: Arc::clone(&shared.clock),
            open_timeout: shared.config.open_timeout,
        };
        let cx =
            ReaderContext { open, worker: 0, batch_bytes: 1024, batch_records: 8, bounded: true };
        let start = ResumePosition("0".to_owned());
        let first = Assignment { partition: Partition::new("test", 0), start, committed: None };
        let (mut feed, end) = Feed::pair(4, 1 << 20);
        let thread = ReaderThread {
            shared: Arc::clone(&shared),
            name: "in".into(),
            worker: 0,
            wake: Wake::new(|| ()),
            end,
            on_failure: OnFailure::Stop,
        };
        thread.spawn(Box::new(source.clone()), cx, vec![first]).expect("a thread starts");
        while !matches!(feed.next(), Ok(Next::Batch(_))) {
            std::thread::yield_now();
        }
        before_close(&shared);
        feed.confirm(1);
        feed.start_close(true);
        feed.finish_close(true, Duration::from_secs(30)).expect("it closes");
        source.committed()[0]
    }

    #[test]
    fn closed_gate_confirms_nothing() {
        assert_eq!(committed_after(|_| ()), 2);
        assert_eq!(committed_after(|shared| shared.fail(Error::config("stop"))), 0);
    }
}
