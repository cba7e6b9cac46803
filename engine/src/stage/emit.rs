//! What a stage pushes into: the next stage's emitter, and at the end of a chain the operator's outputs.

use std::borrow::Cow;

use super::StepId;
use crate::batch::{Record, RecordWriter};
use crate::error::{BoxError, Code, codes};

/// What an item came from: the source's record, while it is at hand. Rides along for nothing.
#[derive(Clone, Copy, Debug)]
pub struct Cx<'a> {
    pub(crate) record: Option<Record<'a>>,
}

impl<'a> Cx<'a> {
    /// Beyond a boundary: no record is at hand.
    pub const NONE: Cx<'static> = Cx { record: None };

    /// At the origin: `record` is what the item is made from.
    #[inline(always)]
    pub fn of(record: Record<'a>) -> Self {
        Self { record: Some(record) }
    }

    /// The record the item came from.
    #[inline(always)]
    pub fn record(self) -> Option<Record<'a>> {
        self.record
    }
}

/// Where a failure goes, once a stage behind it has taken it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Nobody took it yet.
    Open,
    /// To the error stream of this number.
    Stream(u8),
    /// The dataflow stops.
    Stop,
    /// Counted and dropped.
    Drop,
}

/// An item that a stage could not process.
#[derive(Debug)]
pub struct Failure {
    pub(crate) step: StepId,
    pub(crate) code: Code,
    pub(crate) what: Cow<'static, str>,
    pub(crate) error: BoxError,
    pub(crate) route: Route,
}

impl Failure {
    /// The closure of `step` returned an error.
    #[cold]
    pub fn new(step: StepId, error: impl Into<BoxError>) -> Self {
        Self::with_code(step, codes::BAD_ITEM, "process an item", error)
    }

    /// The same with a code of its own; `what` reads on after "failed to".
    #[cold]
    pub fn with_code(
        step: StepId,
        code: Code,
        what: impl Into<Cow<'static, str>>,
        error: impl Into<BoxError>,
    ) -> Self {
        Self { step, code, what: what.into(), error: error.into(), route: Route::Open }
    }

    pub(crate) fn taken_by(mut self, route: Route) -> Self {
        if self.route == Route::Open {
            self.route = route;
        }
        self
    }
}

/// Takes the items of a stage.
pub trait Emit<T> {
    /// One item.
    fn ok(&mut self, cx: Cx<'_>, item: T);
    /// One failure; stages pass it on unchanged.
    fn err(&mut self, cx: Cx<'_>, failure: Failure);
}

/// Takes the records of a stage.
pub trait EmitRecord {
    /// One record that lies in a batch already.
    fn ok(&mut self, cx: Cx<'_>, record: Record<'_>);
    /// One record that is written now; the last emitter has it written straight into the output's arena.
    fn write<F: FnOnce(&mut RecordWriter<'_>) -> Result<(), Failure>>(
        &mut self,
        cx: Cx<'_>,
        write: F,
    );
    /// One failure; stages pass it on unchanged.
    fn err(&mut self, cx: Cx<'_>, failure: Failure);
}
