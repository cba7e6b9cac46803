//! What an error says of the record it came from, beyond boundaries too.

mod support;

use std::sync::mpsc::{Sender, channel};

use millstream_engine::batch::OwnedRecord;
use millstream_engine::stage::{AtOrigin, Chain, ErrorsHandled};
use millstream_engine::testing::{Harness, TestSource, run_on};
use millstream_engine::{Config, Dataflow, ErrorRecord, Flow, Stream, run};
use millstream_operators::prelude::*;

use support::{Decimal, bounded};

const N_PARTITIONS: u32 = 3;
const PER_PARTITION: u64 = 200;

/// Items that tell where they come from: partition and position as one number.
fn item(partition: u32, position: u64) -> i64 {
    i64::try_from(u64::from(partition) * 1000 + position + 1).expect("a small number")
}

fn source() -> TestSource {
    let of = |partition| {
        (0..PER_PARTITION).map(move |at| OwnedRecord::of(item(partition, at).to_string()))
    };
    TestSource::partitioned((0..N_PARTITIONS).map(of)).with_batch_records(7)
}

fn numbers<'s>(
    flow: &Flow<'s>,
    name: &str,
) -> Stream<'s, i64, impl Chain<i64, Errors: ErrorsHandled, Origin = AtOrigin>> {
    flow.source(name, source()).deserialize(Decimal).errors_fail()
}

/// Fails for every fifth item.
fn fail(stream: Stream<'_, i64, impl Chain<i64>>, send: &Sender<ErrorRecord>) {
    let send = send.clone();
    let fifth = |n: &i64| if n % 5 == 0 { Err("a fifth") } else { Ok(*n) };
    let (good, errors) = stream.try_map_with(Decimal, fifth).named("check").split_errors();
    good.discard();
    errors.for_each(move |error| send.send(error).expect("somebody listens"));
}

/// Runs a dataflow that lets items fail beyond some boundaries; returns the errors.
fn failed(
    config: Config,
    build: impl for<'s> Fn(Stream<'s, i64, millstream_engine::stage::Items<i64>>) -> Stream<'s, i64>
    + Send
    + Sync
    + 'static,
) -> Vec<ErrorRecord> {
    let (send, errors) = channel();
    let flow = Dataflow::new("origins", move |flow| {
        fail(build(numbers(flow, "in").with_origin().boxed()), &send);
    });
    bounded(|| run(&flow, config)).expect("nothing stops it");
    drop(flow);
    errors.into_iter().collect()
}

fn assert_origins(errors: &[ErrorRecord], copies: usize, what: &str) {
    let fifths = (0..N_PARTITIONS).flat_map(|p| (0..PER_PARTITION).map(move |at| item(p, at)));
    assert_eq!(errors.len(), copies * fifths.filter(|n| n % 5 == 0).count(), "{what}");
    for ErrorRecord { record, .. } in errors {
        let origin = record.origin.as_ref().expect("the origin was asked for");
        let said = item(origin.partition, record.position).to_string();
        assert_eq!(record.text(), Some(&*said), "{what}: the error names the record it came from");
        assert_eq!((&*origin.connector, &*origin.topic), ("test", "test"), "{what}");
    }
}

#[test]
fn origins_go_through_every_boundary() {
    run_on([1, 2, 4], |config| {
        let failed =
            |build: for<'s> fn(Stream<'s, i64>) -> Stream<'s, i64>| failed(config.clone(), build);
        assert_origins(&failed(|items| items), 1, "boxed");
        assert_origins(&failed(|items| items.route(|n| n.unsigned_abs())), 1, "route");
        assert_origins(&failed(|items| items.map(|n| n).rebalance()), 1, "rebalance");
        assert_origins(&failed(|items| items.filter(|_| true).boxed()), 1, "boxed twice");
        assert_origins(&failed(|items| items.broadcast()), config.workers, "broadcast");
        assert_origins(&failed(parted), 2, "fork, branch, split, merge");
    });
}

/// The items twice: whole, and in parts.
fn parted(items: Stream<'_, i64>) -> Stream<'_, i64> {
    let (one, other) = items.fork();
    let (even, odd) = other.branch(|n| n % 2 == 0);
    let mut thirds = odd.split(3, |n| usize::try_from(n % 3).expect("below three"));
    let (third, second) = (thirds.pop(), thirds.pop());
    let first = thirds.pop().expect("three streams");
    let rest = second.expect("three streams").merge(third.expect("three streams"));
    one.merge(even).merge(first).merge(rest)
}

#[test]
fn merged_streams_ask_each_for_itself() {
    let (send, errors) = channel();
    let flow = Dataflow::new("merged", move |flow| {
        let with = numbers(flow, "with").with_origin();
        fail(with.merge(numbers(flow, "without").boxed()), &send);
    });
    Harness::start(&flow).expect("it starts").run_until_idle().expect("nothing stops it");
    let errors: Vec<_> = errors.try_iter().collect();
    let (known, unknown): (Vec<_>, Vec<_>) =
        errors.into_iter().partition(|error| error.record.origin.is_some());
    assert_origins(&known, 1, "the stream that asked");
    assert_eq!(unknown.len(), known.len());
    assert!(
        unknown.iter().all(|error| error.record.value.is_some()),
        "the item is there all the same"
    );
}

#[test]
fn error_before_a_boundary_keeps_the_record_itself() {
    let (send, errors) = channel();
    let flow = Dataflow::new("before", move |flow| {
        fail(numbers(flow, "in").map(|n| n * 10), &send);
    });
    Harness::start(&flow).expect("it starts").run_until_idle().expect("nothing stops it");
    let error = errors.try_iter().next().expect("every item is a fifth");
    assert_eq!(error.record.text(), Some("1"), "the source's bytes, not the item's");
}

#[test]
fn direct_style_names_the_record_beyond_a_boundary() {
    let flow = Dataflow::new("stops", |flow| {
        numbers(flow, "in")
            .with_origin()
            .rebalance()
            .try_map(|n| if n == item(1, 3) { Err("that one") } else { Ok(n) })
            .named("check")
            .errors_fail()
            .discard();
    });
    let error = Harness::start(&flow).expect("it starts").run_until_idle().expect_err("one fails");
    let place = error.place();
    assert_eq!((place.topic.as_deref(), place.partition), (Some("test"), Some(1)));
    assert_eq!(place.position.as_deref(), Some("3"));
}

#[test]
fn panic_beyond_a_boundary_names_the_record() {
    let flow = Dataflow::new("panics", |flow| {
        numbers(flow, "in").with_origin().rebalance().for_each(|n| assert_ne!(n, item(2, 4)));
    });
    let error = Harness::start(&flow).expect("it starts").run_until_idle().expect_err("one panics");
    assert_eq!((error.place().partition, error.place().position.as_deref()), (Some(2), Some("4")));
}
