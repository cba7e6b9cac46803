//! Holds contenders against each other: every run is a process of its own, and the runs of a round follow one another.
//!
//! A bench's `main` calls [`contest`]. Started by hand it starts itself once per run with `--run CONTENDER ARGUMENTS…`, so that
//! processor time, peak memory and the allocator's state belong to that run alone, threads of client libraries included.
//! Invariant: a result is printed only when all contenders have seen the same.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints: its progress, and its result as the last line"
)]

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a run has seen, by name: counts and checksums that must be equal for all contenders.
pub(crate) type Seen = BTreeMap<String, u64>;

/// One way to do the work.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// The ratio of ours to this one that must be kept; infinite for ours.
    pub(crate) limit: f64,
    /// Does the work with the arguments that [`Setting::prepare`] gave.
    pub(crate) run: fn(&[String]) -> Seen,
}

/// A question and who is to answer it.
pub(crate) struct Contest {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// How many units one processor second has.
    pub(crate) units_per_second: f64,
    /// Records that one run handles: what a cost is divided by.
    pub(crate) n_records: u64,
    pub(crate) n_rounds: usize,
    /// Ours first, then the baselines, the one that `ratio` speaks of first.
    pub(crate) contenders: &'static [Contender],
}

/// What runs need around them, and leave behind them.
pub(crate) trait Setting {
    /// Prepares a run and returns its arguments.
    fn prepare(&mut self, _contender: &str, _round: usize) -> Vec<String> {
        Vec::new()
    }

    /// What a run of the first round has left behind, to be equal for all contenders.
    fn left_behind(&mut self, _arguments: &[String]) -> Seen {
        Seen::new()
    }
}

/// Nothing around the runs.
impl Setting for () {}

#[derive(Debug, Serialize, Deserialize)]
struct Run {
    cpu_seconds: f64,
    wall_seconds: f64,
    resident_mb: f64,
    seen: Seen,
}

/// Whether this is the brief run that only shows that the bench works.
pub(crate) fn is_smoke() -> bool {
    std::env::var_os("MILLSTREAM_BENCH_SMOKE").is_some()
}

/// `full`, or `smoke` in a brief run.
pub(crate) fn scaled<N>(full: N, smoke: N) -> N {
    if is_smoke() { smoke } else { full }
}

/// Runs the contest, or the one run that this process was started for. `open` is called only for the former.
pub(crate) fn contest<S: Setting>(contest: &Contest, open: impl FnOnce() -> S) -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--run") {
        contest.run_one(&arguments[at + 1], &arguments[at + 2..]);
        return ExitCode::SUCCESS;
    }
    let rounds = contest.run_all(&mut open());
    println!("{}", contest.result(&rounds));
    ExitCode::SUCCESS
}

/// One run of each contender, in the order of the contenders.
type Round = Vec<Run>;

impl Contest {
    fn run_one(&self, name: &str, arguments: &[String]) {
        let started = Instant::now();
        let contender = self.contenders.iter().find(|c| c.name == name);
        let contender = contender.expect("the parent names a contender");
        let seen = (contender.run)(arguments);
        let wall_seconds = started.elapsed().as_secs_f64();
        let (cpu_seconds, resident_mb) = usage();
        let run = Run { cpu_seconds, wall_seconds, resident_mb, seen };
        println!("{}", json!(run));
    }

    fn run_all(&self, setting: &mut impl Setting) -> Vec<Round> {
        let n_rounds = if is_smoke() { 1 } else { self.n_rounds };
        (0..n_rounds).map(|round| self.run_round(round, setting)).collect()
    }

    /// Everybody once, ours and the baselines taking turns in going first.
    fn run_round(&self, round: usize, setting: &mut impl Setting) -> Round {
        let n = self.contenders.len();
        let mut runs: Vec<Option<Run>> = (0..n).map(|_| None).collect();
        for turn in 0..n {
            let at = (round + turn) % n;
            let name = self.contenders[at].name;
            let arguments = setting.prepare(name, round);
            let mut run = start(name, &arguments);
            if round == 0 {
                run.seen.extend(setting.left_behind(&arguments));
            }
            eprintln!(
                "round {round}: {name} {:.3} {}, {:.2} s of CPU, {:.2} s wall, {:.0} MB",
                self.cost(&run),
                self.unit,
                run.cpu_seconds,
                run.wall_seconds,
                run.resident_mb
            );
            runs[at] = Some(run);
        }
        let runs: Round = runs.into_iter().flatten().collect();
        for (run, contender) in runs.iter().zip(self.contenders) {
            assert_eq!(
                run.seen, runs[0].seen,
                "{} and {} have seen different things",
                contender.name, self.contenders[0].name
            );
        }
        runs
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn cost(&self, run: &Run) -> f64 {
        run.cpu_seconds * self.units_per_second / self.n_records as f64
    }

    fn result(&self, rounds: &[Round]) -> Value {
        let by_name = |of: &dyn Fn(&Run) -> f64| -> BTreeMap<&str, f64> {
            let median_of = |at: usize| rounded(median(rounds.iter().map(|round| of(&round[at]))));
            self.contenders
                .iter()
                .enumerate()
                .map(|(at, contender)| (contender.name, median_of(at)))
                .collect()
        };
        let costs = by_name(&|run| self.cost(run));
        let mut ratios = BTreeMap::new();
        let mut spreads = BTreeMap::new();
        let mut limits = BTreeMap::new();
        for (at, baseline) in self.contenders.iter().enumerate().skip(1) {
            let pairs = rounds.iter().map(|round| self.cost(&round[0]) / self.cost(&round[at]));
            ratios.insert(baseline.name, rounded(median(pairs.clone())));
            spreads.insert(baseline.name, spread(pairs));
            limits.insert(baseline.name, baseline.limit);
        }
        let first = self.contenders[1].name;
        json!({
            "name": self.name,
            "ours": costs[self.contenders[0].name],
            "baseline": costs[first],
            "ratio": ratios[first],
            "ratios": ratios,
            "limits": limits,
            "unit": self.unit,
            "runs": rounds.len(),
            "spread": spreads[first],
            "spreads": spreads,
            "records": self.n_records,
            "costs": costs,
            "cpu_seconds": by_name(&|run| run.cpu_seconds),
            "wall_seconds": by_name(&|run| run.wall_seconds),
            "resident_mb": by_name(&|run| run.resident_mb),
        })
    }
}

/// Starts this program again for one run and waits for what it prints.
fn start(name: &str, arguments: &[String]) -> Run {
    let this = std::env::current_exe().expect("this program has a path");
    let output = Command::new(this)
        .args(["--run", name])
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .expect("this program can be started again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{name} failed: {text}");
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).expect("a run prints its figures as its last line")
}

/// Processor seconds of all threads of this process, and its peak resident memory in megabytes.
#[expect(unsafe_code, reason = "the standard library does not tell what a process has used")]
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn usage() -> (f64, f64) {
    // SAFETY: `getrusage` fills the structure that it is given, for which all zeroes is a valid value.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    (cpu_seconds, usage.ru_maxrss as f64 / 1000.0)
}

/// The middle value; of two middle ones their mean.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// The smallest and the largest, for people.
fn spread(values: impl Iterator<Item = f64> + Clone) -> String {
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let most = values.fold(0.0, f64::max);
    format!("{least:.3}–{most:.3}")
}

/// Four digits after the point: more would be noise.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
