//! `filter`: keeps the items that a closure says yes to.

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::stage::{
    Chain, Cx, Emit, EmitRecord, Failure, Head, Look, Looking, RecordChain, StepId, guard, guard_at,
};
use millstream_engine::{RecordStream, Stream};

/// `filter` on streams of items.
pub trait FilterItems<'s, T: 'static, C: Chain<T>> {
    /// Keeps the items that `keep` says yes to.
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
    /// let source = TestSource::new(["one", "three", "six"]);
    /// let (send, seen) = mpsc::channel();
    /// let flow = Dataflow::new("short", move |flow| {
    ///     let send = send.clone();
    ///     flow.source("in", source.clone())
    ///         .filter(|record| record.value_or_empty() != b"six")
    ///         .map(|record| record.value_or_empty().len())
    ///         .filter(|length| *length < 4)
    ///         .for_each(move |item| send.send(item).unwrap());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// assert_eq!(seen.try_iter().collect::<Vec<_>>(), [3]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn filter<F: FnMut(&T) -> bool + 'static>(self, keep: F) -> Stream<'s, T, Filter<C, F>>;
}

impl<'s, T: 'static, C: Chain<T>> FilterItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn filter<F: FnMut(&T) -> bool + 'static>(self, keep: F) -> Stream<'s, T, Filter<C, F>> {
        self.stage("filter", |chain, step| Filter { chain, keep, step })
    }
}

/// The stage that `filter` adds to a chain of items.
#[derive(Debug)]
pub struct Filter<C, F> {
    chain: C,
    keep: F,
    step: StepId,
}

struct FilterEmit<'e, F, E> {
    keep: &'e mut F,
    step: StepId,
    out: &'e mut E,
}

impl<T, F: FnMut(&T) -> bool, E: Emit<T>> Emit<T> for FilterEmit<'_, F, E> {
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, item: T) {
        if guard(self.step, || (self.keep)(&item)) {
            self.out.ok(cx, item);
        }
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

impl<T: 'static, C: Chain<T>, F: FnMut(&T) -> bool + 'static> Chain<T> for Filter<C, F> {
    type Head = C::Head;
    type Errors = C::Errors;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: Emit<T>>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        self.chain.drive(batch, &mut FilterEmit { keep: &mut self.keep, step: self.step, out });
    }
}

/// `filter` on streams of records.
pub trait FilterRecords<'s, C: RecordChain> {
    /// Keeps the records that `keep` says yes to, without copying them.
    ///
    /// Order kept · emits at once · no state.
    fn filter<F: for<'a> FnMut(Record<'a>) -> bool + 'static>(
        self,
        keep: F,
    ) -> RecordStream<'s, FilterRecord<C, F>>;
}

impl<'s, C: RecordChain> FilterRecords<'s, C> for RecordStream<'s, C> {
    #[track_caller]
    fn filter<F: for<'a> FnMut(Record<'a>) -> bool + 'static>(
        self,
        keep: F,
    ) -> RecordStream<'s, FilterRecord<C, F>> {
        self.record_stage("filter", |chain, step| FilterRecord {
            chain,
            keep,
            step,
            scratch: RecordBatch::default(),
        })
    }
}

/// The stage that `filter` adds to a chain of records.
#[derive(Debug)]
pub struct FilterRecord<C, F> {
    chain: C,
    keep: F,
    step: StepId,
    scratch: RecordBatch,
}

struct FilterRecordLook<'e, F, E> {
    keep: &'e mut F,
    step: StepId,
    out: &'e mut E,
}

impl<F: for<'a> FnMut(Record<'a>) -> bool, E: EmitRecord> Look for FilterRecordLook<'_, F, E> {
    #[inline(always)]
    fn look(&mut self, cx: Cx<'_>, record: Record<'_>) {
        if guard(self.step, || (self.keep)(record)) {
            self.out.ok(cx, record);
        }
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

impl<C: RecordChain, F: for<'a> FnMut(Record<'a>) -> bool + 'static> RecordChain
    for FilterRecord<C, F>
{
    type Head = C::Head;
    type Errors = C::Errors;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: EmitRecord>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        let look = FilterRecordLook { keep: &mut self.keep, step: self.step, out };
        let mut looking = Looking::new(look, &mut self.scratch);
        self.chain.drive(batch, &mut looking);
    }

    fn in_place<'b>(
        &mut self,
        batch: &'b mut <C::Head as Head>::Batch,
    ) -> Option<&'b mut RecordBatch> {
        let batch = self.chain.in_place(batch)?;
        let (keep, step) = (&mut self.keep, self.step);
        batch.retain(|record| guard_at(step, record, || keep(record)));
        Some(batch)
    }
}
