//! Several dataflows in one process.

use millstream::batch::OwnedRecord;
use millstream::error::codes;
use millstream::memory::{Broker, Sink, Source};
use millstream::prelude::*;
use millstream::start;

use super::SOON;
use crate::harness::Stage;
use crate::wait;

fn copy(broker: &Broker, name: &str, out: &'static str) -> Dataflow {
    let broker = broker.clone();
    Dataflow::new(name, move |flow| {
        flow.source("in", Source::new(&broker, "in")).sink("out", Sink::new(&broker, out));
    })
}

/// One of two dataflows fails; the other goes on delivering.
pub(super) fn failure_leaves_the_other_alone(_stage: &Stage) {
    let broker = Broker::new();
    for topic in ["in", "good", "bad"] {
        broker.create_topic(topic, 2).expect("the topic is new");
    }
    let refusing = broker.faults("bad").expect("the topic exists");
    refusing.reject(|record| (record.value() == Some(b"7")).then(|| "not this one".to_owned()));
    let config = Config { workers: 2, ..Config::default() };
    let good = start(&copy(&broker, "one", "good"), config.clone()).expect("the graph is sound");
    let bad = start(&copy(&broker, "two", "bad"), config).expect("the graph is sound");
    let mut producer = broker.producer("in").expect("the topic exists");
    let mut send = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            producer.send(OwnedRecord::of(number.to_string())).expect("there is room");
        }
    };
    send(0..100);
    let error = bad.wait().expect_err("a record was refused");
    assert_eq!(error.code(), codes::NOT_DELIVERED, "{}", error.report());
    send(100..200);
    let arrived = wait::until(SOON, || (broker.len("good").ok()? == 200).then_some(()));
    assert!(arrived.is_some(), "the other dataflow stands still");
    assert!(!good.has_ended());
    good.stop();
    good.wait().expect("it stops well");
}
