//! How long is a record on its way through a dataflow from Kafka to Kafka, against a plain loop?
//! needs: kafka
//!
//! Unit: milliseconds from before the record is sent to after its copy is received, at 10,000 records a second of about 150
//! bytes, 4 partitions, `linger` 1 ms, no compression. A process of its own sends and receives, the same for all; the program
//! under test parses, edits and writes each record. `ratio` compares the 99th percentiles, and what must be kept is a
//! difference: ours at most 3 ms above the loop's. Not measured: higher rates, the share of the broker.

#[path = "support/duel.rs"]
mod duel;
#[path = "support/job.rs"]
mod job;
#[path = "support/orders.rs"]
mod orders;
#[path = "baselines/plain.rs"]
mod plain;
#[path = "support/run.rs"]
mod run;
#[path = "support/steady.rs"]
mod steady;
#[path = "support/topics.rs"]
mod topics;

use std::io::Read as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use duel::{Duel, by_dataflow, duel};
use millstream::kafka;
use millstream::prelude::Config;
use plain::PlainCopy;
use run::{Contender, Seen};

const CONTENDERS: &[Contender; 2] = &[
    Contender { name: "ours", limit: None, run: ours },
    Contender { name: "plain", limit: None, run: by_plain },
];

const LINGER_MS: &str = "1";

fn main() -> ExitCode {
    // What is held against the plain loop is not a ratio but so many milliseconds more.
    duel(&Duel { name: "latency", contenders: CONTENDERS, difference_limit_ms: Some(3.0) })
}

fn ours(arguments: &[String]) -> Seen {
    let [brokers, from, to] = arguments else { panic!("three arguments") };
    let source = kafka::Source::new(brokers, from).with_group(to);
    let sink = kafka::Sink::new(brokers, to).with_linger(Duration::from_millis(1));
    let config = Config { workers: 1, epoch: Duration::from_millis(5), ..Config::default() };
    by_dataflow(source, sink, config)
}

fn by_plain(arguments: &[String]) -> Seen {
    let [brokers, from, to] = arguments else { panic!("three arguments") };
    let asked = stop_asked();
    let copy = PlainCopy { brokers, from, to, linger_ms: LINGER_MS, compression: "none" };
    copy.run(false, || !asked.load(Ordering::Relaxed));
    Seen::new()
}

/// A flag that is raised once standard input has ended.
fn stop_asked() -> Arc<AtomicBool> {
    let asked = Arc::new(AtomicBool::new(false));
    let raise = Arc::clone(&asked);
    std::thread::spawn(move || {
        drop(std::io::stdin().read(&mut [0]));
        raise.store(true, Ordering::Relaxed);
    });
    asked
}
