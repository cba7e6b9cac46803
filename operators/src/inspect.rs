//! `inspect`: shows every item to a closure and passes it on.

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::stage::{
    Chain, Cx, Emit, EmitRecord, Failure, Head, Look, Looking, RecordChain, StepId, guard, guard_at,
};
use millstream_engine::{RecordStream, Stream};

/// `inspect` on streams of items.
pub trait InspectItems<'s, T: 'static, C: Chain<T>> {
    /// Shows every item to `see` and passes it on unchanged.
    ///
    /// Order kept · emits at once · no state. After a crash `see` is called again for what the source repeats.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::testing::{Harness, TestSource};
    /// use millstream_engine::Dataflow;
    /// use millstream_operators::prelude::*;
    /// use std::sync::mpsc;
    ///
    /// let source = TestSource::new(["one", "three"]);
    /// let (send, seen) = mpsc::channel();
    /// let flow = Dataflow::new("watched", move |flow| {
    ///     let (positions, lengths) = (send.clone(), send.clone());
    ///     flow.source("in", source.clone())
    ///         .inspect(move |record| positions.send(record.position()).unwrap())
    ///         .map(|record| record.value_or_empty().len() as u64)
    ///         .inspect(move |length| lengths.send(*length).unwrap())
    ///         .discard();
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// assert_eq!(seen.try_iter().collect::<Vec<_>>(), [0, 3, 1, 5]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn inspect<F: FnMut(&T) + 'static>(self, see: F) -> Stream<'s, T, Inspect<C, F>>;
}

impl<'s, T: 'static, C: Chain<T>> InspectItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn inspect<F: FnMut(&T) + 'static>(self, see: F) -> Stream<'s, T, Inspect<C, F>> {
        self.stage("inspect", |chain, step| Inspect { chain, see, step })
    }
}

/// The stage that `inspect` adds to a chain of items.
#[derive(Debug)]
pub struct Inspect<C, F> {
    chain: C,
    see: F,
    step: StepId,
}

struct InspectEmit<'e, F, E> {
    see: &'e mut F,
    step: StepId,
    out: &'e mut E,
}

impl<T, F: FnMut(&T), E: Emit<T>> Emit<T> for InspectEmit<'_, F, E> {
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, item: T) {
        guard(self.step, || (self.see)(&item));
        self.out.ok(cx, item);
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

impl<T: 'static, C: Chain<T>, F: FnMut(&T) + 'static> Chain<T> for Inspect<C, F> {
    type Head = C::Head;
    type Errors = C::Errors;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: Emit<T>>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        self.chain.drive(batch, &mut InspectEmit { see: &mut self.see, step: self.step, out });
    }
}

/// `inspect` on streams of records.
pub trait InspectRecords<'s, C: RecordChain> {
    /// Shows every record to `see` and passes it on, uncopied.
    ///
    /// Order kept · emits at once · no state.
    fn inspect<F: for<'a> FnMut(Record<'a>) + 'static>(
        self,
        see: F,
    ) -> RecordStream<'s, InspectRecord<C, F>>;
}

impl<'s, C: RecordChain> InspectRecords<'s, C> for RecordStream<'s, C> {
    #[track_caller]
    fn inspect<F: for<'a> FnMut(Record<'a>) + 'static>(
        self,
        see: F,
    ) -> RecordStream<'s, InspectRecord<C, F>> {
        self.record_stage("inspect", |chain, step| InspectRecord {
            chain,
            see,
            step,
            scratch: RecordBatch::default(),
        })
    }
}

/// The stage that `inspect` adds to a chain of records.
#[derive(Debug)]
pub struct InspectRecord<C, F> {
    chain: C,
    see: F,
    step: StepId,
    scratch: RecordBatch,
}

struct InspectRecordLook<'e, F, E> {
    see: &'e mut F,
    step: StepId,
    out: &'e mut E,
}

impl<F: for<'a> FnMut(Record<'a>), E: EmitRecord> Look for InspectRecordLook<'_, F, E> {
    #[inline(always)]
    fn look(&mut self, cx: Cx<'_>, record: Record<'_>) {
        guard(self.step, || (self.see)(record));
        self.out.ok(cx, record);
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

impl<C: RecordChain, F: for<'a> FnMut(Record<'a>) + 'static> RecordChain for InspectRecord<C, F> {
    type Head = C::Head;
    type Errors = C::Errors;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: EmitRecord>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        let look = InspectRecordLook { see: &mut self.see, step: self.step, out };
        let mut looking = Looking::new(look, &mut self.scratch);
        self.chain.drive(batch, &mut looking);
    }

    fn in_place<'b>(
        &mut self,
        batch: &'b mut <C::Head as Head>::Batch,
    ) -> Option<&'b mut RecordBatch> {
        let batch = self.chain.in_place(batch)?;
        for record in batch.iter() {
            guard_at(self.step, record, || (self.see)(record));
        }
        Some(batch)
    }
}
