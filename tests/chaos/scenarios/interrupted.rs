//! The program is told to stop, or killed, at random moments, and started again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Route;
use crate::harness::Stage;
use crate::program::Pace;
use crate::rng::Rng;
use crate::verify::Starts;
use crate::{scratch, wait};

/// Loops on one pair of topics: what has piled up is verified after so many.
const LOOPS_PER_ROUND: u64 = 20;

/// Records fed before each start: more than are copied before the fault, most of the time.
const RECORDS_PER_LOOP: u64 = 30_000;

/// How long a graceful stop may take when nothing is in its way.
const STOP: Duration = Duration::from_secs(10);

/// One round: so many loops, on topics of its own; every other one with a state folder.
struct Round<'a> {
    route: Route<'a>,
    state_dir: Option<PathBuf>,
    loops: std::ops::Range<u64>,
}

fn rounds<'a>(stage: &'a Stage, loops: u64) -> impl Iterator<Item = Round<'a>> {
    let per_round = LOOPS_PER_ROUND.min(loops.div_ceil(2)).max(1);
    (0..loops.div_ceil(per_round)).map(move |round| {
        let first = round * per_round;
        let route = Route::new(stage, &format!("r{round}"), stage.shared(), stage.shared());
        let state_dir = (round % 2 == 1).then(|| scratch::fresh_folder(&route.name));
        Round { route, state_dir, loops: first..loops.min(first + per_round) }
    })
}

/// Lets the program run for a random while: half of the time counted from its start, half from its first output.
fn let_run(route: &Route, rng: &mut Rng) -> Duration {
    let begin = Instant::now();
    if rng.below(2) == 0 {
        route.await_more_than(route.n_out());
        wait::pass(rng.millis(0, 800));
    } else {
        wait::pass(rng.millis(30, 1500));
    }
    begin.elapsed()
}

/// SIGTERM: nothing is lost, nothing is repeated, and the program ends soon and well.
pub(super) fn by_sigterm(stage: &Stage) {
    let mut rng = stage.rng();
    let mut n_records = 0;
    let mut slowest = Duration::ZERO;
    for round in rounds(stage, stage.loops) {
        let Round { route, state_dir, loops } = round;
        let copy = route.copy().state_dir(state_dir.as_deref());
        for number in loops {
            route.feed(RECORDS_PER_LOOP);
            let pace = Pace::any(&mut rng);
            let program = copy.clone().pace(pace).start();
            let ran = let_run(&route, &mut rng);
            let stopping = Instant::now();
            program.terminate();
            program.succeeds_within(STOP);
            slowest = slowest.max(stopping.elapsed());
            let (n_out, n_fed) = (route.n_out(), route.n_fed());
            stage.say(&format!(
                "loop {number} seed {}: {pace:?}, SIGTERM after {ran:?}, {n_out} out of {n_fed} in, stopped within {:?}",
                stage.seed,
                stopping.elapsed()
            ));
        }
        copy.finish();
        let verdict = route.verify(&Starts::new());
        stage.say(&format!("state folder {}: {}", state_dir.is_some(), verdict.counts));
        n_records += verdict.exactly().counts.expected;
    }
    stage.say(&format!(
        "{} SIGTERMs, {n_records} records: 0 lost, 0 duplicated; slowest stop {slowest:?}",
        stage.loops
    ));
}

/// SIGKILL: nothing is lost, and only what was handed out after the last stored position is repeated.
pub(super) fn by_sigkill(stage: &Stage) {
    let mut rng = stage.rng();
    let (mut n_records, mut n_duplicated) = (0, 0);
    for round in rounds(stage, stage.loops) {
        let Round { route, state_dir, loops } = round;
        let copy = route.copy().state_dir(state_dir.as_deref());
        let mut starts = Starts::new();
        for number in loops {
            route.feed(RECORDS_PER_LOOP);
            let pace = Pace::any(&mut rng);
            let program = copy.clone().pace(pace).start();
            let ran = let_run(&route, &mut rng);
            program.kill();
            starts.push(route.resume_positions(state_dir.as_deref()));
            let (n_out, n_fed) = (route.n_out(), route.n_fed());
            stage.say(&format!(
                "loop {number} seed {}: {pace:?}, SIGKILL after {ran:?}, {n_out} out of {n_fed} in",
                stage.seed
            ));
        }
        copy.finish();
        let verdict = route.verify(&starts);
        stage.say(&format!("state folder {}: {}", state_dir.is_some(), verdict.counts));
        let counts = verdict.at_least_once().counts;
        n_records += counts.expected;
        n_duplicated += counts.duplicated;
    }
    stage.say(&format!(
        "{} SIGKILLs, {n_records} records: 0 lost, {n_duplicated} duplicated, all inside the replay window",
        stage.loops
    ));
}
