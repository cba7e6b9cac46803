//! Beyond a boundary an item has no record whose key could be kept.

use millstream_engine::format::{Presence, Serializer};
use millstream_engine::testing::{TestSink, TestSource};
use millstream_engine::{BoxError, Dataflow};
use millstream_operators::prelude::*;

struct Text;

impl Serializer<u64> for Text {
    fn format(&self) -> &'static str {
        "text"
    }

    fn serialize(&mut self, item: &u64, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
        out.extend_from_slice(item.to_string().as_bytes());
        Ok(Presence::Present)
    }
}

fn main() {
    let _flow = Dataflow::new("orders", |flow| {
        flow.source("in", TestSource::new(["1"]))
            .map(|record| record.position())
            .rebalance()
            .serialize(Text)
            .errors_fail()
            .sink("out", TestSink::new());
    });
}
