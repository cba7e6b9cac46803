//! What the client gives up on is told once, never sent again, and adds up with what was confirmed.

use std::collections::BTreeSet;
use std::time::Duration;

use millstream_engine::error::codes;
use millstream_engine::sink::Rejected;

use crate::own::OwnBroker;
use crate::support::{Reading, Topic, Writing, batches, broker, numbered, numbers};

/// Records before the broker falls silent, while it is, and after.
const PHASE: u64 = 2000;

fn rejected_numbers(rejected: &[Rejected]) -> Vec<u64> {
    let records: Vec<_> = rejected.iter().map(|late| late.record.clone()).collect();
    numbers(&records)
}

/// Writes the records of a phase and waits until each is confirmed or rejected.
fn write_phase(writing: &mut Writing, phase: u64) -> Vec<Rejected> {
    for batch in batches(numbered(phase * PHASE..(phase + 1) * PHASE), 100) {
        writing.write(phase, &batch);
    }
    writing.settle()
}

#[test]
fn silent_broker_s_records_are_told_once_and_add_up() {
    if broker().is_none() {
        return;
    }
    let own = OwnBroker::start("given-up", "").expect("a broker of its own");
    let topic = Topic::new(own.address(), "given-up", 4);
    let mut writing = Writing::open(&topic.sink().with_delivery_timeout(Duration::from_secs(3)));
    assert!(write_phase(&mut writing, 0).is_empty());
    assert!(own.freeze(), "the broker can be stopped");
    let rejected = write_phase(&mut writing, 1);
    assert_eq!(rejected_numbers(&rejected), (PHASE..2 * PHASE).collect::<Vec<_>>());
    for late in &rejected {
        assert_eq!((late.epoch, late.error.code()), (1, codes::NOT_DELIVERED));
        assert!(late.error.is_retryable(), "{}", late.error.report());
    }
    assert!(own.thaw(), "the broker goes on");
    let told_later = write_phase(&mut writing, 2);
    let late: BTreeSet<_> = rejected_numbers(&told_later).into_iter().collect();
    assert_eq!(late.len(), told_later.len(), "each is told once");
    assert!(late.iter().all(|n| *n >= 2 * PHASE), "nothing given up on is told again");
    assert!((late.len() as u64) < PHASE, "writing goes on after the silence");
    writing.writer.close();
    let written = numbers(&Reading::open(&topic.source().until_end(), true).read_all());
    let distinct: BTreeSet<_> = written.iter().copied().collect();
    assert_eq!(distinct.len(), written.len(), "nothing is there twice");
    let confirmed = (0..PHASE).chain((2 * PHASE..3 * PHASE).filter(|n| !late.contains(n)));
    assert!(confirmed.into_iter().all(|n| distinct.contains(&n)), "what was confirmed is there");
    assert!(distinct.iter().all(|n| *n < 3 * PHASE), "and nothing that was not written");
}
