//! The same seed makes the same records, in any number of partitions and runs; the clock says how many.

use std::time::{Duration, Instant};

use millstream_engine::batch::{OwnedRecord, Record, RecordBatch};
use millstream_engine::clock::{SharedClock, SystemClock};
use millstream_engine::source::{Assignment, ResumePosition};
use millstream_engine::source::{OpenContext, Partition, Read, Reader, ReaderContext, Source as _};
use millstream_engine::testing::{Harness, ManualClock, TestSink, run_on};
use millstream_engine::{Config, Dataflow, run};
use millstream_generator::{Shape, Source};

fn flow_of(source: Source, sink: &TestSink) -> Dataflow {
    let sink = sink.clone();
    Dataflow::new("generate", move |flow| {
        flow.source("in", source.clone()).sink("out", sink.clone());
    })
}

/// Keys and values, sorted: workers write in no order.
fn content(sink: &TestSink) -> Vec<[Option<Vec<u8>>; 2]> {
    let mut content: Vec<_> = sink.records().into_iter().map(|r| [r.key, r.value]).collect();
    content.sort();
    content
}

#[test]
fn same_seed_makes_the_same_records_in_any_partitions() {
    let mut first = None;
    run_on([1, 2, 4], |config| {
        for n_partitions in [1, 3, 8] {
            let source = Source::new(Shape::orders()).unlimited().with_count(1000).with_seed(9);
            let sink = TestSink::new();
            run(&flow_of(source.with_partitions(n_partitions), &sink), config.clone())
                .expect("it ends");
            let content = content(&sink);
            assert_eq!(content.len(), 1000);
            assert_eq!(*first.get_or_insert_with(|| content.clone()), content);
        }
    });
    let other = TestSink::new();
    let source = Source::new(Shape::orders()).unlimited().with_count(1000).with_seed(10);
    run(&flow_of(source, &other), Config::default()).expect("it ends");
    assert_ne!(first, Some(content(&other)));
}

#[test]
fn next_run_goes_on_with_the_next_record() {
    let (sink, folder) = (TestSink::new(), tempfile::tempdir().expect("a folder"));
    for count in [500, 700] {
        let source = Source::new(Shape::numbers()).unlimited().with_count(count).with_partitions(2);
        let config = Config { state_dir: Some(folder.path().into()), ..Config::default() };
        run(&flow_of(source, &sink), config).expect("it ends");
    }
    let mut numbers: Vec<usize> =
        sink.texts().iter().filter_map(|text| text.parse().ok()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..700).collect::<Vec<_>>());
}

#[test]
fn clock_says_how_many_records_there_are() {
    let sink = TestSink::new();
    let source = Source::new(Shape::numbers()).with_rate(1000.0).with_partitions(3);
    let mut harness = Harness::start(&flow_of(source, &sink)).expect("it builds");
    for _ in 0..100 {
        harness.advance(Duration::from_millis(10));
        harness.run_until_idle().expect("it runs");
    }
    assert!((999..=1002).contains(&sink.len()), "{} in a second", sink.len());
    let before = sink.len();
    harness.advance(Duration::from_hours(1));
    harness.run_until_idle().expect("it runs");
    let burst = sink.len() - before;
    assert!((90..=101).contains(&burst), "{burst} after a stall of an hour");
    harness.stop().expect("it stops");
}

fn reader_of(source: &Source, batch_bytes: usize, n_assigned: u32) -> Box<dyn Reader> {
    reader_by(SystemClock::new(), source, batch_bytes, n_assigned)
}

fn reader_by(
    clock: SharedClock,
    source: &Source,
    batch_bytes: usize,
    n_assigned: u32,
) -> Box<dyn Reader> {
    let open = OpenContext {
        dataflow: "generate".into(),
        step: "in".into(),
        clock,
        open_timeout: Duration::from_secs(30),
    };
    let bounded = source.capabilities().bounded;
    let cx = ReaderContext { open, worker: 0, batch_bytes, batch_records: 1000, bounded };
    let mut reader = source.reader(cx).expect("it opens");
    let assignment = |index| Assignment {
        partition: Partition::new("numbers", index),
        start: ResumePosition("0".to_owned()),
        committed: None,
    };
    let assignments: Vec<_> = (0..n_assigned).map(assignment).collect();
    reader.assign(&assignments).expect("positions are numbers");
    reader
}

#[test]
fn reader_of_some_partitions_makes_their_share() {
    let (clock, mut batch, mut n_made) = (ManualClock::default(), RecordBatch::default(), 0);
    let source = Source::new(Shape::numbers()).with_rate(1000.0).with_partitions(4);
    let mut reader = reader_by(clock.shared(), &source, 1 << 20, 1);
    for _ in 0..100 {
        clock.advance(Duration::from_millis(10));
        while reader.read(&mut batch, Duration::ZERO).expect("it reads") == Read::Records {
            n_made += batch.len();
            batch.clear();
        }
    }
    assert!((249..=251).contains(&n_made), "{n_made} of a thousand in a quarter of the partitions");
}

#[test]
fn batch_ends_at_its_bytes() {
    let mut reader = reader_of(&Source::new(Shape::numbers()).unlimited(), 100, 1);
    let mut batch = RecordBatch::default();
    assert_eq!(reader.read(&mut batch, Duration::ZERO).expect("it reads"), Read::Records);
    assert!((100..110).contains(&batch.n_bytes()), "{} bytes", batch.n_bytes());
    let records: Vec<OwnedRecord> = batch.iter().map(Record::to_owned).collect();
    assert!(records.iter().all(|record| record.time.is_some() && record.origin.is_some()));
    assert_eq!(records.last().map(|record| record.position), Some(records.len() as u64 - 1));
}

#[test]
fn reader_waits_for_what_is_not_due() {
    let slow = Source::new(Shape::numbers()).with_rate(0.001);
    let (wait, mut batch) = (Duration::from_millis(20), RecordBatch::default());
    let mut assigned = reader_of(&slow, 1000, 1);
    assert_eq!(assigned.read(&mut batch, wait).expect("it reads"), Read::Records, "the first one");
    for mut reader in [assigned, reader_of(&slow, 1000, 0)] {
        batch.clear();
        let started = Instant::now();
        assert_eq!(reader.read(&mut batch, wait).expect("it reads"), Read::Idle);
        assert!(started.elapsed() >= wait, "idle is said once the wait has passed");
    }
}

#[test]
fn read_returns_when_a_record_is_due() {
    let mut reader = reader_of(&Source::new(Shape::numbers()).with_rate(50.0), 1000, 1);
    let (mut batch, started) = (RecordBatch::default(), Instant::now());
    for _ in 0..3 {
        batch.clear();
        assert_eq!(
            reader.read(&mut batch, Duration::from_mins(5)).expect("it reads"),
            Read::Records
        );
    }
    assert!(started.elapsed() >= Duration::from_millis(19), "20 ms lie between two records");
    assert!(started.elapsed() < Duration::from_mins(1), "the wait is not spent");
}
