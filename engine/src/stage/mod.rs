//! Stages: stateless operators that compose as types and end up fused in one engine operator.
//!
//! A chain pushes: it is driven with a batch and calls the next stage's emitter for every item. The optimiser sees the whole
//! chain as one loop. Operators outside this crate add stages by implementing [`Chain`] or [`RecordChain`] with a small emitter.
//!
//! Invariant: a stage calls user code only inside [`guard`] or [`guard_at`], so that a panic names its stage.

mod chain;
mod collect;
mod emit;
mod head;
mod item_batch;
mod kept_origins;
mod lanes;
mod look;
mod markers;
mod panic;

pub use chain::{Caught, Chain, Items, OriginsKept, RecordChain, Records, Sure, SureRecords};
pub use emit::{Cx, Emit, EmitRecord, Failure, What};
pub use head::{FromBatches, FromItems, FromSource, Head};
pub use item_batch::ItemBatch;
pub use look::{Look, Looking};
pub use markers::{
    AtOrigin, CanFail, ErrorsHandled, HasOrigin, NeverFails, OriginAtHand, PastBoundary,
};
pub use panic::{guard, guard_at};

pub(crate) use collect::{EachOut, ItemOut, RecordOut};
pub(crate) use emit::Route;
pub(crate) use head::private::Output;
pub(crate) use lanes::{EveryOut, Lanes, PickOut};
pub(crate) use panic::{OriginNote, Panicked, catch};

/// A step's number within its dataflow, in the order in which the program adds steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepId(pub(crate) u32);
