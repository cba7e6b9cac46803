//! Beyond a boundary the origin is gone: it is asked for before.

use millstream_engine::Dataflow;
use millstream_engine::testing::TestSource;
use millstream_operators::prelude::*;

fn main() {
    let _flow = Dataflow::new("orders", |flow| {
        flow.source("in", TestSource::new(["1"]))
            .map(|record| record.position())
            .rebalance()
            .with_origin()
            .discard();
    });
}
