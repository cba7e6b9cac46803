//! Runs scenarios one after the other, and reports them in the words of cargo's own harness.

use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use crate::cluster::Cluster;
use crate::rng::Rng;
use crate::scenarios::SCENARIOS;
use crate::scratch;

/// A scenario: its loops in CI and in full, and what it does.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) loops: (u64, u64),
    pub(crate) needs: Needs,
    pub(crate) run: fn(&Stage),
}

/// What a scenario needs of its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    Kafka,
}

/// What a running scenario is given.
pub(crate) struct Stage<'a> {
    pub(crate) name: &'static str,
    pub(crate) loops: u64,
    /// Whether the counts are the full ones.
    pub(crate) full: bool,
    pub(crate) seed: u64,
    world: &'a World,
}

impl Stage<'_> {
    pub(crate) fn rng(&self) -> Rng {
        Rng::new(self.seed)
    }

    /// The broker that all tests share: neither killed nor frozen.
    pub(crate) fn shared(&self) -> &Cluster {
        self.world.shared.as_ref().expect("scenarios that need Kafka say so")
    }

    /// A broker to be killed and frozen.
    pub(crate) fn spare(&self) -> &Cluster {
        let spare = self.world.spare.get_or_init(|| Cluster::start_own("spare"));
        spare.repair();
        spare
    }

    /// Three brokers to be killed, with every partition on each.
    pub(crate) fn three(&self) -> &Cluster {
        let three = self.world.three.get_or_init(|| Cluster::start_three("three"));
        three.repair();
        three
    }

    /// A topic's or dataflow's name, used once.
    pub(crate) fn fresh(&self, what: &str) -> String {
        format!("{}-{what}-{:x}-{}", self.name, self.seed & 0xffff_ffff, std::process::id())
    }

    /// Says how far the scenario is.
    pub(crate) fn say(&self, text: &str) {
        println!("  {}: {text}", self.name);
    }
}

struct World {
    shared: Option<Cluster>,
    spare: OnceCell<Cluster>,
    three: OnceCell<Cluster>,
}

#[derive(Debug, Default)]
struct Arguments {
    names: Vec<String>,
    loops: Option<u64>,
    seed: Option<u64>,
    full: bool,
    list: bool,
}

impl Arguments {
    /// Takes ours; those of cargo's own harness are passed over.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut parsed = Self::default();
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let text = arguments.next();
                text.and_then(|text| text.parse().ok())
                    .unwrap_or_else(|| panic!("{argument} takes a whole number"))
            };
            match argument.as_str() {
                "--loops" => parsed.loops = Some(number()),
                "--seed" => parsed.seed = Some(number()),
                "--test-threads" => drop(arguments.next()),
                "--full" => parsed.full = true,
                "--list" => parsed.list = true,
                flag if flag.starts_with("--") => {}
                _ => parsed.names.push(argument),
            }
        }
        parsed
    }

    fn wants(&self, scenario: &Scenario) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| scenario.name.contains(name))
    }
}

/// How a scenario ended.
enum Outcome {
    Passed,
    Failed,
    Skipped(String),
}

/// Runs what the arguments ask for.
pub(crate) fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let arguments = Arguments::parse(arguments);
    let wanted: Vec<&Scenario> = SCENARIOS.iter().filter(|s| arguments.wants(s)).collect();
    if arguments.list {
        for scenario in wanted {
            println!("{}: test", scenario.name);
        }
        return ExitCode::SUCCESS;
    }
    let seed = arguments.seed.unwrap_or_else(Rng::fresh_seed);
    println!("\nrunning {} tests", wanted.len());
    println!("seed {seed}: `--seed {seed}` repeats this choice of delays");
    let address = std::env::var("MILLSTREAM_TEST_KAFKA").ok();
    let world = World {
        shared: address.as_deref().map(Cluster::shared),
        spare: OnceCell::new(),
        three: OnceCell::new(),
    };
    let started = Instant::now();
    let mut outcomes = Vec::new();
    for scenario in wanted {
        let stage = Stage {
            name: scenario.name,
            loops: arguments.loops.unwrap_or(if arguments.full {
                scenario.loops.1
            } else {
                scenario.loops.0
            }),
            full: arguments.full,
            seed,
            world: &world,
        };
        outcomes.push((scenario.name, perform(scenario, &stage)));
    }
    drop(world);
    summarise(&outcomes, started)
}

fn perform(scenario: &Scenario, stage: &Stage) -> Outcome {
    let begin = Instant::now();
    let outcome = if scenario.needs == Needs::Kafka && stage.world.shared.is_none() {
        missing("MILLSTREAM_TEST_KAFKA names no broker: see scripts/brokers")
    } else if scenario.needs == Needs::Kafka && !exists("kcat") {
        missing("kcat is not installed: see scripts/setup")
    } else if catch_unwind(AssertUnwindSafe(|| (scenario.run)(stage))).is_ok() {
        Outcome::Passed
    } else {
        Outcome::Failed
    };
    let word = match &outcome {
        Outcome::Passed | Outcome::Skipped(_) => "ok",
        Outcome::Failed => "FAILED",
    };
    let seconds = begin.elapsed().as_secs_f64();
    println!("test {} ... {word}", scenario.name);
    println!("  {}: {seconds:.1} s", scenario.name);
    outcome
}

/// Skips, visibly; with CI set, what is missing is a failure.
fn missing(what: &str) -> Outcome {
    if std::env::var_os("CI").is_some() {
        println!("{what}, and CI is set");
        return Outcome::Failed;
    }
    Outcome::Skipped(what.to_owned())
}

fn exists(program: &str) -> bool {
    let found = std::process::Command::new(program).arg("-V").output();
    found.is_ok()
}

fn summarise(outcomes: &[(&'static str, Outcome)], started: Instant) -> ExitCode {
    println!("\nsuccesses:");
    for (name, outcome) in outcomes {
        if let Outcome::Skipped(why) = outcome {
            println!("\n---- {name} stdout ----\nSKIPPED: {why}");
        }
    }
    let failed: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome)| matches!(outcome, Outcome::Failed))
        .map(|(name, _)| name)
        .collect();
    if !failed.is_empty() {
        println!("\nfailures:");
        for name in &failed {
            println!("    {name}");
        }
    }
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {} passed; {} failed; 0 ignored; 0 measured; 0 filtered out; finished in {:.2}s\n",
        outcomes.len() - failed.len(),
        failed.len(),
        started.elapsed().as_secs_f64()
    );
    if failed.is_empty() {
        scratch::clear();
        return ExitCode::SUCCESS;
    }
    println!("logs and dumps: {}", scratch::folder().display());
    ExitCode::FAILURE
}
