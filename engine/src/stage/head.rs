//! What feeds a fused operator: a source, batches of records, or containers of items.

use std::marker::PhantomData;

use super::item_batch::ItemBatch;
use super::markers::{AtOrigin, PastBoundary};
use crate::batch::RecordBatch;
use crate::flow::{
    Body, Flow, ItemEdge, Outputs, RecordEdge, SourceRef, Wiring, install_source, install_unary,
};

/// What feeds a fused operator. Implemented here alone; it is public because chains name it.
pub trait Head: Sized + 'static + private::Sealed {
    /// What the operator is driven with.
    type Batch: 'static;
    /// `AtOrigin` or `PastBoundary`.
    type Origin: 'static;
    #[doc(hidden)]
    type Handle<'s>;

    #[doc(hidden)]
    fn install<'s, O: private::Output>(
        handle: Self::Handle<'s>,
        flow: &Flow<'s>,
        wiring: &Wiring,
        body: impl Body<Self::Batch, O>,
    ) -> Outputs<'s, O>;
}

/// Fed by a source: its records are at hand.
#[derive(Debug)]
pub enum FromSource {}

/// Fed by batches of records from another operator.
#[derive(Debug)]
pub enum FromBatches {}

/// Fed by items from another operator.
#[derive(Debug)]
pub struct FromItems<T>(PhantomData<T>);

impl Head for FromSource {
    type Batch = RecordBatch;
    type Origin = AtOrigin;
    type Handle<'s> = SourceRef;

    fn install<'s, O: private::Output>(
        handle: SourceRef,
        flow: &Flow<'s>,
        wiring: &Wiring,
        body: impl Body<RecordBatch, O>,
    ) -> Outputs<'s, O> {
        install_source(&handle, flow, wiring, body)
    }
}

impl Head for FromBatches {
    type Batch = RecordBatch;
    type Origin = AtOrigin;
    type Handle<'s> = RecordEdge<'s>;

    fn install<'s, O: private::Output>(
        handle: RecordEdge<'s>,
        flow: &Flow<'s>,
        wiring: &Wiring,
        body: impl Body<RecordBatch, O>,
    ) -> Outputs<'s, O> {
        let pool = flow.batch_pool();
        install_unary(handle, flow, wiring, body, move |batch| pool.put(batch))
    }
}

impl<T: 'static> Head for FromItems<T> {
    type Batch = ItemBatch<T>;
    type Origin = PastBoundary;
    type Handle<'s> = ItemEdge<'s, T>;

    fn install<'s, O: private::Output>(
        handle: ItemEdge<'s, T>,
        flow: &Flow<'s>,
        wiring: &Wiring,
        body: impl Body<ItemBatch<T>, O>,
    ) -> Outputs<'s, O> {
        let ItemEdge { edge, pool } = handle;
        install_unary(edge, flow, wiring, body, move |items| pool.put(items))
    }
}

pub(crate) mod private {
    use timely::Container;

    use super::ItemBatch;
    use crate::batch::RecordBatch;

    /// Only this crate adds heads.
    pub trait Sealed {}
    impl Sealed for super::FromSource {}
    impl Sealed for super::FromBatches {}
    impl<T> Sealed for super::FromItems<T> {}

    /// What fused operators put out: a container that knows its weight in bytes.
    pub trait Output: Container {
        /// Bytes charged to the in-flight ledger.
        fn weight(&self) -> usize;
    }

    impl Output for RecordBatch {
        fn weight(&self) -> usize {
            let entries = self.len() * size_of::<crate::batch::Entry>();
            self.n_bytes() + entries + self.column_bytes()
        }
    }

    impl<T: 'static> Output for ItemBatch<T> {
        fn weight(&self) -> usize {
            self.items.len() * size_of::<T>() + self.origins.weight()
        }
    }
}
