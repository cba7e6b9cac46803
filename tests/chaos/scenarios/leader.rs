//! Leaders of partitions are killed in a cluster of three brokers that is read and written.

use std::time::{Duration, Instant};

use super::{Route, SOON};
use crate::harness::Stage;
use crate::verify::Starts;
use crate::wait;

/// A leader is killed this often, or as soon as the one before it has caught up again: without it a write would wait for
/// its return, and not for another leader.
const PACE: Duration = Duration::from_secs(5);

/// SIGKILL of the leader of a random partition, of the input or the output, again and again: every record comes out once.
pub(super) fn killed(stage: &Stage) {
    let mut rng = stage.rng();
    let cluster = stage.three();
    let route = Route::new(stage, "leader", cluster, cluster);
    let copy = route.copy();
    route.feed(20_000);
    let mut program = copy.start();
    for number in 0..stage.loops {
        let begun = Instant::now();
        let before = route.n_out();
        route.feed(10_000);
        route.await_more_than(before);
        wait::pass(rng.millis(0, 150));
        let partition = rng.below(route.n_partitions() as u64);
        let leader = route.leader(usize::try_from(partition).expect("partitions are few"));
        cluster.kill(leader);
        let killed = Instant::now();
        let n_out = route.n_out();
        route.feed(5000);
        route.await_more_than(n_out);
        let gap = killed.elapsed();
        cluster.restart(leader);
        route.await_in_sync();
        assert!(!program.has_ended(), "the program ended:\n{}", program.said());
        stage.say(&format!(
            "loop {number} seed {}: broker {leader} killed, output again after {gap:?}, in sync again after {:?}",
            stage.seed,
            killed.elapsed()
        ));
        wait::pass(PACE.saturating_sub(begun.elapsed()));
    }
    program.terminate();
    program.succeeds_within(SOON);
    copy.finish();
    let verdict = route.verify(&Starts::new());
    stage.say(&format!("{} leaders killed: {}", stage.loops, verdict.counts));
    verdict.exactly();
}
