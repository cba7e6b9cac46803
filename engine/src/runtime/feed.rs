//! The worker's end of a reader: batches come in, emptied ones and confirmations go back.
//!
//! Invariant: between a reader's thread and its worker there are at most `queue_batches` batches of `queue_bytes` together, one
//! oversized record apart.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use super::Shared;
use crate::batch::RecordBatch;
use crate::error::{Error, Result};
use crate::source::{Assignment, Read, Reader};

/// What the worker gets from a reader.
pub(crate) enum Next {
    /// Records.
    Batch(RecordBatch),
    /// Nothing now.
    Empty,
    /// The source has ended.
    End,
}

/// What a reader's thread sends.
pub(crate) enum Event {
    /// Records.
    Batch(RecordBatch),
    /// The source has ended.
    End,
    /// The source cannot go on.
    Failed(Error),
}

/// What both ends share beside the channels.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// Batches that are durable, since the reader opened.
    pub(crate) confirmed: AtomicU64,
    /// Batches that the channel holds.
    max_batches: usize,
    /// Bytes that it holds, one larger batch apart.
    max_bytes: usize,
    /// Bytes in the channel.
    pub(crate) queued_bytes: AtomicUsize,
    /// The reader's thread, which sleeps while it finds the channel full and `is_waiting` is set.
    pub(crate) reader: OnceLock<Thread>,
    /// The reader waits until half of the channel is free: woken for every slot it would do little but wake up.
    pub(crate) is_waiting: AtomicBool,
    /// The worker takes no more batches.
    pub(crate) stopped: AtomicBool,
    /// The reader confirms what is confirmed, closes and ends.
    pub(crate) closing: AtomicBool,
    /// Whether the last confirmations may go out on closing.
    pub(crate) graceful: AtomicBool,
}

/// The reader's thread's end of the channels.
pub(crate) struct ReaderEnd {
    pub(crate) events: Sender<Event>,
    pub(crate) emptied: Receiver<RecordBatch>,
    pub(crate) assignments: Receiver<Vec<Assignment>>,
    pub(crate) control: Arc<Control>,
    pub(crate) done: Sender<Result<()>>,
}

/// The worker's end of a reader, on a thread of its own or on the worker's.
pub(crate) enum Feed {
    /// The reader has a thread.
    Thread(ThreadFeed),
    /// The reader runs here.
    Here(Box<LocalFeed>),
}

/// A reader with a thread of its own.
pub(crate) struct ThreadFeed {
    events: Receiver<Event>,
    emptied: Sender<RecordBatch>,
    assignments: Sender<Vec<Assignment>>,
    control: Arc<Control>,
    done: Receiver<Result<()>>,
}

/// A reader on the worker's thread.
pub(crate) struct LocalFeed {
    pub(crate) reader: Box<dyn Reader>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: Arc<str>,
    worker: usize,
    spare: Vec<RecordBatch>,
    unconfirmed: u64,
    confirmed_at: u64,
    lag_at: u64,
    stopped: bool,
}

impl ThreadFeed {
    /// Wakes a reader that waits for room, once half of the channel is free.
    fn wake_reader(&self) {
        if self.control.is_waiting.load(Ordering::SeqCst)
            && self.control.is_half_free(self.events.len())
            && self.control.is_waiting.swap(false, Ordering::SeqCst)
            && let Some(reader) = self.control.reader.get()
        {
            reader.unpark();
        }
    }
}

impl Control {
    /// Whether half of the channel is free, batches and bytes.
    pub(crate) fn is_half_free(&self, n_queued: usize) -> bool {
        n_queued <= self.max_batches / 2
            && self.queued_bytes.load(Ordering::Acquire) <= self.max_bytes / 2
    }

    /// Whether so many bytes more fit; a single batch of any size does.
    pub(crate) fn takes(&self, bytes: usize) -> bool {
        let queued = self.queued_bytes.load(Ordering::Acquire);
        queued == 0 || queued + bytes <= self.max_bytes
    }
}

impl LocalFeed {
    pub(crate) fn new(
        reader: Box<dyn Reader>,
        shared: Arc<Shared>,
        name: Arc<str>,
        worker: usize,
    ) -> Self {
        Self {
            reader,
            shared,
            name,
            worker,
            spare: Vec::new(),
            unconfirmed: 0,
            confirmed_at: 0,
            lag_at: 0,
            stopped: false,
        }
    }

    fn next(&mut self) -> Result<Next> {
        if self.stopped {
            return Ok(Next::Empty);
        }
        let mut batch = self.spare.pop().unwrap_or_default();
        match self.reader.read(&mut batch, Duration::ZERO)? {
            Read::Records => Ok(Next::Batch(batch)),
            Read::Idle => {
                self.spare.push(batch);
                Ok(Next::Empty)
            }
            Read::End => {
                self.stopped = true;
                Ok(Next::End)
            }
        }
    }

    /// Says the lag on the interval.
    fn tell_lag(&mut self) {
        let clock = self.shared.clock.micros();
        if clock.saturating_sub(self.lag_at) >= interval_micros(&self.shared) {
            self.lag_at = clock;
            self.shared.metrics.set_lag(&self.name, self.worker, self.reader.lag());
        }
    }

