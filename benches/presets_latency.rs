//! How long is a record on its way under the preset for low latency, against the balanced default?
//! needs: kafka
//!
//! Unit: milliseconds from before the record is sent to after its copy is received, under the load of `latency`: 10,000 records a
//! second of about 150 bytes, 4 partitions, one worker. What must be kept: the 99th percentile is at most the default's. Not
//! measured: higher rates, the share of the broker.

#[path = "support/duel.rs"]
mod duel;
#[path = "support/job.rs"]
mod job;
#[path = "support/orders.rs"]
mod orders;
#[path = "support/run.rs"]
mod run;
#[path = "support/steady.rs"]
mod steady;
#[path = "support/topics.rs"]
mod topics;

use std::process::ExitCode;

use duel::{Duel, by_dataflow, duel};
use millstream::kafka;
use millstream::prelude::{Config, Preset};
use run::{Contender, Seen};

const CONTENDERS: &[Contender; 2] = &[
    Contender { name: "low_latency", limit: None, run: |at| under(Preset::LowLatency, at) },
    Contender { name: "balanced", limit: Some(1.0), run: |at| under(Preset::Balanced, at) },
];

fn main() -> ExitCode {
    duel(&Duel { name: "presets_latency", contenders: CONTENDERS, difference_limit_ms: None })
}

fn under(preset: Preset, arguments: &[String]) -> Seen {
    let [brokers, from, to] = arguments else { panic!("three arguments") };
    let source = kafka::Source::new(brokers, from).with_preset(preset).with_group(to);
    let sink = kafka::Sink::new(brokers, to).with_preset(preset);
    by_dataflow(source, sink, Config { workers: 1, ..Config::preset(preset) })
}
