//! What does it cost to write to ten thousand topics in random order, against one?
//!
//! Unit: nanoseconds of processor time per record of about 210 bytes, each of which says its topic, from prepared batches into the
//! embedded broker. Baseline: the same sink and flow, all records to one topic. Not measured: what computes a topic, a network.

#[path = "support/bound.rs"]
mod bound;
#[path = "support/contest.rs"]
mod contest;
#[path = "support/memory_topics.rs"]
mod memory_topics;
#[path = "support/replay.rs"]
mod replay;
#[path = "support/run.rs"]
mod run;

use std::process::ExitCode;

use contest::{Contest, contest};
use memory_topics::write;
use run::{Contender, scaled};

const CONTENDERS: &[Contender] = &[
    Contender { name: "ours", limit: None, run: |_| write::<10_000>(n_batches()) },
    Contender { name: "one_topic", limit: Some(2.0), run: |_| write::<1>(n_batches()) },
];

fn n_batches() -> u64 {
    scaled(32_000, bound::N_PREPARED)
}

fn main() -> ExitCode {
    let routing = Contest {
        name: "routing_many",
        unit: "ns of CPU per record",
        units_per_second: 1e9,
        n_records: n_batches() * bound::N_RECORDS,
        n_rounds: 9,
        contenders: CONTENDERS,
    };
    contest(&routing, || Some(()))
}