    /// Confirms on the interval, or at once when `now` says so.
    fn confirm(&mut self, now: bool) -> Result<()> {
        let clock = self.shared.clock.micros();
        let due = clock.saturating_sub(self.confirmed_at) >= interval_micros(&self.shared);
        if self.unconfirmed == 0 || !(now || due) || !self.shared.gate_is_open() {
            return Ok(());
        }
        self.confirmed_at = clock;
        let mut resume = Vec::new();
        self.reader.confirm(std::mem::take(&mut self.unconfirmed), &mut resume)?;
        self.shared.positions.confirm(&self.name, resume);
        Ok(())
    }
}

/// The commit interval in microseconds.
pub(crate) fn interval_micros(shared: &Shared) -> u64 {
    u64::try_from(shared.config.commit_interval.as_micros()).unwrap_or(u64::MAX)
}

impl Feed {
    /// The two ends of a reader's thread.
    pub(crate) fn pair(queue_batches: usize, queue_bytes: usize) -> (Self, ReaderEnd) {
        let (events, from_reader) = bounded(queue_batches);
        let (to_reader, emptied) = bounded(queue_batches + 2);
        let (assign, assignments) = bounded(64);
        let (done, ended) = bounded(1);
        let control =
            Control { max_batches: queue_batches, max_bytes: queue_bytes, ..Control::default() };
        let control = Arc::new(control);
        let feed = ThreadFeed {
            events: from_reader,
            emptied: to_reader,
            assignments: assign,
            control: Arc::clone(&control),
            done: ended,
        };
        (Self::Thread(feed), ReaderEnd { events, emptied, assignments, control, done })
    }

    /// The next batch, if there is one now.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Next> {
        match self {
            Self::Here(feed) => feed.next(),
            Self::Thread(feed) => match feed.events.try_recv() {
                Ok(Event::Batch(batch)) => {
                    feed.control.queued_bytes.fetch_sub(batch.n_bytes(), Ordering::AcqRel);
                    feed.wake_reader();
                    Ok(Next::Batch(batch))
                }
                Ok(Event::End) => Ok(Next::End),
                Ok(Event::Failed(error)) => Err(error),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => Ok(Next::Empty),
            },
        }
    }

    /// Gives an emptied batch back.
    pub(crate) fn recycle(&mut self, batch: RecordBatch) {
        match self {
            Self::Here(feed) => {
                if feed.spare.len() < 4 {
                    let mut batch = batch;
                    feed.reader.recycle(&mut batch);
                    feed.spare.push(batch);
                }
            }
            // A full channel has batches enough: this one is dropped. The reader empties them, off the worker.
            Self::Thread(feed) => drop(feed.emptied.try_send(batch)),
        }
    }

    /// The oldest `n_batches` batches not confirmed yet are durable.
    pub(crate) fn confirm(&mut self, n_batches: u64) {
        match self {
            Self::Here(feed) => feed.unconfirmed += n_batches,
            Self::Thread(feed) => {
                feed.control.confirmed.fetch_add(n_batches, Ordering::Release);
            }
        }
    }

    /// Lets a reader on this thread confirm and say its lag; one with a thread does so by itself.
    pub(crate) fn tick(&mut self) -> Result<()> {
        match self {
            Self::Here(feed) => {
                feed.tell_lag();
                feed.confirm(false)
            }
            Self::Thread(_) => Ok(()),
        }
    }

    /// Hands new partitions to the reader.
    pub(crate) fn assign(&mut self, assignments: Vec<Assignment>) -> Result<()> {
        match self {
            Self::Here(feed) => feed.reader.assign(&assignments),
            Self::Thread(feed) => feed.assignments.try_send(assignments).map_err(|_full| {
                Error::new(
                    crate::error::ErrorKind::Unavailable,
                    crate::error::codes::UNREACHABLE,
                    "hand new partitions to the reader: 64 lists of them wait",
                )
            }),
        }
    }

    /// No more batches are taken.
    pub(crate) fn stop_reading(&mut self) {
        match self {
            Self::Here(feed) => feed.stopped = true,
            Self::Thread(feed) => feed.control.stopped.store(true, Ordering::Release),
        }
    }

    /// Starts closing the reader: a graceful one confirms a last time.
    pub(crate) fn start_close(&mut self, graceful: bool) {
        if let Self::Thread(feed) = self {
            feed.control.graceful.store(graceful, Ordering::Release);
            feed.control.closing.store(true, Ordering::Release);
        }
    }

    /// Waits until the reader is closed, at most `deadline`.
    pub(crate) fn finish_close(self, graceful: bool, deadline: Duration) -> Result<()> {
        match self {
            Self::Here(mut feed) => {
                if graceful {
                    feed.confirm(true)?;
                }
                feed.reader.close(deadline)
            }
            Self::Thread(feed) => {
                // Whatever still waits in the channel is not read any more, and the reader must not block on it.
                drop(feed.events);
                feed.done.recv_timeout(deadline).unwrap_or_else(|_timeout| {
                    Err(Error::new(
                        crate::error::ErrorKind::Unavailable,
                        crate::error::codes::STOP_DEADLINE,
                        format!("close a reader within {deadline:?}"),
                    ))
                })
            }
        }
    }
}
