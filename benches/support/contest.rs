//! Holds contenders against each other by what they cost: the runs of a round follow one another, each in a process of its own.
//!
//! A bench's `main` calls [`contest`]. Started by hand it starts itself once per run. Invariant: a result is printed only when
//! all contenders have seen the same.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints: its progress, and its result as the last line"
)]

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};

use serde_json::{Value, json};

use crate::run::{Contender, Run, Seen, figures, is_smoke, median, rounded, run_if_asked, spread};

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

/// A ratio: the cost of one contender over that of another, by index; and what it must keep.
pub(crate) struct Pair {
    pub(crate) of: usize,
    pub(crate) over: usize,
    pub(crate) limit: Option<f64>,
}

/// What runs need around them, and leave behind them.
pub(crate) trait Setting {
    /// Prepares a run and returns its arguments.
    fn prepare(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// What a run of the first round has left behind, to be equal for all contenders.
    fn left_behind(&mut self, _arguments: &[String]) -> Seen {
        Seen::new()
    }

    /// What is held against what: ours against every baseline.
    fn pairs(&self, contenders: &[Contender]) -> Vec<Pair> {
        let pair = |over: usize| Pair { of: 0, over, limit: contenders[over].limit };
        (1..contenders.len()).map(pair).collect()
    }

    /// Takes away what a run has left behind.
    fn tidy_up(&mut self, _arguments: &[String]) {}

    /// Takes away the rest.
    fn close(&mut self) {}
}

/// Nothing around the runs.
impl Setting for () {}

/// Runs the contest, or the one run that this process was started for. `open` is called only for the former; `None` is a broker
/// that is missing.
pub(crate) fn contest<S: Setting>(contest: &Contest, open: impl FnOnce() -> Option<S>) -> ExitCode {
    if run_if_asked(contest.contenders) {
        return ExitCode::SUCCESS;
    }
    let Some(mut setting) = open() else {
        println!("SKIPPED: {} needs MILLSTREAM_TEST_KAFKA", contest.name);
        return if is_smoke() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let rounds = contest.run_all(&mut setting);
    let pairs = setting.pairs(contest.contenders);
    setting.close();
    println!("{}", contest.result(&rounds, &pairs));
    ExitCode::SUCCESS
}

/// One run of each contender, in the order of the contenders.
type Round = Vec<Run>;

impl Contest {
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
            let arguments = setting.prepare();
            let mut run = start(name, &arguments);
            if round == 0 {
                run.seen.extend(setting.left_behind(&arguments));
            }
            setting.tidy_up(&arguments);
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

    /// The name of a ratio: the baseline's where it is ours, else both.
    fn name_of(&self, pair: &Pair) -> String {
        let (of, over) = (self.contenders[pair.of].name, self.contenders[pair.over].name);
        if pair.of == 0 { over.to_owned() } else { format!("{of} / {over}") }
    }

    fn result(&self, rounds: &[Round], pairs: &[Pair]) -> Value {
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
        for pair in pairs {
            let ratio = |round: &Round| self.cost(&round[pair.of]) / self.cost(&round[pair.over]);
            let (name, all) = (self.name_of(pair), rounds.iter().map(ratio));
            ratios.insert(name.clone(), rounded(median(all.clone())));
            spreads.insert(name.clone(), spread(all));
            limits.insert(name, pair.limit);
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
    assert!(output.status.success(), "{name} failed");
    figures(&output.stdout)
}
