//! A stream that can fail does not end in a sink before somebody takes its errors.

use millstream_engine::Dataflow;
use millstream_engine::testing::{TestSink, TestSource};
use millstream_operators::prelude::*;

fn main() {
    let _flow = Dataflow::new("orders", |flow| {
        flow.source("in", TestSource::new(["1"]))
            .map(|record| record.position())
            .encode(|position, out| {
                out.value(&position.to_le_bytes());
                Ok::<_, std::fmt::Error>(())
            })
            .sink("out", TestSink::new());
    });
}
