//! At least once: what is confirmed was durable, what was not is read again; nothing is lost at a stop or a failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream_engine::batch::OwnedRecord;
use millstream_engine::testing::{Harness, TestItem, TestSink, TestSource, run_on};
use millstream_engine::{Config, Dataflow, ErrorKind, run};

fn numbered(n: usize) -> Vec<TestItem> {
    (0..n).map(|i| OwnedRecord::of(format!("{i:06}")).into()).collect()
}

fn copy(source: &TestSource, sink: &TestSink) -> Dataflow {
    let (source, sink) = (source.clone(), sink.clone());
    Dataflow::new("copy", move |flow| {
        flow.source("in", source.clone()).sink("out", sink.clone());
    })
}

#[test]
fn every_record_arrives_once_on_any_worker_count() {
    run_on([1, 2, 4], |config| {
        let source = TestSource::partitioned((0..5).map(|_| numbered(3000)));
        let sink = TestSink::new();
        let counted = run(&copy(&source, &sink), config).expect("nothing fails");
        assert_eq!(sink.len(), 15_000);
        assert_eq!(source.committed(), [3000; 5]);
        assert_eq!(counted.step("in").map(|s| s.records), Some(15_000));
        assert_eq!(counted.latency.n_records, 15_000);
    });
}

#[test]
fn abort_is_resumed_without_loss_or_duplicate() {
    run_on([1, 2, 4], |config| {
        let mut items = numbered(10);
        items.insert(4, TestItem::Abort);
        items.insert(8, TestItem::Eof);
        let source = TestSource::new(items);
        let sink = TestSink::new();
        let flow = copy(&source, &sink);
        let error = run(&flow, config.clone()).expect_err("the mark aborts");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.place().position.as_deref(), Some("4"));
        run(&flow, config.clone()).expect("ends at the mark");
        run(&flow, config).expect("ends at the end");
        let texts = sink.sorted_texts();
        let mut unique = texts.clone();
        unique.dedup();
        assert_eq!(unique.len(), 10, "{texts:?}");
        assert_eq!(source.committed(), [12]);
    });
}

#[test]
fn position_moves_only_when_durable() {
    let (source, sink) = (TestSource::open_ended(), TestSink::new());
    let mut harness = Harness::start(&copy(&source, &sink)).expect("builds");
    sink.hold_confirmations();
    for item in numbered(5) {
        source.push(item);
    }
    harness.run_until_idle().expect("runs");
    for _ in 0..3 {
        harness.advance(Duration::from_secs(1));
        harness.run_until_idle().expect("runs");
    }
    assert_eq!((sink.len(), source.committed()), (5, vec![0]), "written, not durable");
    let holders: Vec<String> =
        harness.metrics().frontier_holders().iter().map(|s| s.name.clone()).collect();
    assert_eq!(holders, ["out"]);
    sink.resume();
    harness.advance(Duration::from_secs(1));
    harness.run_until_idle().expect("runs");
    assert_eq!(source.committed(), [5]);
    harness.stop().expect("stops");
}

#[test]
fn stalled_sink_stops_the_reading_at_the_ledger() {
    let (source, sink) = (TestSource::open_ended(), TestSink::new());
    sink.stall();
    let config = Config {
        in_flight_bytes: 64 << 10,
        batch_bytes: 4 << 10,
        queue_bytes: 8 << 20,
        ..Config::default()
    };
    let source = source.with_batch_records(10);
    for _ in 0..1000 {
        source.push(OwnedRecord::of(vec![b'x'; 1000]));
    }
    let mut harness = Harness::with_config(&copy(&source, &sink), config).expect("builds");
    harness.run_until_idle().expect("runs");
    harness.advance(Duration::from_secs(1));
    harness.run_until_idle().expect("runs");
    let step = harness.metrics().step("in").expect("there");
    assert!((60..=80).contains(&step.records), "{} records read", step.records);
    assert_eq!(step.lag, Some(1000 - step.records));
    sink.resume();
    for _ in 0..40 {
        harness.advance(Duration::from_millis(10));
        harness.run_until_idle().expect("runs");
    }
    assert_eq!(sink.len(), 1000);
    harness.stop().expect("stops");
}

#[test]
fn rejected_record_stops_a_direct_sink() {
    let (source, sink) = (TestSource::new(numbered(10)), TestSink::new());
    sink.reject(|r| (r.text() == Some("000007")).then(|| "too ugly".to_owned()));
    let error = run(&copy(&source, &sink), Config::default()).expect_err("rejected");
    assert_eq!(error.code().to_string(), "E0140");
    assert!(error.report().contains("too ugly"), "{}", error.report());
    assert_eq!(source.committed(), [0]);
}

#[test]
fn rejected_record_leaves_on_the_error_stream() {
    run_on([1, 2], |config| {
        let (source, sink, rejected) =
            (TestSource::new(numbered(10)), TestSink::new(), Arc::new(AtomicUsize::new(0)));
        sink.reject(|r| (r.text() == Some("000007")).then(|| "too ugly".to_owned()));
        let (from, to, count) = (source.clone(), sink.clone(), Arc::clone(&rejected));
        let flow = Dataflow::new("set-aside", move |flow| {
            let count = Arc::clone(&count);
            flow.source("in", from.clone()).sink_with_errors("out", to.clone()).for_each(
                move |e| {
                    assert_eq!(e.record.text(), Some("000007"));
                    count.fetch_add(1, Ordering::SeqCst);
                },
            );
        });
        run(&flow, config).expect("goes on");
        assert_eq!((sink.len(), rejected.load(Ordering::SeqCst)), (9, 1));
        assert_eq!(source.committed(), [10]);
    });
}

#[test]
fn what_the_compiler_cannot_see_is_a_fault_at_build() {
    let source = TestSource::new(numbered(1));
    let flow = Dataflow::new("loose", move |flow| {
        drop(flow.source("in", source.clone()));
        flow.source("in", source.clone()).split_errors().0.sink("out", TestSink::new());
    });
    let report = run(&flow, Config::default()).expect_err("two faults").report();
    assert!(report.contains("the stream of step \"in\" leads nowhere"), "{report}");
    assert!(report.contains("name two steps \"in\""), "{report}");
    assert!(report.contains("the error stream of step"), "{report}");
}

#[test]
fn failure_of_a_source_leaves_on_its_error_stream() {
    let mut items = numbered(6);
    items.insert(3, TestItem::Abort);
    let (source, sink) = (TestSource::new(items), TestSink::new());
    let (from, to, count) = (source.clone(), sink.clone(), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&count);
    let flow = Dataflow::new("source-errors", move |flow| {
        let seen = Arc::clone(&seen);
        let (records, failures) = flow.source_with_errors("in", from.clone());
        records.sink("out", to.clone());
        failures.for_each(move |failure| {
            assert_eq!((&*failure.step, failure.record.position), ("in", 3));
            seen.fetch_add(1, Ordering::SeqCst);
        });
    });
    run(&flow, Config::default()).expect("the source goes on");
    assert_eq!((sink.len(), count.load(Ordering::SeqCst)), (6, 1));
    assert_eq!(source.committed(), [7]);
}
