//! What does reading from Kafka into a dataflow add to reading with librdkafka's batch call?
//! needs: kafka
//!
//! Unit: microseconds of processor time of the client, librdkafka's threads included, per record: about 150 bytes in 4
//! partitions, lz4; both sides add up all bytes of key and value. Baseline: one loop on the batch call. Not measured: the broker.

#[path = "support/checksum.rs"]
mod checksum;
#[path = "support/contest.rs"]
mod contest;
#[path = "support/filled.rs"]
mod filled;
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
use std::sync::Mutex;

use checksum::checksum;
use contest::{Contest, Setting, contest};
use millstream::kafka;
use millstream::prelude::*;
use raw_consumer::RawConsumer;
use run::{Contender, Seen, scaled};
use topics::Topics;

const CONTENDERS: &[Contender] = &[
    Contender { name: "ours", limit: None, run: ours },
    Contender { name: "raw", limit: Some(1.35), run: by_raw },
];

fn main() -> ExitCode {
    let read = Contest {
        name: "kafka_read",
        unit: "µs of CPU per record",
        units_per_second: 1e6,
        n_records: scaled(5_000_000, 5000),
        n_rounds: 9,
        contenders: CONTENDERS,
    };
    contest(&read, || {
        let mut topics = Topics::from_env()?;
        let from = filled::fill(&mut topics, read.n_records);
        Some(Reads { topics, from })
    })
}

/// One topic that all runs read.
struct Reads {
    topics: Topics,
    from: String,
}

impl Setting for Reads {
    fn prepare(&mut self) -> Vec<String> {
        vec![self.topics.brokers.clone(), self.from.clone()]
    }

    fn close(&mut self) {
        self.topics.delete(&self.from);
    }
}

/// Number and sum of what was read, once the dataflow has let go of the closure that counted.
static COUNTED: Mutex<(u64, u64)> = Mutex::new((0, 0));

#[derive(Default)]
struct Counting(u64, u64);

impl Counting {
    fn count(&mut self, sum: u64) {
        self.0 += 1;
        self.1 = self.1.wrapping_add(sum);
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        *COUNTED.lock().expect("nobody panicked") = (self.0, self.1);
    }
}

fn ours(arguments: &[String]) -> Seen {
    let source = kafka::Source::new(&arguments[0], &arguments[1]);
    // A group of its own: it reads from the beginning, not from where the run before has come.
    let group = format!("bench-{}", std::process::id());
    let source = source.with_group(group).until_end();
    let flow = Dataflow::new("read", move |flow| {
        let mut counting = Counting::default();
        flow.source("orders", source.clone())
            .map(|record| sum(record.key(), record.value_or_empty()))
            .for_each(move |sum| counting.count(sum));
    });
    millstream::run(&flow, Config { workers: 1, ..Config::default() }).expect("the source ends");
    let counted = *COUNTED.lock().expect("nobody panicked");
    told(counted)
}

fn by_raw(arguments: &[String]) -> Seen {
    let mut consumer = RawConsumer::new(&arguments[0], &arguments[1]);
    let (mut n_records, mut all) = (0, 0_u64);
    while let Some(messages) = consumer.take() {
        for message in messages {
            n_records += 1;
            all = all.wrapping_add(sum(message.key(), message.value()));
        }
    }
    told((n_records, all))
}

#[inline]
fn sum(key: Option<&[u8]>, value: &[u8]) -> u64 {
    checksum(key.unwrap_or_default()).wrapping_add(checksum(value))
}

fn told((n_records, sum): (u64, u64)) -> Seen {
    Seen::from([("records".to_owned(), n_records), ("sum".to_owned(), sum)])
}
