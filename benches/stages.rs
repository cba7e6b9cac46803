//! What does the engine add to a loop written by hand, when five stages are fused and errors leave on a stream of their own?
//!
//! Unit: nanoseconds of processor time per record of 216 bytes, one worker; one record in a hundred fails and leaves with its
//! bytes, the step and the reason as text. Baselines: the same as one loop over the same batches, and as one stock timely
//! operator per closure. Not measured: reading from anywhere, writing to anywhere, more than one worker.

#[path = "support/contest.rs"]
mod contest;
#[path = "support/events.rs"]
mod events;
#[path = "support/replay.rs"]
mod replay;
#[path = "support/run.rs"]
mod run;
#[path = "baselines/stages_loop.rs"]
mod stages_loop;
#[path = "baselines/stages_stock.rs"]
mod stages_stock;
#[path = "support/steps.rs"]
mod steps;
#[path = "support/swap.rs"]
mod swap;
#[path = "support/tally.rs"]
mod tally;

use std::process::ExitCode;

use contest::{Contest, contest};
use millstream::prelude::*;
use millstream::source::Placement;
use replay::Replay;
use run::{Contender, Seen, scaled};
use swap::swap;
use tally::{Tallies, Tally};

const CONTENDERS: &[Contender] = &[
    Contender { name: "ours", limit: None, run: ours },
    Contender { name: "loop", limit: Some(1.2), run: by_loop },
    Contender { name: "stock", limit: Some(0.35), run: by_stock },
];

/// Batches of one run: the loop then takes more than a second, which shorter runs would need to warm up.
fn n_batches() -> usize {
    scaled(27_000, 100) * events::N_BATCHES
}

fn main() -> ExitCode {
    let stages = Contest {
        name: "stages",
        unit: "ns of CPU per record",
        units_per_second: 1e9,
        n_records: (n_batches() * events::N_RECORDS) as u64,
        n_rounds: 7,
        contenders: CONTENDERS,
    };
    contest(&stages, || Some(()))
}

static TALLIES: Tallies = Tallies::new();

/// Tells its tally when the dataflow lets go of the closure that owns it.
struct Events(Tally);

impl Drop for Events {
    fn drop(&mut self) {
        TALLIES.set_events(&self.0);
    }
}

struct Errors(Tally);

impl Drop for Errors {
    fn drop(&mut self) {
        TALLIES.set_errors(&self.0);
    }
}

fn ours(_arguments: &[String]) -> Seen {
    let flow = Dataflow::new("stages", |flow| {
        let replay = Replay {
            prepare: events::prepare,
            n_batches: n_batches() as u64,
            refill: swap,
            placement: Placement::Worker,
        };
        let (good, bad) = flow
            .source("replay", replay)
            .try_map(|record| steps::parse(record.value_or_empty()))
            .named("parse")
            .filter(steps::is_large)
            .map(steps::double)
            .map(steps::mark)
            .filter(steps::is_wanted)
            .split_errors();
        let mut events = Events(Tally::default());
        good.for_each(move |event| events.0.event(&event));
        let mut errors = Errors(Tally::default());
        bad.for_each(move |error| errors.0.error(&error));
    });
    millstream::run(&flow, Config { workers: 1, ..Config::default() }).expect("the stages run");
    TALLIES.seen()
}

fn by_loop(_arguments: &[String]) -> Seen {
    told(stages_loop::run(&events::prepare(), n_batches()))
}

fn by_stock(_arguments: &[String]) -> Seen {
    told(stages_stock::run(events::prepare(), n_batches()))
}

fn told((events, errors): (Tally, Tally)) -> Seen {
    TALLIES.set_events(&events);
    TALLIES.set_errors(&errors);
    TALLIES.seen()
}
