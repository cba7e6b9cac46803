//! What does writing to Kafka from a dataflow cost, against writing with librdkafka's batch call?
//! needs: kafka
//!
//! Unit: microseconds of processor time of the client, all its threads included, per record: about 150 bytes with a key, to
//! 4 partitions, lz4, all confirmed. The records are prepared; ours copies them once more, into the batch that the sink takes.
//! Baseline: one loop on the batch call. Not measured: making the records, the broker.

#[path = "support/checksum.rs"]
mod checksum;
#[path = "support/contents.rs"]
mod contents;
#[path = "support/contest.rs"]
mod contest;
#[path = "support/orders.rs"]
mod orders;
#[path = "baselines/raw_consumer.rs"]
mod raw_consumer;
#[path = "baselines/raw_producer.rs"]
mod raw_producer;
#[path = "support/replay.rs"]
mod replay;
#[path = "support/run.rs"]
mod run;
#[path = "support/topics.rs"]
mod topics;

use std::collections::VecDeque;
use std::process::ExitCode;

use contest::{Contest, Setting, contest};
use millstream::batch::{NO_TIME, RecordBatch};
use millstream::kafka;
use millstream::prelude::*;
use millstream::source::Placement;
use orders::order;
use raw_producer::RawProducer;
use replay::Replay;
use run::{Contender, Seen, scaled};
use topics::Topics;

const CONTENDERS: &[Contender] = &[
    Contender { name: "ours", limit: None, run: ours },
    Contender { name: "raw", limit: Some(1.1), run: by_raw },
];

/// Batches that are prepared, and written in turns.
const N_PREPARED: u64 = 16;

/// Records of one batch: about 128 KiB.
const N_RECORDS: u64 = 800;

fn n_batches() -> u64 {
    scaled(6250, 10)
}

fn main() -> ExitCode {
    let write = Contest {
        name: "kafka_write",
        unit: "µs of CPU per record",
        units_per_second: 1e6,
        n_records: n_batches() * N_RECORDS,
        n_rounds: 9,
        contenders: CONTENDERS,
    };
    contest(&write, || Topics::from_env().map(Writes))
}

/// A fresh topic for every run.
struct Writes(Topics);

impl Setting for Writes {
    fn prepare(&mut self) -> Vec<String> {
        let to = self.0.make("write");
        vec![self.0.brokers.clone(), to]
    }

    fn left_behind(&mut self, arguments: &[String]) -> Seen {
        contents::contents(&self.0.brokers, &arguments[1])
    }

    fn tidy_up(&mut self, arguments: &[String]) {
        self.0.delete(&arguments[1]);
    }
}

fn prepare() -> Vec<RecordBatch> {
    let batch = |n: u64| {
        let mut batch = RecordBatch::default();
        for id in n * N_RECORDS..(n + 1) * N_RECORDS {
            let order = order(id, 1_700_000_000_000 + id);
            let value = serde_json::to_vec(&order).expect("an order is JSON");
            batch.push(Some(order.key()), Some(&value), NO_TIME, id);
        }
        batch
    };
    (0..N_PREPARED).map(batch).collect()
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
    let sink = kafka::Sink::new(&arguments[0], &arguments[1]);
    let sink = sink.with_compression(kafka::Compression::Lz4);
    let flow = Dataflow::new("write", move |flow| {
        let replay =
            Replay { prepare, n_batches: n_batches(), refill: copy, placement: Placement::Worker };
        flow.source("replay", replay).sink("orders", sink.clone());
    });
    // The source is faster than any sink: a ledger that fits the cache, as nothing is gained by running ahead.
    let config = Config { workers: 1, in_flight_bytes: 1 << 20, ..Config::default() };
    let counted = millstream::run(&flow, config);
    let counted = counted.expect("everything is written");
    told(counted.step("orders").map_or(0, |step| step.records))
}

fn by_raw(arguments: &[String]) -> Seen {
    let prepared = prepare();
    let mut producer = RawProducer::new(&arguments[0], &arguments[1]);
    let mut n_records = 0;
    for (batch, _) in prepared.iter().cycle().zip(0..n_batches()) {
        producer.write(batch.iter().map(|record| (record.key(), record.value_or_empty())));
        n_records += batch.len() as u64;
    }
    producer.finish();
    told(n_records)
}

fn told(n_records: u64) -> Seen {
    Seen::from([("written".to_owned(), n_records)])
}
