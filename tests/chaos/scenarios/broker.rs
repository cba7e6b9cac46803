//! The broker is killed and started again, or does not answer, while records flow.

use std::time::{Duration, Instant};

use super::{Route, SOON};
use crate::harness::Stage;
use crate::verify::Starts;
use crate::wait;

/// SIGKILL of the broker that is read and written: nothing is lost; the program lives on, so nothing is repeated either.
pub(super) fn killed(stage: &Stage) {
    let mut rng = stage.rng();
    let broker = stage.spare();
    let route = Route::new(stage, "kill", broker, broker);
    let copy = route.copy();
    route.feed(20_000);
    let mut program = copy.start();
    for number in 0..stage.loops {
        let before = route.n_out();
        route.feed(20_000);
        route.await_more_than(before);
        let ran = rng.millis(0, 150);
        wait::pass(ran);
        broker.kill(1);
        let down = rng.millis(0, 2000);
        wait::pass(down);
        broker.restart(1);
        let back = Instant::now();
        let n_out = route.n_out();
        route.feed(1000);
        route.await_more_than(n_out);
        assert!(!program.has_ended(), "the program ended:\n{}", program.said());
        stage.say(&format!(
            "loop {number} seed {}: broker killed after {ran:?}, down for {down:?}, output again {:?} after it was back",
            stage.seed,
            back.elapsed()
        ));
    }
    program.terminate();
    program.succeeds_within(SOON);
    copy.finish();
    let verdict = route.verify(&Starts::new());
    stage.say(&format!("{} kills of the broker: {}", stage.loops, verdict.counts));
    verdict.at_least_once();
}

/// SIGTERM while the sink's broker is silent: the program ends at its deadline and says who holds it up; nothing is lost.
pub(super) fn stop_with_the_sink_down(stage: &Stage) {
    const DEADLINE: Duration = Duration::from_secs(3);
    let mut rng = stage.rng();
    let (source, sink) = (stage.shared(), stage.spare());
    for number in 0..stage.loops {
        let route = Route::new(stage, &format!("down{number}"), source, sink);
        let copy = route.copy();
        let hurried = copy.clone().env("STOP_DEADLINE", "3s");
        route.feed(50_000);
        let program = hurried.start();
        route.await_more_than(0);
        wait::pass(rng.millis(0, 300));
        sink.freeze();
        route.feed(10_000);
        // What the broker has confirmed until now is committed within the interval; then nothing may move.
        wait::pass(Duration::from_secs(2));
        let before = route.committed();
        let stopping = Instant::now();
        program.terminate();
        let said = program.fails_within(DEADLINE + Duration::from_secs(5), 130);
        let took = stopping.elapsed();
        assert!(took >= DEADLINE, "it gave up after {took:?}");
        assert!(said.contains("E0602") && said.contains("sink \"out\""), "{said}");
        assert_eq!(route.committed(), before, "something unconfirmed was committed");
        sink.thaw();
        let starts = vec![route.resume_positions(None)];
        copy.finish();
        let verdict = route.verify(&starts);
        stage.say(&format!("loop {number}: ended after {took:?}; then {}", verdict.counts));
        verdict.at_least_once();
    }
}
