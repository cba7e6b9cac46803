//! `filter_map`: one item in, one or none out.

use std::marker::PhantomData;

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::stage::{
    Chain, Cx, Emit, Failure, Head, Look, Looking, RecordChain, StepId, guard,
};
use millstream_engine::{RecordStream, Stream};

/// `filter_map` on streams of items.
pub trait FilterMapItems<'s, T: 'static, C: Chain<T>> {
    /// Turns every item into another one, or drops it where `f` returns `None`.
    ///
    /// Order kept · emits at once · no state. What is dropped counts as processed; to set it aside with a reason, use
    /// [`try_map`](crate::TryMapItems::try_map).
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::testing::{Harness, TestSource};
    /// use millstream_engine::Dataflow;
    /// use millstream_operators::prelude::*;
    /// use std::sync::mpsc;
    ///
    /// let source = TestSource::new(["1", "x", "30"]);
    /// let (send, seen) = mpsc::channel();
    /// let flow = Dataflow::new("numbers", move |flow| {
    ///     let send = send.clone();
    ///     flow.source("in", source.clone())
    ///         .filter_map(|record| Some(std::str::from_utf8(record.value()?).ok()?.to_owned()))
    ///         .filter_map(|text| text.parse::<i32>().ok())
    ///         .for_each(move |item| send.send(item).unwrap());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// assert_eq!(seen.try_iter().collect::<Vec<_>>(), [1, 30]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn filter_map<U: 'static, F: FnMut(T) -> Option<U> + 'static>(
        self,
        f: F,
    ) -> Stream<'s, U, FilterMap<C, F, T>>;
}

impl<'s, T: 'static, C: Chain<T>> FilterMapItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn filter_map<U: 'static, F: FnMut(T) -> Option<U> + 'static>(
        self,
        f: F,
    ) -> Stream<'s, U, FilterMap<C, F, T>> {
        self.stage("filter_map", |chain, step| FilterMap { chain, f, step, item: PhantomData })
    }
}

/// The stage that `filter_map` adds to a chain of items.
#[derive(Debug)]
pub struct FilterMap<C, F, T> {
    chain: C,
    f: F,
    step: StepId,
    item: PhantomData<fn() -> T>,
}

struct FilterMapEmit<'e, F, E, U> {
    f: &'e mut F,
    step: StepId,
    out: &'e mut E,
    item: PhantomData<fn() -> U>,
}

impl<T, U, F: FnMut(T) -> Option<U>, E: Emit<U>> Emit<T> for FilterMapEmit<'_, F, E, U> {
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, item: T) {
        if let Some(mapped) = guard(self.step, || (self.f)(item)) {
            self.out.ok(cx, mapped);
        }
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

impl<T, U, C, F> Chain<U> for FilterMap<C, F, T>
where
    T: 'static,
    U: 'static,
    C: Chain<T>,
    F: FnMut(T) -> Option<U> + 'static,
{
    type Head = C::Head;
    type Errors = C::Errors;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: Emit<U>>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        self.chain.drive(
            batch,
            &mut FilterMapEmit { f: &mut self.f, step: self.step, out, item: PhantomData },
        );
    }
}

/// `filter_map` on streams of records.
pub trait FilterMapRecords<'s, C: RecordChain> {
    /// Turns every record into an item, or drops it where `f` returns `None`.
    ///
    /// Order kept · emits at once · no state. The record is borrowed: what the item keeps is copied.
    fn filter_map<U: 'static, F: for<'a> FnMut(Record<'a>) -> Option<U> + 'static>(
        self,
        f: F,
    ) -> Stream<'s, U, FilterMapRecord<C, F>>;
}

impl<'s, C: RecordChain> FilterMapRecords<'s, C> for RecordStream<'s, C> {
    #[track_caller]
    fn filter_map<U: 'static, F: for<'a> FnMut(Record<'a>) -> Option<U> + 'static>(
        self,
        f: F,
    ) -> Stream<'s, U, FilterMapRecord<C, F>> {
        self.stage("filter_map", |chain, step| FilterMapRecord {
            chain,
            f,
            step,
            scratch: RecordBatch::default(),
        })
    }
}

/// The stage that `filter_map` adds to a chain of records.
#[derive(Debug)]
pub struct FilterMapRecord<C, F> {
    chain: C,
    f: F,
    step: StepId,
    scratch: RecordBatch,
}

struct FilterMapRecordLook<'e, F, E, U> {
    f: &'e mut F,
    step: StepId,
    out: &'e mut E,
    item: PhantomData<fn() -> U>,
}

impl<U, F, E> Look for FilterMapRecordLook<'_, F, E, U>
where
    F: for<'a> FnMut(Record<'a>) -> Option<U>,
    E: Emit<U>,
{
    #[inline(always)]
    fn look(&mut self, cx: Cx<'_>, record: Record<'_>) {
        if let Some(mapped) = guard(self.step, || (self.f)(record)) {
            self.out.ok(cx, mapped);
        }
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

impl<U, C, F> Chain<U> for FilterMapRecord<C, F>
where
    U: 'static,
    C: RecordChain,
    F: for<'a> FnMut(Record<'a>) -> Option<U> + 'static,
{
    type Head = C::Head;
    type Errors = C::Errors;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: Emit<U>>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        let look = FilterMapRecordLook { f: &mut self.f, step: self.step, out, item: PhantomData };
        let mut looking = Looking::new(look, &mut self.scratch);
        self.chain.drive(batch, &mut looking);
    }
}
