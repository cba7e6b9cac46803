//! A sink of the program's own, as one closure.
//!
//! Invariant: what the closure returned `Ok` for is durable; everything else is rejected, once.

use std::cell::RefCell;
use std::fmt;

use super::{Rejected, Sink, SinkCapabilities, Writer, WriterContext};
use crate::batch::{Record, RecordBatch};
use crate::error::{BoxError, Error, ErrorKind, Result, codes};
use crate::runtime::Wake;
use crate::stage::{Cx, OriginNote, Panicked, catch};

/// A sink that calls `write` with every record.
///
/// Every worker has a closure of its own and calls it with its share of the records, in order per key. It runs on the worker and
/// must not wait: hand on to a thread what takes long. For what is flushed once per batch there is [`from_batch_fn`].
///
/// # Delivery
/// A record is durable once `write` has returned `Ok`: at least once, if that is true. If `write` only hands the record on, what
/// was handed on and is lost in a crash is lost.
///
/// # Errors
/// An error rejects the record: it stops the dataflow (`RecordStream::sink`), or leaves with the record on the error stream
/// (`RecordStream::sink_with_errors`); `write` is not called with it again. An [`Error`] of this crate is kept as it is; any
/// other counts as *unavailable*. A panic stops the dataflow, and the error names step and record. A record with a topic of its
/// own is refused: routing needs the full contract.
///
/// # Examples
/// ```
/// use std::sync::mpsc::channel;
/// use millstream_engine::{Config, Dataflow, run, sink, source};
///
/// let (send, received) = channel();
/// let flow = Dataflow::new("greet", move |flow| {
///     let send = send.clone();
///     let greet = sink::from_fn(move |record| Ok(send.send(record.to_owned())?));
///     flow.source("names", source::from_iter(["Ada", "Grace"])).sink("greet", greet);
/// });
/// run(&flow, Config::default())?;
/// drop(flow);
/// assert_eq!(received.iter().filter_map(|r| r.text().map(str::len)).collect::<Vec<_>>(), [3, 5]);
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub fn from_fn(
    mut write: impl FnMut(Record<'_>) -> Result<(), BoxError> + Send + 'static,
) -> FromFn {
    FromFn::new(move |batch, refused| {
        for (index, record) in batch.iter().enumerate() {
            let note = OriginNote(Cx::of(record));
            let written = write(record);
            std::mem::forget(note);
            if let Err(error) = written {
                refused.push((index, failure(error)));
            }
        }
    })
}

/// A sink that calls `write` with every batch: as [`from_fn`], for what is done once for many records, such as a flush.
///
/// # Delivery
/// The records of a batch are durable once `write` has returned `Ok` for it.
///
/// # Errors
/// An error rejects all records of the batch, also those that were written before it: what is done with the rejected ones may
/// repeat them.
///
/// # Examples
/// ```
/// use std::io::Write as _;
/// use millstream_engine::{Config, Dataflow, run, sink, source};
///
/// let flow = Dataflow::new("lines", |flow| {
///     let lines = sink::from_batch_fn(|batch| {
///         let mut out = std::io::stdout().lock();
///         for record in batch.iter() {
///             out.write_all(record.value_or_empty())?;
///             out.write_all(b"\n")?;
///         }
///         Ok(out.flush()?)
///     });
///     flow.source("in", source::from_iter(["a", "b"])).sink("out", lines);
/// });
/// run(&flow, Config::default())?;
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub fn from_batch_fn(
    mut write: impl FnMut(&RecordBatch) -> Result<(), BoxError> + Send + 'static,
) -> FromFn {
    FromFn::new(move |batch, refused| {
        if let Err(error) = write(batch) {
            let text = failure(error);
            let again = (1..batch.len()).map(|index| (index, copy(&text))).collect::<Vec<_>>();
            refused.push((0, text));
            refused.extend(again);
        }
    })
}

/// Writes a batch; notes what was refused, by index.
type WriteFn = Box<dyn FnMut(&RecordBatch, &mut Vec<(usize, Error)>) + Send>;

/// A sink of the program's own; made by [`from_fn`] and [`from_batch_fn`].
pub struct FromFn {
    write: RefCell<Option<WriteFn>>,
}

impl FromFn {
    fn new(write: impl FnMut(&RecordBatch, &mut Vec<(usize, Error)>) + Send + 'static) -> Self {
        Self { write: RefCell::new(Some(Box::new(write))) }
    }
}

impl fmt::Debug for FromFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn").finish_non_exhaustive()
    }
}

impl Sink for FromFn {
    fn connector(&self) -> &'static str {
        "own"
    }

    fn target(&self) -> String {
        "code".to_owned()
    }

    fn capabilities(&self) -> SinkCapabilities {
        SinkCapabilities {
            confirms: true,
            transactional: false,
            idempotent: false,
            headers: true,
            routes: false,
        }
    }

    fn writer(&self, cx: WriterContext) -> Result<Box<dyn Writer>> {
        let write = self.write.take().ok_or_else(|| {
            Error::config("open a sink of the program's own: it was opened before")
                .with_hint("Make it inside the dataflow's closure, which runs anew for every run.")
        })?;
        Ok(Box::new(FnWriter { write, wake: cx.wake, rejected: Vec::new() }))
    }
}

/// Calls the closure; keeps what it refused until the engine asks.
struct FnWriter {
    write: WriteFn,
    wake: Wake,
    rejected: Vec<Rejected>,
}

impl Writer for FnWriter {
    fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<usize> {
        debug_assert_eq!(from, 0, "every batch is taken whole");
        let mut refused = Vec::new();
        catch(|| (self.write)(batch, &mut refused)).map_err(Panicked::into_error)?;
        for (index, error) in refused {
            let Some(record) = batch.get(index) else { continue };
            self.rejected.push(Rejected { epoch, record: record.to_owned(), error, attempts: 1 });
        }
        if !self.rejected.is_empty() {
            self.wake.wake();
        }
        Ok(batch.len())
    }

    fn poll(&mut self, rejected: &mut Vec<Rejected>) -> Result<()> {
        rejected.append(&mut self.rejected);
        Ok(())
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        self.rejected.iter().map(|rejected| rejected.epoch).min()
    }
}

fn failure(error: BoxError) -> Error {
    error.downcast::<Error>().map_or_else(
        |other| {
            let what = "write to a sink of the program's own";
            Error::new(ErrorKind::Unavailable, codes::NOT_DELIVERED, what).with_source(other)
        },
        |own| *own,
    )
}

/// The same failure for another record of the batch.
fn copy(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.code(), error.to_string());
    match error.cause() {
        Some(cause) => copy.with_source(cause),
        None => copy,
    }
}
