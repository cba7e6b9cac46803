//! A stream that can fail does not end in a closure before somebody takes its errors.

use millstream_engine::Dataflow;
use millstream_engine::testing::TestSource;
use millstream_operators::prelude::*;

fn main() {
    let _flow = Dataflow::new("orders", |flow| {
        flow.source("in", TestSource::new(["1"]))
            .try_map(|record| std::str::from_utf8(record.value_or_empty()).map(str::len))
            .for_each(|length| drop(length));
    });
}
