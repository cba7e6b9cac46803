//! What does writing to Pulsar from a dataflow cost, against writing with other clients?
//! needs: pulsar
//!
//! Unit: microseconds of processor time of the client, all its threads included, per record: 100 bytes with a key, to one topic,
//! in batches of at most 1,000 records, all confirmed; the rounds take turns in compressing with nothing, LZ4 and Zstandard.
//! Baselines: the crate `pulsar` in a task of its own, and the official Java client. Not measured: the broker.

#[path = "support/checksum.rs"]
mod checksum;
#[path = "support/contest.rs"]
mod contest;
#[expect(dead_code, reason = "others use the rest")]
#[path = "baselines/crate_client.rs"]
mod crate_client;
#[path = "support/hundred.rs"]
mod hundred;
#[path = "baselines/java_client.rs"]
mod java_client;
#[path = "support/pulsar_topics.rs"]
mod pulsar_topics;
#[path = "support/replay.rs"]
mod replay;
#[path = "support/run.rs"]
mod run;

use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::Duration;

use contest::{Contest, Setting, contest};
use millstream::batch::{NO_TIME, RecordBatch};
use millstream::prelude::*;
use millstream::pulsar;
use millstream::source::Placement;
use pulsar_topics::Topics;
use replay::Replay;
use run::{Contender, Seen, scaled};

const CONTENDERS: &[Contender] = &[
    Contender { name: "ours", limit: None, run: ours },
    Contender { name: "crate", limit: Some(0.8), run: by_crate },
    Contender { name: "java", limit: Some(0.35), run: by_java },
];

/// Records of one prepared batch: each of those that differ, once.
const N_RECORDS: u64 = hundred::N_DIFFERENT;

const CODECS: [&str; 3] = ["none", "lz4", "zstd"];

fn n_batches() -> u64 {
    scaled(2_000, 5)
}

fn n_records() -> u64 {
    n_batches() * N_RECORDS
}

fn main() -> ExitCode {
    let write = Contest {
        name: "pulsar_write",
        unit: "µs of CPU per record",
        units_per_second: 1e6,
        n_records: n_records(),
        n_rounds: 9,
        contenders: CONTENDERS,
    };
    contest(&write, || {
        let folder = tempfile::tempdir().expect("a folder");
        Some(Writes { topics: Topics::from_env()?, folder, n_runs: 0 })
    })
}

/// A fresh topic for every run, and the next codec for every round.
struct Writes {
    topics: Topics,
    /// For the file of records.
    folder: tempfile::TempDir,
    n_runs: usize,
}

impl Setting for Writes {
    fn prepare(&mut self) -> Vec<String> {
        let codec = CODECS[self.n_runs / CONTENDERS.len() % CODECS.len()];
        self.n_runs += 1;
        let file = hundred::write_file(self.folder.path()).expect("there is room");
        let file = file.display().to_string();
        vec![self.topics.broker.clone(), self.topics.make("write"), codec.to_owned(), file]
    }

    fn left_behind(&mut self, arguments: &[String]) -> Seen {
        pulsar_topics::contents(&self.topics.broker, &arguments[1], n_records())
    }
}

fn prepare() -> Vec<RecordBatch> {
    let mut batch = RecordBatch::default();
    for number in 0..N_RECORDS {
        let (key, value) = (hundred::key(number), hundred::value(number));
        batch.push(Some(key.as_bytes()), Some(&value), NO_TIME, number);
    }
    vec![batch; 2]
}

/// Copies the next prepared batch: the sink keeps what it is given.
fn copy(batch: &mut RecordBatch, prepared: &mut VecDeque<RecordBatch>) {
    batch.clear();
    if let Some(next) = prepared.pop_front() {
        batch.push_range(&next, 0..next.len());
        prepared.push_back(next);
    }
}

fn ours(arguments: &[String]) -> Seen {
    let compression = match &*arguments[2] {
        "lz4" => pulsar::Compression::Lz4,
        "zstd" => pulsar::Compression::Zstd,
        _ => pulsar::Compression::None,
    };
    let sink = pulsar::Sink::new(&arguments[0], &arguments[1])
        .with_compression(compression)
        .with_linger(Duration::from_millis(5))
        .with_queue_records(20_000);
    let flow = Dataflow::new("write", move |flow| {
        let replay =
            Replay { prepare, n_batches: n_batches(), refill: copy, placement: Placement::Worker };
        flow.source("replay", replay).sink("records", sink.clone());
    });
    let config = Config { workers: 1, in_flight_bytes: 1 << 20, ..Config::default() };
    let counted = millstream::run(&flow, config);
    let counted = counted.expect("everything is written");
    told(counted.step("records").map_or(0, |step| step.records))
}

fn by_crate(arguments: &[String]) -> Seen {
    let different: Vec<_> = (0..N_RECORDS).map(|n| (hundred::key(n), hundred::value(n))).collect();
    let mut numbers = 0..n_records();
    let next = move || {
        let at = usize::try_from(numbers.next()? % N_RECORDS).ok()?;
        different.get(at).cloned()
    };
    told(crate_client::write(&arguments[0], &arguments[1], &arguments[2], next))
}

fn by_java(arguments: &[String]) -> Seen {
    let [broker, topic, codec, file] = arguments else { panic!("{arguments:?}") };
    java_client::become_peer(&[
        "write".to_owned(),
        format!("broker={broker}"),
        format!("topic={topic}"),
        format!("codec={}", codec.to_uppercase()),
        format!("file={file}"),
        format!("n={}", n_records()),
        "linger_ms=5".to_owned(),
        "pending=20000".to_owned(),
    ])
}

fn told(n_records: u64) -> Seen {
    Seen::from([("written".to_owned(), n_records)])
}
