//! Broken builds: every lie must be reported, or the other scenarios prove nothing.

use super::{Route, SOON};
use crate::harness::Stage;
use crate::liar::Lie;
use crate::program::Pace;
use crate::rng::Rng;
use crate::verify::{Counts, Starts};
use crate::wait;

/// Loops in which a lie must be caught, each interrupted at another moment: what is written and not yet durable is little.
const PATIENCE: u64 = 12;

/// Which count shows a lie.
fn shows(lie: Lie, counts: Counts) -> bool {
    match lie {
        Lie::ConfirmsAtRead
        | Lie::DropsOnStop
        | Lie::ConfirmsAtWrite
        | Lie::SkipsAPartition
        | Lie::StartsAhead => counts.lost > 0,
        Lie::StartsBehind | Lie::SendsTwice => counts.duplicated > 0,
        Lie::Reorders => counts.reordered > 0,
        Lie::Corrupts => counts.corrupted > 0,
    }
}

/// Each lie is caught within a few loops.
pub(super) fn are_caught(stage: &Stage) {
    let mut rng = stage.rng();
    for number in 0..stage.loops {
        for lie in Lie::ALL {
            let caught = (0..PATIENCE).find_map(|again| {
                let counts =
                    interrupted_once(stage, lie, &format!("{lie:?}-{number}-{again}"), &mut rng);
                shows(lie, counts).then_some((again + 1, counts))
            });
            let (n_loops, counts) = caught.unwrap_or_else(|| panic!("{lie:?} was not noticed"));
            stage.say(&format!("{lie:?} caught in loop {n_loops}: {counts}"));
        }
    }
}

/// One loop: the lying program runs, is stopped or killed, and runs to the end.
fn interrupted_once(stage: &Stage, lie: Lie, tag: &str, rng: &mut Rng) -> Counts {
    let route = Route::new(stage, tag, stage.shared(), stage.shared());
    // Slow, so that much is unread or on its way when the program ends.
    let copy = route.copy().arg("lie", &lie.name()).pace(Pace::SlowAll);
    route.feed(20_000);
    let program = copy.start();
    route.await_more_than(0);
    wait::pass(rng.millis(0, 150));
    if matches!(lie, Lie::ConfirmsAtRead) {
        program.kill();
    } else {
        program.terminate();
        program.succeeds_within(SOON);
    }
    // A start behind where it should be is still before the end.
    route.feed(1000);
    copy.finish();
    route.verify(&Starts::new()).counts
}
