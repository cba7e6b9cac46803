//! `merge`: joins two streams into one.

use millstream_engine::stage::{Chain, ErrorsHandled, RecordChain};
use millstream_engine::{RecordStream, Stream};

/// `merge` on streams of items.
pub trait MergeItems<'s, T: 'static, C: Chain<T>> {
    /// Joins this stream with another of the same type.
    ///
    /// Order kept within each, between them not · emits at once · no state. A boundary: the stream starts in a buffer. For
    /// more than two there is `merge_all`.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::testing::{Harness, TestSource};
    /// use millstream_engine::Dataflow;
    /// use millstream_operators::prelude::*;
    /// use std::sync::mpsc;
    ///
    /// let (left, right) = (TestSource::new(["1"]), TestSource::new(["23"]));
    /// let (send, seen) = mpsc::channel();
    /// let flow = Dataflow::new("both", move |flow| {
    ///     let send = send.clone();
    ///     let right = flow.source("right", right.clone()).map(|record| record.value_or_empty().len());
    ///     flow.source("left", left.clone())
    ///         .map(|record| record.value_or_empty().len())
    ///         .merge(right)
    ///         .for_each(move |n| send.send(n).unwrap());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// let mut seen: Vec<_> = seen.try_iter().collect();
    /// seen.sort();
    /// assert_eq!(seen, [1, 2]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn merge<D: Chain<T, Errors: ErrorsHandled>>(self, other: Stream<'s, T, D>) -> Stream<'s, T>
    where
        C::Errors: ErrorsHandled;
}

impl<'s, T: 'static, C: Chain<T>> MergeItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn merge<D: Chain<T, Errors: ErrorsHandled>>(self, other: Stream<'s, T, D>) -> Stream<'s, T>
    where
        C::Errors: ErrorsHandled,
    {
        self.merge_all(vec![other.boxed()])
    }
}

/// `merge` on streams of records.
pub trait MergeRecords<'s, C: RecordChain> {
    /// Joins this stream with another.
    ///
    /// Order kept within each, between them not · emits at once · no state. A boundary. Batches move, none is copied.
    fn merge<D: RecordChain<Errors: ErrorsHandled>>(
        self,
        other: RecordStream<'s, D>,
    ) -> RecordStream<'s>
    where
        C::Errors: ErrorsHandled;
}

impl<'s, C: RecordChain> MergeRecords<'s, C> for RecordStream<'s, C> {
    #[track_caller]
    fn merge<D: RecordChain<Errors: ErrorsHandled>>(
        self,
        other: RecordStream<'s, D>,
    ) -> RecordStream<'s>
    where
        C::Errors: ErrorsHandled,
    {
        self.merge_all(vec![other.boxed()])
    }
}
