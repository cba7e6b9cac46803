//! A program gives the same results on any number of workers.

mod support;

use std::sync::Mutex;
use std::sync::mpsc::channel;

use millstream_engine::batch::OwnedRecord;
use millstream_engine::testing::{TestSink, TestSource, run_on};
use millstream_engine::{Config, Dataflow, Flow, run};
use millstream_operators::prelude::*;

use support::{Decimal, bounded};

const N_PARTITIONS: i64 = 5;
const N_RECORDS: i64 = 400;

/// Numbers with a key; each fiftieth does not parse.
fn numbers() -> TestSource {
    let record = |n: i64| {
        let text = if n % 50 == 0 { format!("x{n}") } else { n.to_string() };
        OwnedRecord::of(text).with_key((n % 7).to_string())
    };
    let partition = |p: i64| (0..N_RECORDS).map(move |i| record(i * N_PARTITIONS + p + 1));
    TestSource::partitioned((0..N_PARTITIONS).map(partition)).with_batch_records(64)
}

#[derive(Clone, Default)]
struct Sinks {
    kept: TestSink,
    routed: TestSink,
    parts: TestSink,
    records: TestSink,
    pairs: TestSink,
    both: TestSink,
    rejected: TestSink,
}

impl Sinks {
    /// Key and value of all records as text, sorted, by sink.
    fn contents(&self) -> Vec<Vec<String>> {
        let text = |bytes: &Option<Vec<u8>>| match bytes {
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            None => "none".to_owned(),
        };
        let all = [
            &self.kept,
            &self.routed,
            &self.parts,
            &self.records,
            &self.pairs,
            &self.rejected,
            &self.both,
        ];
        let sorted = |sink: &TestSink| {
            let mut texts: Vec<_> = sink
                .records()
                .iter()
                .map(|r| format!("{}={}", text(&r.key), text(&r.value)))
                .collect();
            texts.sort();
            texts
        };
        all.into_iter().map(sorted).collect()
    }
}

/// Every operator once, at least.
fn build(flow: &Flow<'_>, source: &TestSource, sinks: &Sinks) {
    let (numbers, errors) = flow
        .source("in", source.clone())
        .inspect(|record| assert!(record.key().is_some()))
        .filter(|record| record.value() != Some(b"7"))
        .deserialize(Decimal)
        .named("parse")
        .split_errors();
    errors.dead_letters("rejected", sinks.rejected.clone());
    let (even, odd) =
        numbers.inspect(|n| assert_ne!(*n, 7)).filter(|n| n % 3 != 0).branch(|n| n % 2 == 0);
    let (even, kept) = even.fork();
    kept.map(|n| n.to_string())
        .serialize_unkeyed(Decimal)
        .errors_fail()
        .sink("kept", sinks.kept.clone());
    even.flat_map(|n| [n, n + 1])
        .filter_map(|n| (n % 5 != 0).then_some(n * 2))
        .try_map(|n| if n % 7 == 0 { Err("sevenfold") } else { Ok(n) })
        .try_map_with(Decimal, |n| if n % 11 == 0 { Err("elevenfold") } else { Ok(*n) })
        .errors_drop()
        .route(|n| n.unsigned_abs())
        .map(|n| n + 1)
        .serialize_keyed(Decimal, |n| (n % 2 == 1).then(|| n.to_string()))
        .errors_fail()
        .sink("routed", sinks.routed.clone());
    let mut parts = odd.split(3, |n| usize::from(n % 5 == 0) + usize::from(n % 11 == 0));
    let (last, second) = (parts.pop(), parts.pop());
    let first = parts.pop().expect("three streams");
    first
        .merge(second.expect("three streams").map(|n| n * 1000))
        .merge(last.expect("three streams"))
        .rebalance()
        .serialize_unkeyed(Decimal)
        .errors_fail()
        .sink("parts", sinks.parts.clone());
    bytes(flow, source, sinks);
}

