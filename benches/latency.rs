//! How long is a record on its way through a dataflow from Kafka to Kafka, against a plain loop?
//! needs: kafka
//!
//! Unit: milliseconds from before the record is sent to after its copy is received, at 10,000 records a second of about 150
//! bytes, 4 partitions, `linger` 1 ms, no compression. A process of its own sends and receives, the same for all; the program
//! under test parses, edits and writes each record. `ratio` compares the 99th percentiles, and what must be kept is a
//! difference: ours at most 3 ms above the loop's. Not measured: higher rates, the share of the broker.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints: its progress, and its result as the last line"
)]

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
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream::kafka;
use millstream::prelude::*;
use orders::Order;
use plain::PlainCopy;
use run::{Contender, Run, Seen, figures, is_smoke, median, rounded, run_if_asked, scaled, spread};
use serde_json::{Value, json};
use steady::{Latencies, Steady};
use topics::Topics;

/// What is held against the plain loop is not a ratio but so many milliseconds more.
const CONTENDERS: &[Contender] = &[
    Contender { name: "ours", limit: None, run: ours },
    Contender { name: "plain", limit: Some(3.0), run: by_plain },
];

const N_ROUNDS: usize = 5;
const LINGER_MS: &str = "1";

/// The latencies of one run, and what it cost.
struct Measured {
    latencies: Latencies,
    run: Run,
}

fn main() -> ExitCode {
    if run_if_asked(CONTENDERS) {
        return ExitCode::SUCCESS;
    }
    let Some(mut topics) = Topics::from_env() else {
        println!("SKIPPED: latency needs MILLSTREAM_TEST_KAFKA");
        return if is_smoke() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let n_rounds = if is_smoke() { 1 } else { N_ROUNDS };
    let rounds: Vec<[Measured; 2]> =
        (0..n_rounds).map(|round| measure_round(&mut topics, round)).collect();
    println!("{}", result(&rounds));
    ExitCode::SUCCESS
}

/// Both once, taking turns in going first.
fn measure_round(topics: &mut Topics, round: usize) -> [Measured; 2] {
    let first = round % 2;
    let one = measure(topics, CONTENDERS[first].name, round);
    let other = measure(topics, CONTENDERS[1 - first].name, round);
    if first == 0 { [one, other] } else { [other, one] }
}

fn measure(topics: &mut Topics, name: &str, round: usize) -> Measured {
    let (from, to) = (topics.make("in"), topics.make("out"));
    let program = start(name, &[&topics.brokers, &from, &to]);
    let steady = Steady {
        brokers: &topics.brokers,
        from: &from,
        to: &to,
        per_second: scaled(10_000, 1000),
        warm_up: Duration::from_secs(scaled(4, 1)),
        seconds: scaled(10, 2),
    };
    let latencies = steady.measure();
    let run = stop(program);
    eprintln!(
        "round {round}: {name} p50 {:.2} ms, p99 {:.2} ms, {:.2} s of CPU",
        latencies.p50_ms, latencies.p99_ms, run.cpu_seconds
    );
    topics.delete(&from);
    topics.delete(&to);
    Measured { latencies, run }
}

/// Starts the program under test; it works until its standard input ends.
fn start(name: &str, arguments: &[&str]) -> Child {
    let this = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(this);
    command.args(["--run", name]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("this program can be started again")
}

fn stop(mut program: Child) -> Run {
    drop(program.stdin.take());
    let output = program.wait_with_output().expect("the program ends");
    assert!(output.status.success(), "the program under test failed");
    figures(&output.stdout)
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

fn ours(arguments: &[String]) -> Seen {
    let [brokers, from, to] = arguments else { panic!("three arguments") };
    let source = kafka::Source::new(brokers, from).with_group(to);
    let sink = kafka::Sink::new(brokers, to).with_linger(Duration::from_millis(1));
    let flow = Dataflow::new("latency", move |flow| {
        flow.source("orders", source.clone())
            .deserialize(json::<Order>())
            .filter(job::is_large)
            .map(job::double)
            .serialize(json())
            .errors_fail()
            .sink("copies", sink.clone());
    });
    let config = Config { workers: 1, epoch: Duration::from_millis(5), ..Config::default() };
    let running = millstream::start(&flow, config).expect("the dataflow starts");
    drop(std::io::stdin().read(&mut [0]));
    running.stop();
    running.wait().expect("the dataflow stops");
    Seen::new()
}

fn by_plain(arguments: &[String]) -> Seen {
    let [brokers, from, to] = arguments else { panic!("three arguments") };
    let asked = stop_asked();
    let copy = PlainCopy { brokers, from, to, linger_ms: LINGER_MS, compression: "none" };
    copy.run(false, || !asked.load(Ordering::Relaxed));
    Seen::new()
}

fn result(rounds: &[[Measured; 2]]) -> Value {
    let over = |at: usize, of: fn(&Measured) -> f64| {
        rounded(median(rounds.iter().map(|round| of(&round[at]))))
    };
    let p99 = |measured: &Measured| measured.latencies.p99_ms;
    let p50 = |measured: &Measured| measured.latencies.p50_ms;
    let cpu = |measured: &Measured| measured.run.cpu_seconds;
    let resident = |measured: &Measured| measured.run.resident_mb;
    let pairs = rounds.iter().map(|[ours, plain]| p99(ours) / p99(plain));
    let differences = rounds.iter().map(|[ours, plain]| p99(ours) - p99(plain));
    let ratio = rounded(median(pairs.clone()));
    json!({
        "name": "latency",
        "ours": over(0, p99),
        "baseline": over(1, p99),
        "ratio": ratio,
        "ratios": {"plain": ratio},
        "unit": "ms at the 99th percentile",
        "runs": rounds.len(),
        "spread": spread(pairs),
        "p99_ms_ours": over(0, p99),
        "p99_ms_baseline": over(1, p99),
        "p99_ms_difference": rounded(median(differences)),
        "p99_ms_difference_limit": CONTENDERS[1].limit,
        "p50_ms_ours": over(0, p50),
        "p50_ms_baseline": over(1, p50),
        "cpu_seconds": {"ours": over(0, cpu), "plain": over(1, cpu)},
        "resident_mb": {"ours": over(0, resident), "plain": over(1, resident)},
    })
}
