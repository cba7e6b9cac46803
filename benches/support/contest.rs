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

/// Which figures of two contenders are held against each other, round by round.
pub(crate) struct Comparison {
    pub(crate) name: &'static str,
    /// Who, and against whom: places among the contenders.
    pub(crate) subject: usize,
    pub(crate) baseline: usize,
    pub(crate) of: fn(&Run) -> f64,
    pub(crate) limit: Option<f64>,
}

impl Comparison {
    fn ratios(&self, rounds: &[Round]) -> impl Iterator<Item = f64> + Clone {
        rounds
            .iter()
            .map(|round| (self.of)(&round[self.subject]) / (self.of)(&round[self.baseline]))
    }
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
    fn prepare(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// What a run of the first round has left behind, to be equal for all contenders.
    fn left_behind(&mut self, _arguments: &[String]) -> Seen {
        Seen::new()
    }

    /// Takes away what a run has left behind.
    fn tidy_up(&mut self, _arguments: &[String]) {}

    /// Takes away the rest.
    fn close(&mut self) {}
}

/// Nothing around the runs.
impl Setting for () {}

/// Runs the contest, or the one run that this process was started for. `open` is called only for the former; `None` is a broker
/// that is missing. Every contender's cost is compared with the first one's.
pub(crate) fn contest<S: Setting>(contest: &Contest, open: impl FnOnce() -> Option<S>) -> ExitCode {
    let with_baseline = |(baseline, contender): (usize, &Contender)| Comparison {
        name: contender.name,
        subject: 0,
        baseline,
        of: |run| run.cpu_seconds,
        limit: contender.limit,
    };
    let comparisons: Vec<_> =
        contest.contenders.iter().enumerate().skip(1).map(with_baseline).collect();
    contest_of(contest, &comparisons, open)
}

/// The same, with comparisons of the bench's own; `ratio` in the result is that of the first, which must be about costs.
pub(crate) fn contest_of<S: Setting>(
    contest: &Contest,
    comparisons: &[Comparison],
    open: impl FnOnce() -> Option<S>,
) -> ExitCode {
    if run_if_asked(contest.contenders) {
        return ExitCode::SUCCESS;
    }
    let Some(mut setting) = open() else {
        println!("SKIPPED: {} needs a broker that is not there", contest.name);
        return if is_smoke() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let rounds = contest.run_all(&mut setting);
    setting.close();
    println!("{}", contest.result(&rounds, comparisons));
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

    fn result(&self, rounds: &[Round], comparisons: &[Comparison]) -> Value {
        let by_name = |of: &dyn Fn(&Run) -> f64| -> BTreeMap<&str, f64> {
            let median_of = |at: usize| rounded(median(rounds.iter().map(|round| of(&round[at]))));
            self.contenders
                .iter()
                .enumerate()
                .map(|(at, contender)| (contender.name, median_of(at)))
                .collect()
        };
        let costs = by_name(&|run| self.cost(run));
        let ratios: BTreeMap<_, _> =
            comparisons.iter().map(|c| (c.name, rounded(median(c.ratios(rounds))))).collect();
        let spreads: BTreeMap<_, _> =
            comparisons.iter().map(|c| (c.name, spread(c.ratios(rounds)))).collect();
        let limits: BTreeMap<_, _> = comparisons.iter().map(|c| (c.name, c.limit)).collect();
        let first = &comparisons[0];
        json!({
            "name": self.name,
            "ours": costs[self.contenders[first.subject].name],
            "baseline": costs[self.contenders[first.baseline].name],
            "ratio": ratios[first.name],
            "ratios": ratios,
            "limits": limits,
            "unit": self.unit,
            "runs": rounds.len(),
            "spread": spreads[first.name],
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
