//! The broker that is read and written stops as it stands, with its connections open, and goes on later.

use std::time::Duration;

use super::{Route, SOON};
use crate::harness::Stage;
use crate::verify::Starts;
use crate::wait;

/// What the client may still do in the first moments: it takes what its queue holds.
const SETTLING: Duration = Duration::from_secs(3);

/// Nothing is lost and nothing is stuck after the thaw; while the broker is silent, hardly anything is done.
pub(super) fn both_ways(stage: &Stage) {
    let frozen_for = Duration::from_secs(if stage.full { 60 } else { 10 });
    let broker = stage.spare();
    let route = Route::new(stage, "frozen", broker, broker);
    let copy = route.copy();
    route.feed(20_000);
    let mut program = copy.start();
    route.await_all();
    for number in 0..stage.loops {
        let before = route.n_out();
        route.feed(50_000);
        route.await_more_than(before);
        broker.freeze();
        wait::pass(SETTLING);
        let settled = program.usage();
        wait::pass(frozen_for);
        let (client, ours) = program.usage().cores_since(&settled);
        broker.thaw();
        assert!(!program.has_ended(), "the program ended:\n{}", program.said());
        assert!(ours + client < 0.1, "{:.0} % of a core", (ours + client) * 100.0);
        route.feed(1000);
        route.await_all();
        stage.say(&format!(
            "loop {number}: frozen for {frozen_for:?}, {:.1} % of a core, and {:.1} % for the client's threads",
            ours * 100.0,
            client * 100.0
        ));
    }
    program.terminate();
    program.succeeds_within(SOON);
    copy.finish();
    let verdict = route.verify(&Starts::new());
    stage.say(&format!("{}", verdict.counts));
    verdict.exactly();
}
