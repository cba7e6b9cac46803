//! What do bad records cost, which leave on an error stream and end as dead letters?
//! needs: kafka
//!
//! Unit: microseconds of processor time of the client, librdkafka's threads included, per record read. One flow, with its
//! dead-letter sink, reads JSON of about 150 bytes in 4 partitions, parses it, drops one in ten, edits a field, writes it under
//! its key, lz4 both ways; of its records none, 1 % or 50 % have text where a number should be. The flow without bad records is
//! the baseline of the others, and is itself held against one loop on librdkafka's batch calls. Not measured: the broker.

#[path = "support/checksum.rs"]
mod checksum;
#[path = "support/contents.rs"]
mod contents;
#[path = "support/contest.rs"]
#[expect(dead_code, reason = "other benches compare every contender with the first")]
mod contest;
#[path = "support/job.rs"]
mod job;
#[path = "support/orders.rs"]
mod orders;
#[path = "baselines/raw_consumer.rs"]
mod raw_consumer;
#[path = "baselines/raw_copy.rs"]
mod raw_copy;
#[path = "baselines/raw_producer.rs"]
mod raw_producer;
#[path = "support/run.rs"]
mod run;
#[path = "support/spoiled.rs"]
mod spoiled;
#[path = "support/topics.rs"]
mod topics;

use std::process::ExitCode;

use contest::{Comparison, Contest, Setting, contest_of};
use millstream::kafka;
use millstream::prelude::*;
use orders::Order;
use run::{Contender, Seen, scaled};
use topics::Topics;

const CONTENDERS: &[Contender] = &[
    Contender { name: "one_percent", limit: None, run: |arguments| ours(arguments, 1) },
    Contender { name: "no_errors", limit: None, run: |arguments| ours(arguments, 0) },
    Contender { name: "half", limit: None, run: |arguments| ours(arguments, 50) },
    Contender { name: "raw", limit: None, run: by_raw },
];

const COMPARISONS: &[Comparison] = &[
    costs("one_percent / no_errors", 0, 1, 1.05),
    costs("half / no_errors", 2, 1, 1.6),
    costs("no_errors / raw", 1, 3, 1.1),
];

const fn costs(name: &'static str, subject: usize, baseline: usize, limit: f64) -> Comparison {
    Comparison { name, subject, baseline, of: |run| run.cpu_seconds, limit: Some(limit) }
}

/// Bad records of a hundred, by topic.
const SHARES: [u64; 3] = [0, 1, 50];

fn main() -> ExitCode {
    let errors = Contest {
        name: "error_stream",
        unit: "µs of CPU per record",
        units_per_second: 1e6,
        n_records: n_records(),
        n_rounds: 9,
        contenders: CONTENDERS,
    };
    contest_of(&errors, COMPARISONS, || {
        let mut topics = Topics::from_env()?;
        let from = SHARES.map(|n_bad| spoiled::fill(&mut topics, n_records(), n_bad));
        Some(Copies { topics, from, copied: Vec::new() })
    })
}

fn n_records() -> u64 {
    scaled(2_000_000, 5000)
}

/// A topic to read per share of bad records, and two fresh ones to write for every run.
struct Copies {
    topics: Topics,
    from: [String; 3],
    /// What the runs of the first round have copied, in the order of the contenders.
    copied: Vec<Seen>,
}

impl Setting for Copies {
    fn prepare(&mut self) -> Vec<String> {
        let (to, rejected) = (self.topics.make("copy"), self.topics.make("rejected"));
        let mut arguments = vec![self.topics.brokers.clone(), to, rejected];
        arguments.extend_from_slice(&self.from);
        arguments
    }

    /// Contenders read different topics, so what they leave behind is compared in the end, where it must be equal.
    fn left_behind(&mut self, arguments: &[String]) -> Seen {
        self.copied.push(contents::contents(&self.topics.brokers, &arguments[1]));
        Seen::new()
    }

    fn tidy_up(&mut self, arguments: &[String]) {
        self.topics.delete(&arguments[1]);
        self.topics.delete(&arguments[2]);
    }

    fn close(&mut self) {
        assert_eq!(
            self.copied[1], self.copied[3],
            "the flow without errors copies what the loop does"
        );
        self.from.iter().for_each(|topic| self.topics.delete(topic));
    }
}

fn ours(arguments: &[String], n_bad: u64) -> Seen {
    let [brokers, to, rejected, from @ ..] = arguments else { panic!("six arguments") };
    let at = SHARES.iter().position(|share| *share == n_bad).expect("there is such a topic");
    // A group of its own: it reads from the beginning, not from where the run before has come.
    let source = kafka::Source::new(brokers, &from[at]).with_group(to).until_end();
    let sink = |topic| kafka::Sink::new(brokers, topic).with_compression(kafka::Compression::Lz4);
    let (copies, letters) = (sink(to), sink(rejected));
    let flow = Dataflow::new("copy", move |flow| {
        let (good, bad) = flow
            .source("orders", source.clone())
            .deserialize(json::<Order>())
            .filter(job::is_large)
            .map(job::double)
            .serialize(json())
            .split_errors();
        good.sink("copies", copies.clone());
        bad.dead_letters("rejected", letters.clone());
    });
    let counted = millstream::run(&flow, Config { workers: 1, ..Config::default() });
    let counted = counted.expect("the copy ends");
    let of = |step: &str| counted.step(step).map_or(0, |step| step.records);
    assert_eq!(of("rejected"), spoiled::n_spoiled(n_records(), n_bad), "bad records are set aside");
    told(of("orders"))
}

fn by_raw(arguments: &[String]) -> Seen {
    let [brokers, to, _, from, ..] = arguments else { panic!("six arguments") };
    told(raw_copy::run(brokers, from, to).0)
}

fn told(n_read: u64) -> Seen {
    Seen::from([("read".to_owned(), n_read)])
}
