//! What does a dataflow from Kafka to Kafka add to the same program written by hand?
//! needs: kafka
//!
//! Unit: microseconds of processor time of the client, librdkafka's threads included, per record read: JSON of about 150 bytes
//! in 4 partitions, parsed, one in ten dropped, one field edited, written under its key, lz4 both ways. Baselines: one loop on
//! librdkafka's batch calls; one on the calls of the `rdkafka` crate (`poll`, `send`). Not measured: the broker.

#[path = "support/checksum.rs"]
mod checksum;
#[path = "support/contents.rs"]
mod contents;
#[path = "support/contest.rs"]
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
#[path = "baselines/plain.rs"]
mod plain;
#[path = "baselines/raw_consumer.rs"]
mod raw_consumer;
#[path = "baselines/raw_copy.rs"]
mod raw_copy;
#[path = "baselines/raw_producer.rs"]
mod raw_producer;
#[path = "support/run.rs"]
mod run;
#[path = "support/topics.rs"]
mod topics;

use std::process::ExitCode;

use contest::{Contest, contest};
use copies::{Copies, told};
use millstream::kafka;
use millstream::prelude::Config;
use plain::PlainCopy;
use run::{Contender, Seen, scaled};

const CONTENDERS: &[Contender] = &[
    Contender { name: "ours", limit: None, run: ours },
    Contender { name: "raw", limit: Some(1.1), run: by_raw },
    Contender { name: "plain", limit: Some(0.9), run: by_plain },
];

fn main() -> ExitCode {
    let copy = Contest {
        name: "kafka_copy",
        unit: "µs of CPU per record",
        units_per_second: 1e6,
        n_records: scaled(5_000_000, 5000),
        n_rounds: 9,
        contenders: CONTENDERS,
    };
    contest(&copy, || Copies::from_env(copy.n_records))
}

fn ours(arguments: &[String]) -> Seen {
    let [brokers, from, to] = arguments else { panic!("three arguments") };
    // A group of its own: it reads from the beginning, not from where the run before has come.
    let source = kafka::Source::new(brokers, from).with_group(to).until_end();
    let sink = kafka::Sink::new(brokers, to).with_compression(kafka::Compression::Lz4);
    copy::copy(source, sink, Config { workers: 1, ..Config::default() })
}

fn by_raw(arguments: &[String]) -> Seen {
    let [brokers, from, to] = arguments else { panic!("three arguments") };
    told(raw_copy::run(brokers, from, to))
}

fn by_plain(arguments: &[String]) -> Seen {
    let [brokers, from, to] = arguments else { panic!("three arguments") };
    let copy = PlainCopy { brokers, from, to, linger_ms: "5", compression: "lz4" };
    told(copy.run(true, || true))
}
