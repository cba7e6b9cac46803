//! A dataflow says how far behind it is, and how much is under way.

use std::time::{Duration, Instant};

use millstream::memory::{Broker, Sink, Source};
use millstream::prelude::*;

const N_RECORDS: u64 = 2_000;

/// A broker with `N_RECORDS` records in the topic `in`, and nothing in `out`.
fn filled() -> Broker {
    let broker = Broker::new();
    for topic in ["in", "out"] {
        broker.create_topic(topic, 2).expect("a new topic");
    }
    let mut producer = broker.producer("in").expect("it exists");
    for n in 0..N_RECORDS {
        producer.send_keyed(n.to_string(), "a reading of some bytes").expect("there is room");
    }
    broker
}

#[test]
fn nothing_is_in_flight_when_all_has_ended() {
    let topics = filled();
    let flow = Dataflow::new("ended", move |flow| {
        flow.source("in", Source::new(&topics, "in").until_end())
            .sink("out", Sink::new(&topics, "out"));
    });
    let counted = millstream::run(&flow, Config::default()).expect("it ends by itself");
    let seen = counted.step("in").map(|step| (step.records, step.in_flight_bytes));
    assert_eq!(seen, Some((N_RECORDS, 0)));
}

#[test]
fn lag_falls_to_zero_as_the_sink_takes_records() {
    let broker = filled();
    let faults = broker.faults("out").expect("it exists");
    faults.freeze();

    let topics = broker.clone();
    let flow = Dataflow::new("behind", move |flow| {
        flow.source("in", Source::new(&topics, "in")).sink("out", Sink::new(&topics, "out"));
    });
    // So little is under way at once that most records stay at the broker.
    let config = Config {
        batch_bytes: 1 << 10,
        in_flight_bytes: 4 << 10,
        batch_records: 10,
        queue_batches: 1,
        commit_interval: Duration::from_millis(10),
        ..Config::default()
    };
    let handle = millstream::start(&flow, config).expect("a sound graph");
    let lag = || handle.metrics().step("in").and_then(|step| step.lag);
    let stuck = wait_for(|| lag().filter(|lag| *lag > 0 && *lag < N_RECORDS));
    assert!(stuck > N_RECORDS / 2, "{stuck} records of {N_RECORDS} are not read");

    faults.thaw();
    wait_for(|| lag().filter(|lag| *lag == 0));
    handle.stop();
    let counted = handle.wait().expect("it stops gracefully");
    assert_eq!(counted.step("out").map(|step| (step.records, step.lag)), Some((N_RECORDS, None)));
}

/// What `look` finds, within a minute.
fn wait_for<T>(look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it was not there within a minute");
        std::thread::yield_now();
    }
}
