//! A source of the program's own, as an async stream: polled on the I/O runtime, read in batches by the source's thread.
//!
//! Invariant: at most [`AHEAD`] batches are polled and not yet read; a stream that has ended, or that panicked, is not polled again.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::from_fn::{FromFn, from_fn};
use super::{Fill, Read};
use crate::batch::{OwnedRecord, RecordBatch};
use crate::error::BoxError;
use crate::io;

/// Batches that the stream's task may be ahead of the source's thread.
const AHEAD: usize = 2;

/// A source that hands out the items of an async stream, and ends with it.
///
/// Items are values (`&str`, `String`, bytes), pairs of key and value, or [`OwnedRecord`]s. They keep their order, in one partition
/// read by one worker. The stream is polled by a task of the I/O runtime ([`io::handle`]), which has its timers and sockets at hand;
/// it must not block there. What is ready travels together: an item never waits for later ones. While the dataflow is busy, the
/// stream is two batches ahead and then not polled.
///
/// The dataflow's closure makes the stream once per worker and once more for the check, and one of them is polled: keep the making
/// cheap, and connect when first polled.
///
/// # Delivery
/// At most once, because a stream does not go back. Where the closure makes a stream of the same items every time, say so: with
/// [`FromFn::replayable`] it is at least once, and what was delivered before is polled and skipped.
///
/// # Errors
/// *Unavailable* when the I/O runtime cannot start. A panic of the stream stops the dataflow. For a stream of `Result`s there is
/// [`try_from_stream`].
///
/// # Blocking
/// A stop does not wait for the stream: its task is cancelled where it waits, and the stream dropped on the runtime.
///
/// # Examples
/// ```
/// use std::task::Poll;
///
/// use millstream_engine::testing::TestSink;
/// use millstream_engine::{Config, Dataflow, run, source};
///
/// /// Any stream: of a client's messages, a socket's lines, a timer's ticks.
/// struct Countdown(u32);
///
/// impl futures_core::Stream for Countdown {
///     type Item = String;
///
///     fn poll_next(
///         mut self: std::pin::Pin<&mut Self>,
///         _: &mut std::task::Context<'_>,
///     ) -> Poll<Option<String>> {
///         self.0 = self.0.saturating_sub(1);
///         Poll::Ready((self.0 > 0).then(|| self.0.to_string()))
///     }
/// }
///
/// let sink = TestSink::new();
/// let to = sink.clone();
/// let flow = Dataflow::new("countdown", move |flow| {
///     flow.source("countdown", source::from_stream(Countdown(4))).sink("out", to.clone());
/// });
/// run(&flow, Config::default())?;
/// assert_eq!(sink.texts(), ["3", "2", "1"]);
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub fn from_stream<S>(stream: S) -> FromFn
where
    S: Stream<Item: Into<OwnedRecord> + 'static> + Send + 'static,
{
    try_from_stream(NeverFails(Box::pin(stream)))
}

/// The same for a stream of `Result`s.
///
/// # Errors
/// An `Err` stops the dataflow, or leaves as an error record (`Flow::source_with_errors`) and the source goes on after a wait that
/// grows; the stream is polled meanwhile, until it is two batches or errors ahead. An [`Error`](crate::Error) of this crate is kept as it is; any other counts as *unavailable*. What came before
/// it is handed out first.
pub fn try_from_stream<S, T, E>(stream: S) -> FromFn
where
    S: Stream<Item = Result<T, E>> + Send + 'static,
    T: Into<OwnedRecord> + 'static,
    E: Into<BoxError> + 'static,
{
    let mut polling = Polling::Later(stream);
    from_fn(move |fill| {
        polling.start(fill)?;
        polling.read(fill)
    })
}

/// A stream whose items are all well.
struct NeverFails<S>(Pin<Box<S>>);

impl<S: Stream> Stream for NeverFails<S> {
    type Item = Result<S::Item, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx).map(|item| item.map(Ok))
    }
}

/// What the task hands to the source's thread.
enum Handed {
    Records(RecordBatch),
    Failed(BoxError),
    End,
}

/// The stream, until it is polled, and then the other end of its task.
enum Polling<S> {
    Later(S),
    Now(Task),
    Ended,
}

