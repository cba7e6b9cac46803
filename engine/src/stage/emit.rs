//! What a stage pushes into: the next stage's emitter, and at the end of a chain the operator's outputs.

use std::fmt;

use super::StepId;
use super::kept_origins::KeptOrigins;
use crate::batch::{Origin, Record, RecordWriter};
use crate::error::{BoxError, Code, codes};

/// What an item came from: the source's record while it is at hand, later its origin if that was kept. Rides along for nothing.
#[derive(Clone, Copy, Debug)]
pub struct Cx<'a>(Whence<'a>);

#[derive(Clone, Copy, Debug)]
enum Whence<'a> {
    Unknown,
    /// The record is at hand; the origin is to be kept beyond the next boundary, or not.
    Record(Record<'a>, Keep),
    /// The item of this index in a container that kept its origins.
    Container(&'a KeptOrigins, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Yes,
    No,
}

impl<'a> Cx<'a> {
    /// Beyond a boundary: no record is at hand, and no origin was kept.
    pub const NONE: Cx<'static> = Cx(Whence::Unknown);

    /// At the origin: `record` is what the item is made from.
    #[inline(always)]
    pub fn of(record: Record<'a>) -> Self {
        Self(Whence::Record(record, Keep::No))
    }

    /// Beyond a boundary: item `index` of a container with these origins.
    #[inline(always)]
    pub(crate) fn kept(origins: &'a KeptOrigins, index: usize) -> Self {
        if origins.is_empty() { Self::NONE } else { Self(Whence::Container(origins, index)) }
    }

    /// The same, with the origin to be kept beyond the next boundary.
    #[inline(always)]
    pub(crate) fn keeping(self) -> Self {
        match self.0 {
            Whence::Record(record, _) => Self(Whence::Record(record, Keep::Yes)),
            _ => self,
        }
    }

    /// The record the item came from.
    #[inline(always)]
    pub fn record(self) -> Option<Record<'a>> {
        match self.0 {
            Whence::Record(record, _) => Some(record),
            _ => None,
        }
    }

    /// Where the item came from, if that is to be known beyond the next boundary too.
    #[inline(always)]
    pub(crate) fn to_keep(self) -> Option<(&'a Origin, u64)> {
        match self.0 {
            Whence::Unknown | Whence::Record(_, Keep::No) => None,
            Whence::Record(record, Keep::Yes) => Some((record.origin()?, record.position())),
            Whence::Container(origins, index) => origins.get(index),
        }
    }

    /// The position of the record the item came from, as people look it up: the broker's own id while the record is at hand, else
    /// the number.
    pub(crate) fn position_text(self) -> Option<String> {
        let id = self.record().and_then(Record::id).map(|id| id.to_string());
        id.or_else(|| self.place().map(|(_, position)| position.to_string()))
    }

    /// The origin, where there is one, and the position of the record the item came from.
    pub(crate) fn place(self) -> Option<(Option<&'a Origin>, u64)> {
        match self.0 {
            Whence::Unknown => None,
            Whence::Record(record, _) => Some((record.origin(), record.position())),
            Whence::Container(origins, index) => {
                origins.get(index).map(|(origin, position)| (Some(origin), position))
            }
        }
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
    pub(crate) what: What,
    pub(crate) error: BoxError,
    /// The item in bytes, where its step could write it.
    pub(crate) item: Option<Vec<u8>>,
    pub(crate) route: Route,
}

/// What could not be done, to follow "failed to"; put together only when it is read.
#[derive(Clone, Copy, Debug)]
pub struct What(&'static str, &'static str);

impl From<&'static str> for What {
    fn from(what: &'static str) -> Self {
        Self(what, "")
    }
}

impl From<[&'static str; 2]> for What {
    fn from([what, format]: [&'static str; 2]) -> Self {
        Self(what, format)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)?;
        f.write_str(self.1)
    }
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
        what: impl Into<What>,
        error: impl Into<BoxError>,
    ) -> Self {
        let (what, error) = (what.into(), error.into());
        Self { step, code, what, error, item: None, route: Route::Open }
    }

    /// The same with the item in bytes, for where no record is at hand.
    #[must_use]
    pub fn with_item(self, bytes: Vec<u8>) -> Self {
        Self { item: Some(bytes), ..self }
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
