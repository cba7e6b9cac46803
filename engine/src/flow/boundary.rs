//! Boundaries: where chains end in a buffer between operators, streams meet or end, and what may cross workers.

use std::panic::Location;

use timely::dataflow::operators::Probe as _;
use timely::dataflow::operators::core::Concatenate;

use super::build::Flow;
use super::fused::TimelyStream;

/// Items that may cross workers.
///
/// Workers of one process hand items over as they are; the serde bounds are for several processes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross workers",
    label = "items that cross workers are `Send + Serialize + DeserializeOwned`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for the item's type"
)]
pub trait Exchangeable: Send + serde::Serialize + for<'a> serde::Deserialize<'a> + 'static {}
impl<T: Send + serde::Serialize + for<'a> serde::Deserialize<'a> + 'static> Exchangeable for T {}

/// Joins several streams of one kind into one; order within each is kept.
pub(crate) fn concat<'s, C: timely::Container>(
    flow: &Flow<'s>,
    streams: Vec<TimelyStream<'s, C>>,
) -> TimelyStream<'s, C> {
    flow.scope.concatenate(streams)
}

/// A stream that ends without a sink counts as written and durable as it passes.
pub(crate) fn settle<C: timely::Container>(flow: &Flow<'_>, stream: TimelyStream<'_, C>) {
    stream.probe_with(&flow.build.written).probe_with(&flow.build.durable);
}

/// The line of the program that called the caller.
pub(crate) type Line = &'static Location<'static>;