struct Task {
    handed: mpsc::Receiver<Handed>,
    /// Batches that were read, for the task to fill again.
    spare: mpsc::Sender<RecordBatch>,
    polling: JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.polling.abort();
    }
}

impl<S, T, E> Polling<S>
where
    S: Stream<Item = Result<T, E>> + Send + 'static,
    T: Into<OwnedRecord> + 'static,
    E: Into<BoxError> + 'static,
{
    /// Starts the task, when called first.
    fn start(&mut self, fill: &Fill<'_>) -> Result<(), BoxError> {
        if !matches!(self, Self::Later(_)) {
            return Ok(());
        }
        let runtime = io::handle()?;
        if let Self::Later(stream) = std::mem::replace(self, Self::Ended) {
            let (hand, handed) = mpsc::channel(AHEAD);
            let (spare, spares) = mpsc::channel(AHEAD);
            let (max_bytes, max_records) = fill.limits();
            let poller =
                Poller { hand, spares, max_bytes, max_records, to_skip: fill.position(), next: 0 };
            *self = Self::Now(Task { handed, spare, polling: runtime.spawn(poller.run(stream)) });
        }
        Ok(())
    }

    fn read(&mut self, fill: &mut Fill<'_>) -> Result<Read, BoxError> {
        let Self::Now(task) = self else { return Ok(Read::End) };
        let runtime = io::handle()?;
        let wait = fill.wait();
        let handed =
            runtime.block_on(async { tokio::time::timeout(wait, task.handed.recv()).await });
        match handed {
            Err(_elapsed) => Ok(Read::Idle),
            Ok(Some(Handed::Records(mut batch))) => {
                fill.swap(&mut batch);
                // a task that has ended, or that has spares enough, needs no more
                drop(task.spare.try_send(batch));
                Ok(Read::Records)
            }
            Ok(Some(Handed::Failed(error))) => Err(error),
            Ok(Some(Handed::End)) => {
                *self = Self::Ended;
                Ok(Read::End)
            }
            Ok(None) => {
                let ended = runtime.block_on(&mut task.polling);
                *self = Self::Ended;
                match ended {
                    Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                    _ => Ok(Read::End),
                }
            }
        }
    }
}

/// The task's side: fills batches with what is ready.
struct Poller {
    hand: mpsc::Sender<Handed>,
    spares: mpsc::Receiver<RecordBatch>,
    max_bytes: usize,
    max_records: usize,
    /// Items that an earlier run has delivered.
    to_skip: u64,
    /// The position of the next item.
    next: u64,
}

impl Poller {
    async fn run<T, E>(mut self, stream: impl Stream<Item = Result<T, E>>)
    where
        T: Into<OwnedRecord>,
        E: Into<BoxError>,
    {
        let mut stream = pin!(stream);
        let mut ended = false;
        while !ended {
            let mut batch = self.spares.try_recv().unwrap_or_default();
            batch.clear();
            let last = poll_fn(|cx| self.fill(&mut batch, stream.as_mut(), cx)).await;
            ended = matches!(last, Some(Handed::End));
            let records = (!batch.is_empty()).then_some(Handed::Records(batch));
            for handed in records.into_iter().chain(last) {
                if self.hand.send(handed).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Takes what is ready; ready itself once there is something to hand over, with what comes after the batch.
    fn fill<T, E>(
        &mut self,
        batch: &mut RecordBatch,
        mut stream: Pin<&mut impl Stream<Item = Result<T, E>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Handed>>
    where
        T: Into<OwnedRecord>,
        E: Into<BoxError>,
    {
        for _ in 0..self.max_records {
            match stream.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(item))) => self.push(batch, item),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Handed::Failed(error.into())));
                }
                Poll::Ready(None) => return Poll::Ready(Some(Handed::End)),
                Poll::Pending if batch.is_empty() => return Poll::Pending,
                Poll::Pending => return Poll::Ready(None),
            }
            if batch.n_bytes() >= self.max_bytes {
                return Poll::Ready(None);
            }
        }
        if batch.is_empty() {
            // all of them were skipped: others on this thread have their turn
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(None)
    }

    fn push(&mut self, batch: &mut RecordBatch, item: impl Into<OwnedRecord>) {
        let position = self.next;
        self.next += 1;
        if position >= self.to_skip {
            batch.push_owned(&OwnedRecord { position, origin: None, ..item.into() });
        }
    }
}
