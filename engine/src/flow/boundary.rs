//! Boundaries: where chains end in a buffer between operators, streams meet, part, or change worker.

use std::panic::Location;

use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Probe as _;
use timely::dataflow::operators::core::Concatenate;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

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
    stream
        .probe_with(&flow.build.written)
        .probe_with(&flow.build.durable);
}

/// Sends each item to the worker that `route` names, modulo the number of workers.
pub(crate) fn exchange<'s, T: Exchangeable>(
    flow: &Flow<'s>,
    input: TimelyStream<'s, Vec<T>>,
    kind: &'static str,
    route: impl FnMut(&T) -> u64 + 'static,
) -> TimelyStream<'s, Vec<T>> {
    let mut builder = OperatorBuilder::new(kind.to_owned(), flow.scope);
    let mut input = builder.new_input(input, Exchange::new(route));
    builder.set_notify_for(0, timely::progress::operate::FrontierInterest::Never);
    let (mut output, stream) = builder.new_output::<Vec<T>>();
    builder.build(move |capabilities| {
        drop(capabilities);
        move |_frontiers| {
            input.for_each(|capability, items| output.activate().give(&capability, items));
        }
    });
    stream
}

/// The line of the program that called the caller.
pub(crate) type Line = &'static Location<'static>;
