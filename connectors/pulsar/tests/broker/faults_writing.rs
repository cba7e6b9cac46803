//! What becomes of records under way when the broker is killed, stands still, or lets go of a topic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::Duration;

use millstream_pulsar::Sink;

use crate::own::Turn;
use crate::plain::Plain;
use crate::write::{Writing, batch_of, numbered, numbers, sorted};

/// Records of an epoch.
const EPOCH: u64 = 50;

/// Writes epochs to both topics until the fault is over, and some after that; returns how many records each got.
fn write_during(sinks: &[Sink], fault: impl FnOnce() + Send) -> u64 {
    let mut writings: Vec<_> = sinks.iter().map(Writing::open).collect();
    let is_over = AtomicBool::new(false);
    let mut write = |epoch: u64| {
        for writing in &mut writings {
            writing.write(epoch, &batch_of(numbered(epoch * EPOCH..(epoch + 1) * EPOCH)));
        }
        std::thread::park_timeout(Duration::from_millis(5));
    };
    (0..20).for_each(&mut write);
    let mut n_epochs = 20;
    scope(|scope| {
        scope.spawn(|| {
            fault();
            is_over.store(true, Ordering::Release);
        });
        while !is_over.load(Ordering::Acquire) {
            write(n_epochs);
            n_epochs += 1;
        }
    });
    (n_epochs..n_epochs + 20).for_each(&mut write);
    for writing in &mut writings {
        let rejected = writing.settle();
        assert!(rejected.is_empty(), "nothing is rejected: {}", rejected[0].error.report());
    }
    (n_epochs + 20) * EPOCH
}

fn sink(plain: &Plain, topic: &str) -> Sink {
    Sink::new(&plain.address, topic).with_send_timeout(Duration::from_mins(2))
}

/// Writes to a topic with deduplication and to one without while something happens, and checks what is there in the end.
fn assert_nothing_lost(plain: &Plain, fault: impl FnOnce(&[String; 2]) + Send) {
    plain.create_dedup_namespace();
    let topics = ["public/dedup", "public/default"].map(|ns| Plain::new_name(ns, "fault"));
    for topic in &topics {
        plain.create_named(topic, 0);
    }
    let sinks = topics.each_ref().map(|topic| sink(plain, topic));
    let n_records = write_during(&sinks, || fault(&topics));
    let n_expected = usize::try_from(n_records).expect("a small number");
    let exact = numbers(&plain.records(&topics[0], 0, n_expected));
    assert_eq!(exact, (0..n_records).collect::<Vec<_>>(), "with deduplication each once, in order");
    let mut seen = sorted(numbers(&plain.records(&topics[1], 0, n_expected)));
    seen.dedup();
    assert_eq!(seen, (0..n_records).collect::<Vec<_>>(), "without it none is lost");
}

fn own() -> Option<(Turn, Plain)> {
    Plain::of_environment()?;
    let turn = Turn::take()?;
    let (address, admin) = turn.addresses();
    let plain = Plain::new(address, admin);
    Some((turn, plain))
}

#[test]
fn killed_broker_loses_nothing() {
    let Some((turn, plain)) = own() else { return };
    assert_nothing_lost(&plain, |_| turn.restart());
}

#[test]
fn frozen_broker_loses_nothing() {
    let Some((turn, plain)) = own() else { return };
    assert_nothing_lost(&plain, |_| {
        assert!(turn.freeze(), "it stops");
        std::thread::park_timeout(Duration::from_secs(10));
        assert!(turn.thaw(), "it goes on");
    });
}

#[test]
fn unloaded_topic_loses_nothing() {
    let Some(plain) = Plain::of_environment() else { return };
    assert_nothing_lost(&plain, |topics| {
        for topic in topics.iter().cycle().take(6) {
            let (status, said) = plain.admin("PUT", &format!("persistent/{topic}/unload"), "");
            assert_eq!(status, 204, "{said}");
            std::thread::park_timeout(Duration::from_millis(200));
        }
    });
}

#[test]
fn silent_broker_gives_records_up_once() {
    let Some((turn, plain)) = own() else { return };
    let topic = plain.create("silent", 0);
    let sink = Sink::new(&plain.address, &topic).with_send_timeout(Duration::from_secs(2));
    let mut writing = Writing::open(&sink);
    writing.write(1, &batch_of(numbered(0..100)));
    assert!(writing.settle().is_empty());
    assert!(turn.freeze(), "it stops");
    writing.write(2, &batch_of(numbered(100..200)));
    let told = writing.settle();
    let told: Vec<_> = told.into_iter().map(|told| (told.epoch, told.record)).collect();
    assert_eq!(told.len(), 100, "each is told once");
    assert!(told.iter().all(|(epoch, _)| *epoch == 2));
    assert!(turn.thaw(), "it goes on");
    writing.write(3, &batch_of(numbered(200..300)));
    // What is tried while the broker comes back may be late too; then it is told as well.
    let late: Vec<_> = writing.settle().into_iter().map(|late| late.record).collect();
    writing.write(4, &batch_of(numbered(300..400)));
    assert!(writing.settle().is_empty());
    let seen = sorted(numbers(&plain.records(&topic, 0, 300 - late.len())));
    let mut once = seen.clone();
    once.dedup();
    assert_eq!(once, seen, "nothing that was given up is sent again");
    let confirmed = (0..100).chain((200..400).filter(|n| !numbers(&late).contains(n)));
    assert!(
        confirmed.into_iter().all(|n| seen.binary_search(&n).is_ok()),
        "what is durable is there"
    );
}
