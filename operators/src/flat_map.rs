//! `flat_map`: one item in, any number out.

use std::marker::PhantomData;

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::stage::{
    Chain, Cx, Emit, Failure, Head, Look, Looking, RecordChain, StepId, guard,
};
use millstream_engine::{RecordStream, Stream};

/// `flat_map` on streams of items.
pub trait FlatMapItems<'s, T: 'static, C: Chain<T>> {
    /// Turns every item into as many as the iterator of `f` yields.
    ///
    /// Order kept, also within one item's iterator · emits at once · no state. The iterator is run to its end on the worker:
    /// one that never ends stops the worker.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::testing::{Harness, TestSource};
    /// use millstream_engine::Dataflow;
    /// use millstream_operators::prelude::*;
    /// use std::sync::mpsc;
    ///
    /// let source = TestSource::new(["1 2", "", "3"]);
    /// let (send, seen) = mpsc::channel();
    /// let flow = Dataflow::new("words", move |flow| {
    ///     let send = send.clone();
    ///     flow.source("in", source.clone())
    ///         .map(|record| String::from_utf8_lossy(record.value_or_empty()).into_owned())
    ///         .flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    ///         .for_each(move |word| send.send(word).unwrap());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["1", "2", "3"]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn flat_map<I: IntoIterator<Item: 'static> + 'static, F: FnMut(T) -> I + 'static>(
        self,
        f: F,
    ) -> Stream<'s, I::Item, FlatMap<C, F, T>>;
}

impl<'s, T: 'static, C: Chain<T>> FlatMapItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn flat_map<I: IntoIterator<Item: 'static> + 'static, F: FnMut(T) -> I + 'static>(
        self,
        f: F,
    ) -> Stream<'s, I::Item, FlatMap<C, F, T>> {
        self.stage("flat_map", |chain, step| FlatMap { chain, f, step, item: PhantomData })
    }
}

/// Emits what an iterator yields. The iterator is user code too, from its making to its end.
#[inline(always)]
fn emit_all<I: IntoIterator, E: Emit<I::Item>>(
    step: StepId,
    cx: Cx<'_>,
    out: &mut E,
    make: impl FnOnce() -> I,
) {
    let mut items = guard(step, || make().into_iter());
    while let Some(item) = guard(step, || items.next()) {
        out.ok(cx, item);
    }
    guard(step, || drop(items));
}

/// The stage that `flat_map` adds to a chain of items.
#[derive(Debug)]
pub struct FlatMap<C, F, T> {
    chain: C,
    f: F,
    step: StepId,
    item: PhantomData<fn() -> T>,
}

struct FlatMapEmit<'e, F, E, I> {
    f: &'e mut F,
    step: StepId,
    out: &'e mut E,
    item: PhantomData<fn() -> I>,
}

impl<T, I: IntoIterator, F: FnMut(T) -> I, E: Emit<I::Item>> Emit<T> for FlatMapEmit<'_, F, E, I> {
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, item: T) {
        emit_all(self.step, cx, self.out, || (self.f)(item));
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

impl<T, I, C, F> Chain<I::Item> for FlatMap<C, F, T>
where
    T: 'static,
    I: IntoIterator<Item: 'static> + 'static,
    C: Chain<T>,
    F: FnMut(T) -> I + 'static,
{
    type Head = C::Head;
    type Errors = C::Errors;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: Emit<I::Item>>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        self.chain.drive(
            batch,
            &mut FlatMapEmit { f: &mut self.f, step: self.step, out, item: PhantomData },
        );
    }
}

/// `flat_map` on streams of records.
pub trait FlatMapRecords<'s, C: RecordChain> {
    /// Turns every record into as many items as the iterator of `f` yields.
    ///
    /// Order kept · emits at once · no state. The record is borrowed: what the iterator keeps is copied.
    fn flat_map<
        I: IntoIterator<Item: 'static> + 'static,
        F: for<'a> FnMut(Record<'a>) -> I + 'static,
    >(
        self,
        f: F,
    ) -> Stream<'s, I::Item, FlatMapRecord<C, F>>;
}

impl<'s, C: RecordChain> FlatMapRecords<'s, C> for RecordStream<'s, C> {
    #[track_caller]
    fn flat_map<
        I: IntoIterator<Item: 'static> + 'static,
        F: for<'a> FnMut(Record<'a>) -> I + 'static,
    >(
        self,
        f: F,
    ) -> Stream<'s, I::Item, FlatMapRecord<C, F>> {
        self.stage("flat_map", |chain, step| FlatMapRecord {
            chain,
            f,
            step,
            scratch: RecordBatch::default(),
        })
    }
}

/// The stage that `flat_map` adds to a chain of records.
#[derive(Debug)]
pub struct FlatMapRecord<C, F> {
    chain: C,
    f: F,
    step: StepId,
    scratch: RecordBatch,
}

struct FlatMapRecordLook<'e, F, E, I> {
    f: &'e mut F,
    step: StepId,
    out: &'e mut E,
    item: PhantomData<fn() -> I>,
}

impl<I, F, E> Look for FlatMapRecordLook<'_, F, E, I>
where
    I: IntoIterator,
    F: for<'a> FnMut(Record<'a>) -> I,
    E: Emit<I::Item>,
{
    #[inline(always)]
    fn look(&mut self, cx: Cx<'_>, record: Record<'_>) {
        emit_all(self.step, cx, self.out, || (self.f)(record));
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

impl<I, C, F> Chain<I::Item> for FlatMapRecord<C, F>
where
    I: IntoIterator<Item: 'static> + 'static,
    C: RecordChain,
    F: for<'a> FnMut(Record<'a>) -> I + 'static,
{
    type Head = C::Head;
    type Errors = C::Errors;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: Emit<I::Item>>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        let look = FlatMapRecordLook { f: &mut self.f, step: self.step, out, item: PhantomData };
        let mut looking = Looking::new(look, &mut self.scratch);
        self.chain.drive(batch, &mut looking);
    }
}
