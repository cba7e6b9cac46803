//! A source of the program's own, as one closure.
//!
//! Invariant: the closure is called by one thread only, on the worker that reads the only partition.

use std::cell::RefCell;
use std::fmt;

use super::fill::Fill;
use super::from_fn_reader::{FnFinder, FnReader};
use super::{
    Acknowledges, OpenContext, PartitionFinder, Read, Reader, ReaderContext, Source,
    SourceCapabilities,
};
use crate::error::{BoxError, Error, Result};

/// The closure, as readers keep it.
pub(super) type FillFn = Box<dyn FnMut(&mut Fill<'_>) -> Result<Read, BoxError> + Send>;

/// The connector's name, in origins and errors.
pub(super) const CONNECTOR: &str = "own";

/// A source that calls `fill` for every batch.
///
/// The closure pushes what is there and returns: [`Read::Records`] when it pushed something, [`Read::Idle`] when nothing came
/// within [`Fill::wait`] (if it returns earlier, the rest of the wait is spent before it is asked again), [`Read::End`] when
/// nothing will come any more. The source has one partition of the step's name, read by one worker, in order; `fill` runs on a
/// thread of its own, which it may block. Values that the dataflow's closure moves into it are cloned there, once per worker;
/// what it opens it should open when it is first called, because all but one of these closures are never called.
///
/// # Delivery
/// At most once: what was read and not delivered when the dataflow stops is not read again. A source that can begin anew is
/// at least once with [`FromFn::replayable`].
///
/// # Errors
/// An error stops the dataflow, or leaves as an error record (`Flow::source_with_errors`) and `fill` is called again after a
/// wait that grows. An [`Error`] of this crate is kept as it is; any other counts as *unavailable*. What was pushed before is
/// handed out first. A panic stops the dataflow either way.
///
/// # Blocking
/// A stop waits for `fill` to return: at most `Config::stop_deadline`, and then it is an error. Return within [`Fill::wait`].
///
/// # Examples
/// ```
/// use millstream_engine::source::{self, Read};
/// use millstream_engine::testing::TestSink;
/// use millstream_engine::{Config, Dataflow, run};
///
/// let sink = TestSink::new();
/// let to = sink.clone();
/// let flow = Dataflow::new("countdown", move |flow| {
///     let mut left = 3;
///     let countdown = source::from_fn(move |fill| {
///         while left > 0 && fill.has_room() {
///             fill.push(("rocket", left.to_string()));
///             left -= 1;
///         }
///         Ok(if left == 0 { Read::End } else { Read::Records })
///     });
///     flow.source("countdown", countdown).sink("out", to.clone());
/// });
/// run(&flow, Config::default())?;
/// assert_eq!(sink.texts(), ["3", "2", "1"]);
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub fn from_fn(
    fill: impl FnMut(&mut Fill<'_>) -> Result<Read, BoxError> + Send + 'static,
) -> FromFn {
    FromFn { fill: RefCell::new(Some(Box::new(fill))), replayable: false }
}

/// A source of the program's own; made by [`from_fn`], [`from_iter`](super::from_iter) and, of async streams, `from_stream`.
pub struct FromFn {
    fill: RefCell<Option<FillFn>>,
    replayable: bool,
}

impl FromFn {
    /// Says that the source can begin anew: at the same position there is always the same record.
    ///
    /// Positions are then kept, in the state folder if there is one, and [`Fill::position`] starts after what was delivered
    /// last; an iterator skips what comes before, one item after the other.
    ///
    /// # Delivery
    /// At least once, as far as the promise is true.
    #[must_use]
    pub fn replayable(mut self) -> Self {
        self.replayable = true;
        self
    }
}

impl fmt::Debug for FromFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn").field("replayable", &self.replayable).finish_non_exhaustive()
    }
}

impl Source for FromFn {
    fn connector(&self) -> &'static str {
        CONNECTOR
    }

    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities {
            replayable: self.replayable,
            ordered: true,
            acknowledges: Acknowledges::Never,
            redelivers: false,
            bounded: true,
        }
    }

    fn finder(&self, cx: &OpenContext) -> Result<Box<dyn PartitionFinder>> {
        Ok(Box::new(FnFinder::new(cx, self.replayable)))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn Reader>> {
        let fill = self.fill.take().ok_or_else(|| {
            Error::config("open a source of the program's own: it was opened before")
                .with_hint("Make it inside the dataflow's closure, which runs anew for every run.")
        })?;
        Ok(Box::new(FnReader::new(fill, cx, self.replayable)))
    }
}
