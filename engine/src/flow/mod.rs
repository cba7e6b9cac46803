//! The graph as the program builds it: dataflow, streams, and how chains become engine operators.
//!
//! Invariant: building opens nothing; the closure runs once to find all faults, and once per worker to run.

mod boundary;
mod build;
mod dataflow;
mod dead_letter;
mod error_record;
mod exchange;
mod fused;
mod graph;
mod item_stream;
mod lane;
mod ledger;
mod pool;
mod ports;
mod record_stream;
mod sink_operator;
mod source_operator;

pub use boundary::Exchangeable;
pub use build::Flow;
pub use dataflow::Dataflow;
pub use dead_letter::{DeadLetter, RECORD_TIME_HEADER, VALUE_LEFT_OUT_HEADER, dead_letter_headers};
pub use error_record::{ErrorRecord, MAX_ERROR_BYTES};
pub use graph::{Carries, Graph, GraphEdge, GraphStep, Guarantee};
pub use item_stream::Stream;
pub use record_stream::RecordStream;

#[doc(hidden)]
pub use fused::{Body, ItemEdge, Outputs, RecordEdge, TimelyStream, Wiring};
#[doc(hidden)]
pub use pool::Pool;
#[doc(hidden)]
pub use ports::Ports;
#[doc(hidden)]
pub use source_operator::SourceRef;

pub(crate) use build::{Build, SinkSlot, SourceSlot};
pub(crate) use dataflow::BuildFn;
pub(crate) use fused::install_unary;
pub(crate) use lane::TakesLanes;
pub(crate) use source_operator::install_source;
