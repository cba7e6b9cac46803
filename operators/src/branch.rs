//! `branch`: parts a stream in two.

use millstream_engine::Stream;
use millstream_engine::stage::{Chain, ErrorsHandled};

/// `branch` on streams of items.
pub trait BranchItems<'s, T: 'static, C: Chain<T>> {
    /// Parts the stream in two: items that `yes` says yes to, and the others. Items move, none is cloned.
    ///
    /// Order kept within each of the two · emits at once · no state. A boundary: both start in a buffer. Naming one of the
    /// two right away names the step. For the same items on two streams there is `fork`.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::testing::{Harness, TestSource};
    /// use millstream_engine::Dataflow;
    /// use millstream_operators::prelude::*;
    /// use std::sync::mpsc;
    ///
    /// let source = TestSource::new(["a", "bcd", "e"]);
    /// let (send, seen) = mpsc::channel();
    /// let flow = Dataflow::new("lengths", move |flow| {
    ///     let (to_short, to_long) = (send.clone(), send.clone());
    ///     let (short, long) = flow
    ///         .source("in", source.clone())
    ///         .map(|record| record.value_or_empty().len())
    ///         .branch(|length| *length < 2);
    ///     short.for_each(move |n| to_short.send(("short", n)).unwrap());
    ///     long.for_each(move |n| to_long.send(("long", n)).unwrap());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// let mut seen: Vec<_> = seen.try_iter().collect();
    /// seen.sort();
    /// assert_eq!(seen, [("long", 3), ("short", 1), ("short", 1)]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn branch<F: FnMut(&T) -> bool + 'static>(self, yes: F) -> (Stream<'s, T>, Stream<'s, T>)
    where
        C::Errors: ErrorsHandled;
}

impl<'s, T: 'static, C: Chain<T>> BranchItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn branch<F: FnMut(&T) -> bool + 'static>(self, mut yes: F) -> (Stream<'s, T>, Stream<'s, T>)
    where
        C::Errors: ErrorsHandled,
    {
        let mut parts = self.part_by("branch", 2, move |item| usize::from(!yes(item))).into_iter();
        match (parts.next(), parts.next()) {
            (Some(chosen), Some(others)) => (chosen, others),
            _ => unreachable!("two streams were asked for"),
        }
    }
}
