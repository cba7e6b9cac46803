//! Holds two programs against each other by how long records are on their way through them, at the same steady load.
//!
//! A bench's `main` calls [`duel`]. Started by hand it starts itself once per run.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints: its progress, and its result as the last line"
)]

use std::io::Read as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use millstream::kafka;
use millstream::prelude::*;
use serde_json::{Value, json as object};

use crate::job;
use crate::orders::Order;
use crate::run::{
    Contender, Run, Seen, figures, is_smoke, median, rounded, run_if_asked, scaled, spread,
};
use crate::steady::{Latencies, Steady};
use crate::topics::Topics;

/// A question, and what must be kept at the 99th percentile.
pub(crate) struct Duel {
    pub(crate) name: &'static str,
    /// Ours, then the baseline.
    pub(crate) contenders: &'static [Contender; 2],
    /// What ours may take longer.
    pub(crate) difference_limit_ms: Option<f64>,
}

const N_ROUNDS: usize = 5;

/// Rounds that do not count: a new broker takes a second and more for its first records, whoever sends them.
const N_WARM_ROUNDS: usize = 1;

/// The latencies of one run, and what it cost.
struct Measured {
    latencies: Latencies,
    run: Run,
}

/// Runs the duel, or the one run that this process was started for.
pub(crate) fn duel(duel: &Duel) -> ExitCode {
    if run_if_asked(duel.contenders) {
        return ExitCode::SUCCESS;
    }
    let Some(mut topics) = Topics::from_env() else {
        println!("SKIPPED: {} needs MILLSTREAM_TEST_KAFKA", duel.name);
        return if is_smoke() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let (n_rounds, n_warm) = if is_smoke() { (1, 0) } else { (N_ROUNDS, N_WARM_ROUNDS) };
    let mut rounds: Vec<[Measured; 2]> =
        (0..n_warm + n_rounds).map(|round| duel.measure_round(&mut topics, round)).collect();
    rounds.drain(..n_warm);
    println!("{}", duel.result(&rounds));
    ExitCode::SUCCESS
}

impl Duel {
    /// Both once, taking turns in going first.
    fn measure_round(&self, topics: &mut Topics, round: usize) -> [Measured; 2] {
        let first = round % 2;
        let one = measure(topics, self.contenders[first].name, round);
        let other = measure(topics, self.contenders[1 - first].name, round);
        if first == 0 { [one, other] } else { [other, one] }
    }

    fn result(&self, rounds: &[[Measured; 2]]) -> Value {
        let over = |at: usize, of: fn(&Measured) -> f64| {
            rounded(median(rounds.iter().map(|round| of(&round[at]))))
        };
        let p99 = |measured: &Measured| measured.latencies.p99_ms;
        let p50 = |measured: &Measured| measured.latencies.p50_ms;
        let cpu = |measured: &Measured| measured.run.cpu_seconds;
        let resident = |measured: &Measured| measured.run.resident_mb;
        let pairs = rounds.iter().map(|[ours, baseline]| p99(ours) / p99(baseline));
        let differences = rounds.iter().map(|[ours, baseline]| p99(ours) - p99(baseline));
        let ratio = rounded(median(pairs.clone()));
        let [ours, baseline] = self.contenders.each_ref().map(|contender| contender.name);
        object!({
            "name": self.name,
            "ours": over(0, p99),
            "baseline": over(1, p99),
            "ratio": ratio,
            "ratios": {baseline: ratio},
            "limits": {baseline: self.contenders[1].limit},
            "unit": "ms at the 99th percentile",
            "runs": rounds.len(),
            "spread": spread(pairs),
            "p99_ms_ours": over(0, p99),
            "p99_ms_baseline": over(1, p99),
            "p99_ms_difference": rounded(median(differences)),
            "p99_ms_difference_limit": self.difference_limit_ms,
            "p50_ms_ours": over(0, p50),
            "p50_ms_baseline": over(1, p50),
            "cpu_seconds": {ours: over(0, cpu), baseline: over(1, cpu)},
            "resident_mb": {ours: over(0, resident), baseline: over(1, resident)},
        })
    }
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

/// Copies as a dataflow until standard input ends.
pub(crate) fn by_dataflow(source: kafka::Source, sink: kafka::Sink, config: Config) -> Seen {
    let flow = Dataflow::new("latency", move |flow| {
        flow.source("orders", source.clone())
            .deserialize(json::<Order>())
            .filter(job::is_large)
            .map(job::double)
            .serialize(json())
            .errors_fail()
            .sink("copies", sink.clone());
    });
    let running = millstream::start(&flow, config).expect("the dataflow starts");
    drop(std::io::stdin().read(&mut [0]));
    running.stop();
    running.wait().expect("the dataflow stops");
    Seen::new()
}
