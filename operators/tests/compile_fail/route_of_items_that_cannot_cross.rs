//! Items that cannot be written down cannot cross workers.

use millstream_engine::Dataflow;
use millstream_engine::testing::TestSource;
use millstream_operators::prelude::*;

struct Order {
    id: u64,
}

fn main() {
    let _flow = Dataflow::new("orders", |flow| {
        flow.source("in", TestSource::new(["1"]))
            .map(|record| Order { id: record.position() })
            .route(|order| order.id)
            .discard();
    });
}
