//! What does reading from Pulsar into a dataflow cost, against reading with other clients?
//! needs: pulsar
//!
//! Unit: microseconds of processor time of the client, all its threads included, per record: 100 bytes with a key, one topic,
//! batches of 1,000, LZ4; everybody adds up all bytes of the values. Ours reads with positions of its own; `shared` through a
//! shared subscription, acknowledging what is durable. Baselines: a reader of the crate `pulsar`, its shared consumer with an
//! acknowledgement per message, a reader of the official Java client, and its shared consumer, which acknowledges what it got at once. Not measured: the broker.

#[path = "support/checksum.rs"]
mod checksum;
#[expect(dead_code, reason = "others use the rest")]
#[path = "support/contest.rs"]
mod contest;
#[path = "baselines/crate_client.rs"]
mod crate_client;
#[expect(dead_code, reason = "others use the rest")]
#[path = "support/hundred.rs"]
mod hundred;
#[path = "baselines/java_client.rs"]
mod java_client;
#[path = "support/pulsar_topics.rs"]
mod pulsar_topics;
#[path = "support/run.rs"]
mod run;

use std::process::ExitCode;

use contest::{Comparison, Contest, Setting, contest_of};
use millstream::prelude::*;
use millstream::pulsar::{self, Mode};
use pulsar_topics::{Summing, Topics};
use run::{Contender, Seen, scaled};

const CONTENDERS: &[Contender] = &[
    Contender { name: "ours", limit: None, run: |arguments| read(arguments, Mode::Reader) },
    Contender { name: "crate", limit: Some(0.8), run: by_crate },
    Contender { name: "java", limit: Some(0.45), run: by_java },
    Contender { name: "shared", limit: None, run: |arguments| read(arguments, Mode::Shared) },
    Contender { name: "crate_shared", limit: Some(0.8), run: by_shared_crate },
    Contender { name: "java_shared", limit: Some(0.45), run: by_shared_java },
];

/// Who is held against whom: the subject, then the baseline.
const COMPARISONS: [(usize, usize); 4] = [(0, 1), (0, 2), (3, 4), (3, 5)];

fn n_records() -> u64 {
    scaled(2_000_000, 5_000)
}

fn main() -> ExitCode {
    let contest = Contest {
        name: "pulsar_read",
        unit: "µs of CPU per record",
        units_per_second: 1e6,
        n_records: n_records(),
        n_rounds: 7,
        contenders: CONTENDERS,
    };
    let comparisons = COMPARISONS.map(|(subject, baseline)| Comparison {
        name: CONTENDERS[baseline].name,
        subject,
        baseline,
        of: |run| run.cpu_seconds,
        limit: CONTENDERS[baseline].limit,
    });
    contest_of(&contest, &comparisons, || {
        let mut topics = Topics::from_env()?;
        let from = topics.make("read");
        let mut numbers = 0..n_records();
        let next = move || numbers.next().map(|n| (hundred::key(n), hundred::value(n)));
        crate_client::write(&topics.broker, &from, "lz4", next);
        Some(Reads { broker: topics.broker, from })
    })
}

/// One topic that all runs read.
struct Reads {
    broker: String,
    from: String,
}

impl Setting for Reads {
    fn prepare(&mut self) -> Vec<String> {
        vec![self.broker.clone(), self.from.clone()]
    }
}

fn read(arguments: &[String], mode: Mode) -> Seen {
    let source = pulsar::Source::new(&arguments[0], &arguments[1])
        .with_mode(mode)
        .with_receiver_queue(10_000)
        .until_end();
    let source = match mode {
        Mode::Reader => source,
        // One of its own: it reads from the beginning, not from where the run before has come.
        _ => source.with_subscription(format!("bench-{}", std::process::id())),
    };
    let summing = Summing::default();
    let total = summing.total();
    let flow = Dataflow::new("read", move |flow| {
        let mut summing = summing.clone();
        flow.source("records", source.clone())
            .map(move |record| summing.add(record.value_or_empty()))
            .for_each(|()| {});
    });
    millstream::run(&flow, Config { workers: 1, ..Config::default() }).expect("the source ends");
    let sum = *total.lock().expect("nobody panicked");
    sum.seen()
}

fn by_crate(arguments: &[String]) -> Seen {
    pulsar_topics::contents(&arguments[0], &arguments[1], n_records())
}

fn by_shared_crate(arguments: &[String]) -> Seen {
    let mut summing = Summing::default();
    let total = summing.total();
    let see = move |value: &[u8]| summing.add(value);
    crate_client::read_shared(&arguments[0], &arguments[1], n_records(), see);
    let sum = *total.lock().expect("nobody panicked");
    sum.seen()
}

fn by_java(arguments: &[String]) -> Seen {
    peer("read", arguments)
}

fn by_shared_java(arguments: &[String]) -> Seen {
    peer("acks", arguments)
}

fn peer(command: &str, arguments: &[String]) -> Seen {
    let [broker, topic] = arguments else { panic!("{arguments:?}") };
    java_client::become_peer(&[
        command.to_owned(),
        format!("broker={broker}"),
        format!("topic={topic}"),
        format!("n={}", n_records()),
        "queue=10000".to_owned(),
    ])
}
