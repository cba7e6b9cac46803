//! What do the presets save, of processor time and of memory?
//! needs: kafka
//!
//! Unit: microseconds of processor time of the client per record read, and megabytes of its peak resident memory, of the dataflow
//! of `kafka_copy` under each preset, lz4 and one worker in all of them. Baseline: the balanced default. Not measured: what the
//! broker saves, latency (see `presets_latency`), several workers.

#[path = "support/checksum.rs"]
mod checksum;
#[path = "support/contents.rs"]
mod contents;
#[path = "support/contest.rs"]
#[expect(dead_code, reason = "other benches compare every contender with the first")]
mod contest;
#[path = "support/copies.rs"]
mod copies;
#[path = "support/copy.rs"]
mod copy;
#[path = "support/filled.rs"]
mod filled;
#[path = "support/job.rs"]
mod job;
#[path = "support/orders.rs"]
mod orders;
#[path = "baselines/raw_consumer.rs"]
mod raw_consumer;
#[path = "baselines/raw_producer.rs"]
mod raw_producer;
#[path = "support/run.rs"]
mod run;
#[path = "support/topics.rs"]
mod topics;

use std::process::ExitCode;

use contest::{Comparison, Contest, contest_of};
use copies::Copies;
use millstream::kafka;
use millstream::prelude::{Config, Preset};
use run::{Contender, Seen, scaled};

const CONTENDERS: &[Contender] = &[
    Contender { name: "balanced", limit: None, run: |at| under(Preset::Balanced, at) },
    Contender { name: "high_throughput", limit: None, run: |at| under(Preset::HighThroughput, at) },
    Contender { name: "low_latency", limit: None, run: |at| under(Preset::LowLatency, at) },
    Contender {
        name: "resource_constrained",
        limit: None,
        run: |at| under(Preset::ResourceConstrained, at),
    },
];

const COMPARISONS: &[Comparison] = &[
    Comparison {
        name: "high_throughput: processor",
        subject: 1,
        baseline: 0,
        of: |run| run.cpu_seconds,
        limit: Some(1.0),
    },
    Comparison {
        name: "resource_constrained: memory",
        subject: 3,
        baseline: 0,
        of: |run| run.resident_mb,
        limit: Some(0.5),
    },
];

fn main() -> ExitCode {
    let presets = Contest {
        name: "presets",
        unit: "µs of CPU per record",
        units_per_second: 1e6,
        n_records: scaled(5_000_000, 5000),
        n_rounds: 9,
        contenders: CONTENDERS,
    };
    contest_of(&presets, COMPARISONS, || Copies::from_env(presets.n_records))
}

fn under(preset: Preset, arguments: &[String]) -> Seen {
    let [brokers, from, to] = arguments else { panic!("three arguments") };
    // A group of its own: it reads from the beginning, not from where the run before has come.
    let source = kafka::Source::new(brokers, from).with_preset(preset).with_group(to).until_end();
    let sink = kafka::Sink::new(brokers, to).with_preset(preset);
    let sink = sink.with_compression(kafka::Compression::Lz4);
    copy::copy(source, sink, Config { workers: 1, ..Config::preset(preset) })
}
