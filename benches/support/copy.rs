//! The copy as a dataflow: parse, drop one in ten, edit, write, errors set aside.

use millstream::kafka;
use millstream::prelude::*;

use crate::copies::told;
use crate::job;
use crate::orders::Order;
use crate::run::Seen;

/// Copies to the end of the source.
pub(crate) fn copy(source: kafka::Source, sink: kafka::Sink, config: Config) -> Seen {
    let flow = Dataflow::new("copy", move |flow| {
        let (good, bad) = flow
            .source("orders", source.clone())
            .deserialize(json::<Order>())
            .filter(job::is_large)
            .map(job::double)
            .serialize(json())
            .split_errors();
        good.sink("copies", sink.clone());
        bad.for_each(|error| panic!("all orders are JSON: {}", error.error));
    });
    let counted = millstream::run(&flow, config);
    let counted = counted.expect("the copy ends");
    let of = |step: &str| counted.step(step).map_or(0, |step| step.records);
    told((of("orders"), of("copies")))
}
