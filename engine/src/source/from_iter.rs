//! A source of the program's own, as an iterator.

use std::time::{Duration, Instant};

use super::from_fn::{FromFn, from_fn};
use super::{Fill, Read};
use crate::batch::OwnedRecord;

/// How long an item may wait for the next ones, so that they travel in one batch.
const TOGETHER: Duration = Duration::from_millis(1);

/// A source that hands out the items of an iterator, and ends with it.
///
/// Items are values (`&str`, `String`, bytes), pairs of key and value, or [`OwnedRecord`]s. They keep their order, in one
/// partition read by one worker. The iterator runs on a thread of its own and may block; a record waits for the next ones at most
/// a millisecond, or as long as `next` blocks.
///
/// The dataflow's closure makes the iterator once per worker and once more for the check, and one of them is used: keep the making
/// cheap, and the work in `next`.
///
/// # Delivery
/// At most once, because an iterator does not go back. Where the closure makes an iterator of the same items every time, say so:
/// with [`FromFn::replayable`] it is at least once, and goes on where it stopped.
///
/// # Errors
/// None; a panic in `next` stops the dataflow.
///
/// # Blocking
/// A stop waits until `next` returns, at most `Config::stop_deadline`. For what may wait long use [`from_fn`].
///
/// # Examples
/// ```
/// use millstream_engine::testing::TestSink;
/// use millstream_engine::{Config, Dataflow, run, source};
///
/// let sink = TestSink::new();
/// let to = sink.clone();
/// let flow = Dataflow::new("squares", move |flow| {
///     let squares = (1..=3u32).map(|n| (format!("key-{n}"), (n * n).to_string()));
///     flow.source("squares", source::from_iter(squares).replayable()).sink("out", to.clone());
/// });
/// run(&flow, Config::default())?;
/// assert_eq!(sink.texts(), ["1", "4", "9"]);
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub fn from_iter<I>(items: I) -> FromFn
where
    I: IntoIterator<Item: Into<OwnedRecord>, IntoIter: Send + 'static>,
{
    let mut items = items.into_iter();
    let mut to_skip = None;
    from_fn(move |fill| {
        for _ in 0..to_skip.replace(0).unwrap_or_else(|| fill.position()) {
            if items.next().is_none() {
                return Ok(Read::End);
            }
        }
        Ok(take_some(&mut items, fill))
    })
}

fn take_some<T: Into<OwnedRecord>>(
    items: &mut impl Iterator<Item = T>,
    fill: &mut Fill<'_>,
) -> Read {
    let started = Instant::now();
    while fill.has_room() {
        let Some(item) = items.next() else { return Read::End };
        fill.push(item);
        if started.elapsed() > TOGETHER {
            break;
        }
    }
    Read::Records
}
