//! Partitions that appear, stay empty, or are many.

use super::{Route, SOON};
use crate::harness::Stage;
use crate::verify::Starts;
use crate::wait;

/// Fifty partitions, one of them used, three workers.
pub(super) fn one_of_fifty(stage: &Stage) {
    let kafka = stage.shared();
    let route = Route::with_partitions(stage, "fifty", (kafka, 50), (kafka, 3));
    route.feed_to(5000, Some(37));
    route.copy().env("WORKERS", "3").finish();
    route.verify(&Starts::new()).exactly();
}

/// Partitions that were empty in the first run are read from where that run began, although new starts are at the end.
pub(super) fn empty_ones(stage: &Stage) {
    let kafka = stage.shared();
    let route = Route::new(stage, "empty", kafka, kafka);
    let copy = route.copy().arg("latest", "yes");
    let program = copy.start();
    await_pinned(&route);
    route.feed_to(1000, Some(0));
    route.await_more_than(0);
    program.terminate();
    program.succeeds_within(SOON);
    for partition in 1..4 {
        route.feed_to(1000, Some(partition));
    }
    copy.finish();
    route.verify(&Starts::new()).exactly();
}

/// Partitions that appear while the program runs are read from their first record on, although it started at the end.
pub(super) fn new_ones(stage: &Stage) {
    let kafka = stage.shared();
    let mut route = Route::with_partitions(stage, "new", (kafka, 2), (kafka, 3));
    let copy = route.copy().arg("latest", "yes").env("FIND_INTERVAL", "500ms");
    let program = copy.start();
    await_pinned(&route);
    route.feed(1000);
    route.add_partitions(5);
    for partition in 2..5 {
        route.feed_to(1000, Some(partition));
    }
    route.await_all();
    program.terminate();
    program.succeeds_within(SOON);
    copy.finish();
    route.verify(&Starts::new()).exactly();
}

/// Waits until the program has made its start positions last.
fn await_pinned(route: &Route) {
    let pinned = || route.committed().iter().all(Option::is_some).then_some(());
    assert!(wait::until(SOON, pinned).is_some(), "the starts were not committed");
}