/// The operators on records.
fn bytes(flow: &Flow<'_>, source: &TestSource, sinks: &Sinks) {
    let more = flow.source("more", source.clone()).filter(|record| record.position() == 3);
    flow.source("bytes", source.clone())
        .filter(|record| record.position() < 200)
        .rebalance()
        .merge(more)
        .filter_map(|record| record.value().map(<[u8]>::to_vec))
        .encode(|value, out| {
            out.key(b"bytes").value(value);
            Ok::<_, std::fmt::Error>(())
        })
        .errors_fail()
        .sink("records", sinks.records.clone());
    flow.source("pairs", source.clone())
        .deserialize_both(Decimal, Decimal)
        .errors_drop()
        .map(|(key, value)| key * 1_000_000 + value)
        .serialize(Decimal)
        .errors_drop()
        .sink("paired", sinks.pairs.clone());
    flow.source("both", source.clone())
        .deserialize_both(Decimal, Decimal)
        .errors_drop()
        .with_origin()
        .boxed()
        .serialize_both(Decimal, Decimal)
        .errors_drop()
        .sink("serialized", sinks.both.clone());
    flow.source("keys", source.clone())
        .deserialize_key(Decimal)
        .errors_fail()
        .inspect(|key| assert!((0..7).contains(key)))
        .discard();
    flow.source("each", source.clone())
        .try_map(|record| std::str::from_utf8(record.value_or_empty()).map(str::len))
        .errors_fail()
        .map(|length| length * 2)
        .discard();
    flow.source("chars", source.clone())
        .flat_map(|record| record.value_or_empty().to_vec())
        .discard();
}

fn contents(config: Config) -> Vec<Vec<String>> {
    let (source, sinks) = (numbers(), Sinks::default());
    let (from, to) = (source.clone(), sinks.clone());
    let flow = Dataflow::new("everything", move |flow| build(flow, &from, &to));
    bounded(|| run(&flow, config)).expect("nothing fails");
    let n_records = u64::try_from(N_RECORDS).expect("a few");
    assert!(source.committed().iter().all(|at| *at == n_records));
    sinks.contents()
}

#[test]
fn every_operator_gives_the_same_on_any_worker_count() {
    let seen = Mutex::new(Vec::new());
    run_on([1, 2, 4], |config| {
        seen.lock().expect("no panic").push(contents(config));
    });
    let seen = seen.into_inner().expect("no panic");
    let good = || (1..=N_RECORDS * N_PARTITIONS).filter(|n| n % 50 != 0 && *n != 7);
    let mut kept: Vec<_> =
        good().filter(|n| n % 3 != 0 && n % 2 == 0).map(|n| format!("none={n}")).collect();
    kept.sort();
    assert_eq!(seen[0][0], kept);
    let counts: Vec<_> = seen[0].iter().map(Vec::len).collect();
    let n_pairs = usize::try_from(N_RECORDS * N_PARTITIONS * 49 / 50).expect("a few");
    assert_eq!((counts[3], counts[4], counts[5], counts[6]), (1005, n_pairs, 40, n_pairs));
    for other in &seen[1..] {
        assert_eq!(other, &seen[0]);
    }
}

#[test]
fn broadcast_reaches_every_worker_once() {
    run_on([1, 2, 4], |config| {
        let n_workers = config.workers;
        let (source, (send, seen)) = (numbers(), channel());
        let from = source.clone();
        let flow = Dataflow::new("broadcast", move |flow| {
            let (items, records) = (send.clone(), send.clone());
            flow.source("items", from.clone())
                .map(|record| (record.partition(), record.position()))
                .broadcast()
                .for_each(move |at| {
                    let worker = std::thread::current().id();
                    items.send((worker, "items", at)).expect("somebody listens");
                });
            flow.source("records", from.clone())
                .broadcast()
                .map(|record| (record.partition(), record.position()))
                .for_each(move |at| {
                    let worker = std::thread::current().id();
                    records.send((worker, "records", at)).expect("somebody listens");
                });
        });
        bounded(|| run(&flow, config)).expect("nothing fails");
        drop(flow);
        let all: Vec<_> = seen.iter().collect();
        let per_worker = usize::try_from(N_RECORDS * N_PARTITIONS).expect("a few");
        assert_eq!(all.len(), 2 * n_workers * per_worker);
        let unique: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(unique.len(), all.len());
    });
}
