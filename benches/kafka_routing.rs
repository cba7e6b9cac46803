//! What does routing to 1,000 topics from a dataflow cost, against writing the same 1,000 topics with librdkafka's batch call?
//! needs: kafka
//!
//! Unit: microseconds of processor time of the client, all its threads included, per record of about 210 bytes, to 1,000
//! topics of one partition in random order, lz4, all confirmed. Ours finds each record's topic by its name, copies the prepared
//! records once more, and looks the topics up; the baseline knows every record's topic by its number. Not measured: what computes
//! a topic, the broker.

#[path = "support/bound.rs"]
mod bound;
#[path = "support/contest.rs"]
mod contest;
#[path = "support/many_topics.rs"]
mod many_topics;
#[path = "baselines/raw_router.rs"]
mod raw_router;
#[path = "support/replay.rs"]
mod replay;
#[path = "support/run.rs"]
mod run;

use std::process::ExitCode;

use bound::{N_PREPARED, N_RECORDS, copy, topic_of};
use contest::{Contest, Setting, contest};
use many_topics::{ManyTopics, PREFIX, n_topics};
use millstream::kafka::{self, TopicPolicy};
use millstream::prelude::*;
use millstream::source::Placement;
use raw_router::RawRouter;
use replay::Replay;
use run::{Contender, Seen, scaled};

const CONTENDERS: &[Contender] = &[
    Contender { name: "ours", limit: None, run: ours },
    Contender { name: "raw", limit: Some(1.1), run: by_raw },
];

fn n_batches() -> u64 {
    scaled(2000, N_PREPARED)
}

fn main() -> ExitCode {
    let routing = Contest {
        name: "kafka_routing",
        unit: "µs of CPU per record",
        units_per_second: 1e6,
        n_records: n_batches() * N_RECORDS,
        n_rounds: 7,
        contenders: CONTENDERS,
    };
    contest(&routing, || ManyTopics::from_env().map(Routes))
}

/// The same topics for all runs, which only grow.
struct Routes(ManyTopics);

impl Setting for Routes {
    fn prepare(&mut self) -> Vec<String> {
        self.0.remember_ends();
        vec![self.0.brokers.clone()]
    }

    fn left_behind(&mut self, _arguments: &[String]) -> Seen {
        self.0.written_since()
    }

    fn close(&mut self) {
        self.0.delete();
    }
}

fn ours(arguments: &[String]) -> Seen {
    let policy = TopicPolicy::prefix(PREFIX);
    let sink = kafka::Sink::routed(&arguments[0], policy);
    let sink = sink.with_compression(kafka::Compression::Lz4);
    let flow = Dataflow::new("routing", move |flow| {
        let prepare = || bound::prepare(PREFIX, n_topics());
        let n_batches = n_batches();
        let replay = Replay { prepare, n_batches, refill: copy, placement: Placement::Worker };
        flow.source("replay", replay).sink("topics", sink.clone());
    });
    let config = Config { workers: 1, in_flight_bytes: 1 << 20, ..Config::default() };
    let counted = millstream::run(&flow, config).expect("everything is written");
    told(counted.step("topics").map_or(0, |step| step.records))
}

fn by_raw(arguments: &[String]) -> Seen {
    let prepared = bound::prepare(PREFIX, n_topics());
    let names = (0..n_topics()).map(|topic| bound::name(PREFIX, topic));
    let mut router = RawRouter::new(&arguments[0], names);
    let mut n_records = 0;
    for (batch, n) in prepared.iter().cycle().zip(0..n_batches()) {
        let first = n % N_PREPARED * N_RECORDS;
        let topics = (first..first + N_RECORDS).map(|id| topic_of(id, n_topics()));
        router.write(topics.zip(batch.iter()).map(|(at, r)| (at, r.key(), r.value_or_empty())));
        n_records += batch.len() as u64;
    }
    router.finish();
    told(n_records)
}

fn told(n_records: u64) -> Seen {
    Seen::from([("written".to_owned(), n_records)])
}
