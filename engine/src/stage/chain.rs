//! The two kinds of chain, their beginnings, and the stage that takes errors.

use std::marker::PhantomData;

use super::emit::{Cx, Emit, EmitRecord, Failure, Route};
use super::head::{FromItems, Head};
use super::item_batch::ItemBatch;
use super::markers::{NeverFails, PastBoundary};
use super::panic::OriginNote;
use crate::batch::{Record, RecordBatch, RecordWriter};

/// A chain of stages that ends in items of type `T`.
///
/// Implementers add one stage to a chain: they keep `Head` and `Origin`, say whether the stage can fail, and drive the chain
/// before them with an emitter of their own, marked `#[inline(always)]`.
pub trait Chain<T>: 'static {
    /// What feeds the fused operator.
    type Head: Head;
    /// `CanFail` when a stage can fail and nobody took its errors, else `NeverFails`.
    type Errors;
    /// `AtOrigin` while the source's record is at hand, else `PastBoundary`.
    type Origin;

    /// Pushes every item of `batch` through the chain into `out`.
    fn drive<E: Emit<T>>(&mut self, batch: &mut <Self::Head as Head>::Batch, out: &mut E);
}

/// A chain of stages that ends in records.
pub trait RecordChain: 'static {
    /// As in [`Chain`].
    type Head: Head;
    /// As in [`Chain`].
    type Errors;
    /// As in [`Chain`].
    type Origin;

    /// Pushes every record of `batch` through the chain into `out`.
    fn drive<E: EmitRecord>(&mut self, batch: &mut <Self::Head as Head>::Batch, out: &mut E);

    /// Does the whole chain's work in place, where all of it only drops records: the batch itself then goes on, uncopied.
    ///
    /// A chain answers the same way every time; a stage that cannot do so leaves the default.
    fn in_place<'b>(
        &mut self,
        _batch: &'b mut <Self::Head as Head>::Batch,
    ) -> Option<&'b mut RecordBatch> {
        None
    }
}

/// For signatures: a chain of `T` whose errors were taken, if it had any.
pub trait Sure<T>: Chain<T, Errors = NeverFails> {}
impl<T, C: Chain<T, Errors = NeverFails>> Sure<T> for C {}

/// For signatures: a chain of records whose errors were taken, if it had any.
pub trait SureRecords: RecordChain<Errors = NeverFails> {}
impl<C: RecordChain<Errors = NeverFails>> SureRecords for C {}

/// The beginning of a chain of records: a source, or batches from another operator.
#[derive(Debug)]
pub struct Records<H>(pub(crate) PhantomData<H>);

impl<H: Head<Batch = RecordBatch>> RecordChain for Records<H> {
    type Head = H;
    type Errors = NeverFails;
    type Origin = H::Origin;

    #[inline(always)]
    fn drive<E: EmitRecord>(&mut self, batch: &mut RecordBatch, out: &mut E) {
        for record in batch.iter() {
            let note = OriginNote(Cx::of(record));
            out.ok(Cx::of(record), record);
            std::mem::forget(note);
        }
    }

    fn in_place<'b>(&mut self, batch: &'b mut RecordBatch) -> Option<&'b mut RecordBatch> {
        Some(batch)
    }
}

/// The beginning of a chain of items that another operator made.
#[derive(Debug)]
pub struct Items<T>(pub(crate) PhantomData<T>);

impl<T: 'static> Chain<T> for Items<T> {
    type Head = FromItems<T>;
    type Errors = NeverFails;
    type Origin = PastBoundary;

    #[inline(always)]
    fn drive<E: Emit<T>>(&mut self, batch: &mut ItemBatch<T>, out: &mut E) {
        for (index, item) in batch.items.drain(..).enumerate() {
            let cx = Cx::kept(&batch.origins, index);
            let note = OriginNote(cx);
            out.ok(cx, item);
            std::mem::forget(note);
        }
    }
}

/// A chain whose items keep their origins beyond the next boundaries.
#[derive(Debug)]
pub struct OriginsKept<C>(pub(crate) C);

struct OriginsKeptEmit<'e, E>(&'e mut E);

impl<T, E: Emit<T>> Emit<T> for OriginsKeptEmit<'_, E> {
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, item: T) {
        self.0.ok(cx.keeping(), item);
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.0.err(cx, failure);
    }
}

impl<T: 'static, C: Chain<T>> Chain<T> for OriginsKept<C> {
    type Head = C::Head;
    type Errors = C::Errors;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: Emit<T>>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        self.0.drive(batch, &mut OriginsKeptEmit(out));
    }
}

/// A chain whose errors so far were taken.
#[derive(Debug)]
pub struct Caught<C> {
    pub(crate) chain: C,
    pub(crate) route: Route,
}

struct CaughtEmit<'e, E>(&'e mut E, Route);

impl<T, E: Emit<T>> Emit<T> for CaughtEmit<'_, E> {
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, item: T) {
        self.0.ok(cx, item);
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.0.err(cx, failure.taken_by(self.1));
    }
}

impl<E: EmitRecord> EmitRecord for CaughtEmit<'_, E> {
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, record: Record<'_>) {
        self.0.ok(cx, record);
    }

    #[inline(always)]
    fn write<F: FnOnce(&mut RecordWriter<'_>) -> Result<(), Failure>>(
        &mut self,
        cx: Cx<'_>,
        write: F,
    ) {
        let route = self.1;
        self.0.write(cx, |writer| write(writer).map_err(|failure| failure.taken_by(route)));
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.0.err(cx, failure.taken_by(self.1));
    }
}

impl<T: 'static, C: Chain<T>> Chain<T> for Caught<C> {
    type Head = C::Head;
    type Errors = NeverFails;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: Emit<T>>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        self.chain.drive(batch, &mut CaughtEmit(out, self.route));
    }
}

impl<C: RecordChain> RecordChain for Caught<C> {
    type Head = C::Head;
    type Errors = NeverFails;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: EmitRecord>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        self.chain.drive(batch, &mut CaughtEmit(out, self.route));
    }

    fn in_place<'b>(
        &mut self,
        batch: &'b mut <C::Head as Head>::Batch,
    ) -> Option<&'b mut RecordBatch> {
        self.chain.in_place(batch)
    }
}
