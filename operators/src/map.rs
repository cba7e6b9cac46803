//! `map`: one item in, one item out.

use std::marker::PhantomData;

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::stage::{
    Chain, Cx, Emit, Failure, Head, Look, Looking, RecordChain, StepId, guard,
};
use millstream_engine::{RecordStream, Stream};

/// `map` on streams of items.
pub trait MapItems<'s, T: 'static, C: Chain<T>> {
    /// Turns every item into another one.
    ///
    /// Order kept · emits at once · no state.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::testing::{Harness, TestSource};
    /// use millstream_engine::Dataflow;
    /// use millstream_operators::prelude::*;
    /// use std::sync::mpsc;
    ///
    /// let source = TestSource::new(["1", "2", "3"]);
    /// let (send, seen) = mpsc::channel();
    /// let flow = Dataflow::new("lengths", move |flow| {
    ///     let send = send.clone();
    ///     flow.source("in", source.clone())
    ///         .map(|record| record.value_or_empty().len())
    ///         .map(|length| length * 10)
    ///         .for_each(move |item| send.send(item).unwrap());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// assert_eq!(seen.try_iter().collect::<Vec<_>>(), [10, 10, 10]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn map<U: 'static, F: FnMut(T) -> U + 'static>(self, f: F) -> Stream<'s, U, Map<C, F, T>>;
}

impl<'s, T: 'static, C: Chain<T>> MapItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn map<U: 'static, F: FnMut(T) -> U + 'static>(self, f: F) -> Stream<'s, U, Map<C, F, T>> {
        self.stage("map", |chain, step| Map { chain, f, step, item: PhantomData })
    }
}

/// The stage that `map` adds to a chain of items.
#[derive(Debug)]
pub struct Map<C, F, T> {
    chain: C,
    f: F,
    step: StepId,
    item: PhantomData<fn() -> T>,
}

struct MapEmit<'e, F, E, U> {
    f: &'e mut F,
    step: StepId,
    out: &'e mut E,
    item: PhantomData<fn() -> U>,
}

impl<T, U, F: FnMut(T) -> U, E: Emit<U>> Emit<T> for MapEmit<'_, F, E, U> {
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, item: T) {
        let mapped = guard(self.step, || (self.f)(item));
        self.out.ok(cx, mapped);
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

impl<T: 'static, U: 'static, C: Chain<T>, F: FnMut(T) -> U + 'static> Chain<U> for Map<C, F, T> {
    type Head = C::Head;
    type Errors = C::Errors;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: Emit<U>>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        self.chain
            .drive(batch, &mut MapEmit { f: &mut self.f, step: self.step, out, item: PhantomData });
    }
}

/// `map` on streams of records.
pub trait MapRecords<'s, C: RecordChain> {
    /// Turns every record into an item, inside the operator that has the record at hand.
    ///
    /// Order kept · emits at once · no state. The record is borrowed: what the item keeps is copied.
    fn map<U: 'static, F: for<'a> FnMut(Record<'a>) -> U + 'static>(
        self,
        f: F,
    ) -> Stream<'s, U, MapRecord<C, F>>;
}

impl<'s, C: RecordChain> MapRecords<'s, C> for RecordStream<'s, C> {
    #[track_caller]
    fn map<U: 'static, F: for<'a> FnMut(Record<'a>) -> U + 'static>(
        self,
        f: F,
    ) -> Stream<'s, U, MapRecord<C, F>> {
        self.stage("map", |chain, step| MapRecord {
            chain,
            f,
            step,
            scratch: RecordBatch::default(),
        })
    }
}

/// The stage that `map` adds to a chain of records.
#[derive(Debug)]
pub struct MapRecord<C, F> {
    chain: C,
    f: F,
    step: StepId,
    scratch: RecordBatch,
}

struct MapRecordLook<'e, F, E, U> {
    f: &'e mut F,
    step: StepId,
    out: &'e mut E,
    item: PhantomData<fn() -> U>,
}

impl<U, F: for<'a> FnMut(Record<'a>) -> U, E: Emit<U>> Look for MapRecordLook<'_, F, E, U> {
    #[inline(always)]
    fn look(&mut self, cx: Cx<'_>, record: Record<'_>) {
        let mapped = guard(self.step, || (self.f)(record));
        self.out.ok(cx, mapped);
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

impl<U: 'static, C: RecordChain, F: for<'a> FnMut(Record<'a>) -> U + 'static> Chain<U>
    for MapRecord<C, F>
{
    type Head = C::Head;
    type Errors = C::Errors;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: Emit<U>>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        let look = MapRecordLook { f: &mut self.f, step: self.step, out, item: PhantomData };
        let mut looking = Looking::new(look, &mut self.scratch);
        self.chain.drive(batch, &mut looking);
    }
}
