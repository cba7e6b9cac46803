//! `try_map`: one item in, one item or an error out.

use std::marker::PhantomData;

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::stage::{
    CanFail, Chain, Cx, Emit, Failure, Head, Look, Looking, RecordChain, StepId, guard,
};
use millstream_engine::{BoxError, RecordStream, Stream};

type Ty<T> = PhantomData<fn() -> T>;

/// `try_map` on streams of items.
pub trait TryMapItems<'s, T: 'static, C: Chain<T>> {
    /// Turns every item into another one, or into an error.
    ///
    /// Order kept · emits at once · no state. The stream can fail afterwards: `.split_errors()`, `.errors_fail()` or
    /// `.errors_drop()` says what becomes of the errors. Where `?` leaves the error's type open, write `Ok::<_, MyError>(…)`.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::testing::{Harness, TestSource};
    /// use millstream_engine::Dataflow;
    /// use millstream_operators::prelude::*;
    /// use std::sync::mpsc;
    ///
    /// let source = TestSource::new(["1", "x", "3"]);
    /// let (send, seen) = mpsc::channel();
    /// let flow = Dataflow::new("numbers", move |flow| {
    ///     let (good, bad) = (send.clone(), send.clone());
    ///     let (numbers, errors) = flow
    ///         .source("in", source.clone())
    ///         .try_map(|record| std::str::from_utf8(record.value_or_empty()).map(str::to_owned))
    ///         .try_map(|text| text.parse::<i32>())
    ///         .named("parse")
    ///         .split_errors();
    ///     numbers.for_each(move |n| good.send(n.to_string()).unwrap());
    ///     errors.for_each(move |e| bad.send(format!("{}: {}", e.step, e.error)).unwrap());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// let mut seen: Vec<_> = seen.try_iter().collect();
    /// seen.sort();
    /// assert_eq!(seen, ["1", "3", "parse: invalid digit found in string"]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn try_map<U: 'static, X: Into<BoxError> + 'static, F: FnMut(T) -> Result<U, X> + 'static>(
        self,
        f: F,
    ) -> Stream<'s, U, TryMap<C, F, T, X>>;
}

impl<'s, T: 'static, C: Chain<T>> TryMapItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn try_map<U: 'static, X: Into<BoxError> + 'static, F: FnMut(T) -> Result<U, X> + 'static>(
        self,
        f: F,
    ) -> Stream<'s, U, TryMap<C, F, T, X>> {
        self.stage("try_map", |chain, step| TryMap { chain, f, step, item: PhantomData })
    }
}

/// The stage that `try_map` adds to a chain of items.
#[derive(Debug)]
pub struct TryMap<C, F, T, X> {
    chain: C,
    f: F,
    step: StepId,
    item: Ty<(T, X)>,
}

struct TryMapEmit<'e, F, E, U, X> {
    f: &'e mut F,
    step: StepId,
    out: &'e mut E,
    item: Ty<(U, X)>,
}

impl<T, U, X: Into<BoxError>, F: FnMut(T) -> Result<U, X>, E: Emit<U>> Emit<T>
    for TryMapEmit<'_, F, E, U, X>
{
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, item: T) {
        match guard(self.step, || (self.f)(item)) {
            Ok(mapped) => self.out.ok(cx, mapped),
            Err(error) => self.out.err(cx, Failure::new(self.step, error)),
        }
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

impl<T, U, X, C, F> Chain<U> for TryMap<C, F, T, X>
where
    T: 'static,
    U: 'static,
    X: Into<BoxError> + 'static,
    C: Chain<T>,
    F: FnMut(T) -> Result<U, X> + 'static,
{
    type Head = C::Head;
    type Errors = CanFail;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: Emit<U>>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        let Self { chain, f, step, .. } = self;
        chain.drive(batch, &mut TryMapEmit { f, step: *step, out, item: PhantomData });
    }
}

/// `try_map` on streams of records.
pub trait TryMapRecords<'s, C: RecordChain> {
    /// Turns every record into an item, or into an error that carries the record's bytes and origin.
    ///
    /// Order kept · emits at once · no state. The record is borrowed: what the item keeps is copied.
    fn try_map<
        U: 'static,
        X: Into<BoxError> + 'static,
        F: for<'a> FnMut(Record<'a>) -> Result<U, X> + 'static,
    >(
        self,
        f: F,
    ) -> Stream<'s, U, TryMapRecord<C, F, X>>;
}

impl<'s, C: RecordChain> TryMapRecords<'s, C> for RecordStream<'s, C> {
    #[track_caller]
    fn try_map<
        U: 'static,
        X: Into<BoxError> + 'static,
        F: for<'a> FnMut(Record<'a>) -> Result<U, X> + 'static,
    >(
        self,
        f: F,
    ) -> Stream<'s, U, TryMapRecord<C, F, X>> {
        self.stage("try_map", |chain, step| TryMapRecord {
            chain,
            f,
            step,
            scratch: RecordBatch::default(),
            error: PhantomData,
        })
    }
}

/// The stage that `try_map` adds to a chain of records.
#[derive(Debug)]
pub struct TryMapRecord<C, F, X> {
    chain: C,
    f: F,
    step: StepId,
    scratch: RecordBatch,
    error: Ty<X>,
}

struct TryMapRecordLook<'e, F, E, U, X> {
    f: &'e mut F,
    step: StepId,
    out: &'e mut E,
    item: Ty<(U, X)>,
}

impl<U, X, F, E> Look for TryMapRecordLook<'_, F, E, U, X>
where
    X: Into<BoxError>,
    F: for<'a> FnMut(Record<'a>) -> Result<U, X>,
    E: Emit<U>,
{
    #[inline(always)]
    fn look(&mut self, cx: Cx<'_>, record: Record<'_>) {
        match guard(self.step, || (self.f)(record)) {
            Ok(mapped) => self.out.ok(cx, mapped),
            Err(error) => self.out.err(cx, Failure::new(self.step, error)),
        }
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

impl<U, X, C, F> Chain<U> for TryMapRecord<C, F, X>
where
    U: 'static,
    X: Into<BoxError> + 'static,
    C: RecordChain,
    F: for<'a> FnMut(Record<'a>) -> Result<U, X> + 'static,
{
    type Head = C::Head;
    type Errors = CanFail;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: Emit<U>>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        let look = TryMapRecordLook { f: &mut self.f, step: self.step, out, item: PhantomData };
        let mut looking = Looking::new(look, &mut self.scratch);
        self.chain.drive(batch, &mut looking);
    }
}
