//! Sources and sinks of the program's own: what is handed out, delivered, refused, repeated, and said of a panic.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millstream_engine::batch::RecordBatch;
use millstream_engine::clock::SystemClock;
use millstream_engine::config::Restart;
use millstream_engine::error::codes;
use millstream_engine::source::{self, OpenContext, Read, ReaderContext, Source};
use millstream_engine::testing::{TestSink, TestSource, run_on};
use millstream_engine::{Config, Dataflow, Error, ErrorKind, run, sink};

fn numbers(n: usize) -> impl Iterator<Item = (String, String)> + Send + 'static {
    (0..n).map(|i| (format!("k{}", i % 7), format!("{i:06}")))
}

fn collected(n: usize) -> Vec<String> {
    numbers(n).map(|(_, value)| value).collect()
}

fn reader_context() -> ReaderContext {
    let open = OpenContext {
        dataflow: "own".into(),
        step: "in".into(),
        clock: SystemClock::new(),
        open_timeout: Duration::from_secs(30),
    };
    ReaderContext { open, worker: 0, batch_bytes: 1 << 10, batch_records: 8, bounded: true }
}

/// The report, with the line of this file left out: it moves with every edit.
fn report(error: &Error) -> String {
    let mut text = error.report();
    while let Some(at) = text.find("own_connectors.rs:") {
        let digits = text[at..].trim_start_matches("own_connectors.rs:");
        let n_digits = digits.len() - digits.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        text.replace_range(at..at + "own_connectors.rs:".len() + n_digits, "LINE");
    }
    text
}

#[test]
fn items_of_an_iterator_arrive_once_in_order() {
    run_on([1, 2, 4], |config| {
        let sink = TestSink::new();
        let to = sink.clone();
        let flow = Dataflow::new("own", move |flow| {
            flow.source("in", source::from_iter(numbers(20_000))).sink("out", to.clone());
        });
        let counted = run(&flow, config).expect("nothing fails");
        assert_eq!(sink.texts(), collected(20_000));
        assert_eq!(counted.step("in").map(|step| step.records), Some(20_000));
        let last = sink.records().pop().expect("there are some");
        assert_eq!((last.key.as_deref(), last.position), (Some(&b"k0"[..]), 19_999));
        let origin = last.origin.expect("every record has one");
        assert_eq!((&*origin.connector, &*origin.topic, origin.partition), ("own", "in", 0));
    });
}

/// Records delivered by two runs with one state folder: a hundred items, then a hundred and fifty.
fn delivered_by_two_runs(promises: [bool; 2]) -> usize {
    let (sink, folder) = (TestSink::new(), tempfile::tempdir().expect("a folder"));
    for (replayable, n_items) in promises.into_iter().zip([100, 150]) {
        let to = sink.clone();
        let flow = Dataflow::new("own", move |flow| {
            let items = source::from_iter(numbers(n_items));
            let items = if replayable { items.replayable() } else { items };
            flow.source("in", items).sink("out", to.clone());
        });
        let config = Config { state_dir: Some(folder.path().into()), ..Config::default() };
        run(&flow, config).expect("nothing fails");
    }
    sink.len()
}

#[test]
fn iterator_that_is_replayed_goes_on_where_it_stopped() {
    assert_eq!(delivered_by_two_runs([true, true]), 150);
    assert_eq!(delivered_by_two_runs([false, false]), 250);
    assert_eq!(delivered_by_two_runs([false, true]), 250, "without a promise nothing is stored");
    assert_eq!(delivered_by_two_runs([true, false]), 250, "without a promise nothing is skipped");
}

#[test]
fn closure_counts_from_its_position() {
    run_on([1, 2, 4], |config| {
        let sink = TestSink::new();
        let to = sink.clone();
        let flow = Dataflow::new("own", move |flow| {
            let count = source::from_fn(|fill| {
                while fill.has_room() && fill.position() < 3000 {
                    let number = format!("{:06}", fill.position());
                    let mut record = fill.writer();
                    record.value(number.as_bytes()).time(7);
                    record.finish();
                }
                Ok(if fill.position() < 3000 { Read::Records } else { Read::End })
            });
            flow.source("in", count.replayable()).sink("out", to.clone());
        });
        run(&flow, config).expect("nothing fails");
        assert_eq!(sink.texts(), collected(3000));
        assert!(sink.records().iter().all(|record| record.time == Some(7)));
    });
}

#[test]
fn error_comes_after_what_was_pushed_before_it() {
    let (sink, failures) = (TestSink::new(), Arc::new(Mutex::new(Vec::new())));
    let (to, seen) = (sink.clone(), Arc::clone(&failures));
    let flow = Dataflow::new("own", move |flow| {
        let (seen, mut n_calls) = (Arc::clone(&seen), 0);
        let flaky = source::from_fn(move |fill| {
            n_calls += 1;
            fill.push(n_calls.to_string());
            match n_calls {
                2 => Err("the line is bad".into()),
                4 => Ok(Read::End),
                _ => Ok(Read::Idle),
            }
        });
        let (records, errors) = flow.source_with_errors("in", flaky);
        records.sink("out", to.clone());
        errors.for_each(move |error| {
            let said = (error.code.to_string(), error.error);
            seen.lock().expect("no panic").push(said);
        });
    });
    run(&flow, Config::default()).expect("the source goes on");
    assert_eq!(sink.texts(), ["1", "2", "3", "4"]);
    let failures = failures.lock().expect("no panic");
    assert_eq!(failures.len(), 1);
    insta::assert_snapshot!(failures[0].1, @"failed to read from a source of the program's own: the line is bad");
}

#[test]
fn error_of_our_own_kind_is_kept() {
    let flow = Dataflow::new("own", |flow| {
        let denied = source::from_fn(|_| {
            Err(Error::new(ErrorKind::Denied, codes::NOT_AUTHORISED, "open the gate").into())
        });
        flow.source("in", denied).sink("out", TestSink::new());
    });
    let error = run(&flow, Config { workers: 1, ..Config::default() }).expect_err("it is denied");
    assert_eq!(error.kind(), ErrorKind::Denied);
    insta::assert_snapshot!(report(&error), @r#"E0121 failed to open the gate (step "in", partition in[0], worker 0)"#);
}

#[test]
fn panic_of_a_source_stops_the_dataflow_on_its_line() {
    for takes_errors in [false, true] {
        let flow = Dataflow::new("own", move |flow| {
            let items = (0..10).map(|n| {
                assert!(n < 5, "five is too much");
                n.to_string()
            });
            if takes_errors {
                let (records, errors) = flow.source_with_errors("in", source::from_iter(items));
                records.sink("out", TestSink::new());
                errors.discard();
            } else {
                flow.source("in", source::from_iter(items)).sink("out", TestSink::new());
            }
        });
        let error = run(&flow, Config { workers: 1, ..Config::default() }).expect_err("it panics");
        assert_eq!(error.exit_code(), 101);
        insta::allow_duplicates! {
            insta::assert_snapshot!(report(&error), @r#"
            E0401 failed to run your code: it panicked (step "in" at engine/tests/LINE, partition in[0], worker 0): five is too much
            The dataflow stops on all workers; nothing of what was in flight is confirmed.
            "#);
        }
    }
}

#[test]
fn closure_that_is_idle_is_not_asked_all_the_time() {
    let source = source::from_fn(|_| Ok(Read::Idle));
    let cx = reader_context();
    let mut finder = source.finder(&cx.open).expect("it opens");
    let partition = finder.find().expect("there is one").remove(0);
    let starts = finder.resolve(&[(partition, None)], source::Found::AtStart).expect("a start");
    let mut reader = source.reader(cx).expect("it opens");
    reader.assign(&starts).expect("a partition");
    let (started, wait) = (Instant::now(), Duration::from_millis(20));
    for _ in 0..3 {
        let read = reader.read(&mut RecordBatch::default(), wait).expect("it reads");
        assert_eq!(read, Read::Idle);
    }
    assert!(started.elapsed() >= 3 * wait, "the wait is spent");
}

#[test]
fn closure_is_opened_once() {
    let source = source::from_iter(["a"]);
    source.reader(reader_context()).expect("it opens").close(Duration::ZERO).expect("it closes");
    let Err(error) = source.reader(reader_context()) else { panic!("it opened twice") };
    insta::assert_snapshot!(error.report(), @r"
    E0201 failed to open a source of the program's own: it was opened before
    Make it inside the dataflow's closure, which runs anew for every run.
    ");
}

/// Takes all but one record; the test says what becomes of that one.
fn picky() -> sink::FromFn {
    sink::from_fn(|record| {
        if record.value() == Some(b"000007") { Err("seven is odd".into()) } else { Ok(()) }
    })
}

#[test]
fn refused_record_stops_a_direct_sink_of_our_own() {
    let source = TestSource::new(collected(10).iter().map(String::as_str));
    let from = source.clone();
    let flow =
        Dataflow::new("own", move |flow| flow.source("in", from.clone()).sink("out", picky()));
    let error = run(&flow, Config { workers: 1, ..Config::default() }).expect_err("one is refused");
    let report = error.report();
    let report = report.split_once(", epoch ").map_or(&*report, |(before, _)| before);
    insta::assert_snapshot!(report, @r#"E0140 failed to deliver a record to own code (step "out", worker 0"#);
    assert!(error.report().contains("seven is odd"), "{}", error.report());
    assert_eq!(source.committed(), [0], "nothing is confirmed because of a failure");
}

#[test]
fn refused_record_leaves_a_sink_of_our_own_once() {
    run_on([1, 2, 4], |config| {
        let source = TestSource::partitioned([collected(10), collected(6)].map(|texts| {
            texts
                .into_iter()
                .map(|text| text.as_str().into())
                .collect::<Vec<millstream_engine::testing::TestItem>>()
        }));
        let (from, refused) = (source.clone(), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&refused);
        let flow = Dataflow::new("own", move |flow| {
            let seen = Arc::clone(&seen);
            flow.source("in", from.clone()).sink_with_errors("out", picky()).for_each(move |e| {
                seen.lock().expect("no panic").push((e.record.position, e.error));
            });
        });
        run(&flow, config).expect("what is refused leaves");
        let refused = refused.lock().expect("no panic");
        assert_eq!(
            *refused,
            [(7, "failed to write to a sink of the program's own: seven is odd".to_owned())]
        );
        assert_eq!(source.committed(), [10, 6]);
    });
}

#[test]
fn panic_of_a_sink_names_its_record() {
    let flow = Dataflow::new("own", |flow| {
        let fragile = sink::from_fn(|record| {
            assert_ne!(record.value(), Some(&b"000003"[..]), "not three");
            Ok(())
        });
        flow.source("in", source::from_iter(numbers(10))).sink("out", fragile);
    });
    let error = run(&flow, Config { workers: 1, ..Config::default() }).expect_err("it panics");
    let report = report(&error);
    let first_line = report.lines().next().unwrap_or_default();
    insta::assert_snapshot!(first_line, @r#"E0401 failed to run your code: it panicked (step "out" at engine/tests/LINE, record in[0]@3, worker 0): assertion `left != right` failed: not three"#);
}

#[test]
fn failed_batch_is_rejected_whole() {
    let (n_batches, n_refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (batches, refused) = (Arc::clone(&n_batches), Arc::clone(&n_refused));
    let source = TestSource::new(collected(30).iter().map(String::as_str)).with_batch_records(10);
    let flow = Dataflow::new("own", move |flow| {
        let (batches, refused) = (Arc::clone(&batches), Arc::clone(&refused));
        let second_fails = sink::from_batch_fn(move |batch| {
            assert_eq!(batch.len(), 10);
            if batches.fetch_add(1, Ordering::SeqCst) == 1 { Err("full".into()) } else { Ok(()) }
        });
        let errors = flow.source("in", source.clone()).sink_with_errors("out", second_fails);
        errors.for_each(move |error| {
            assert_eq!(&*error.error, "failed to write to a sink of the program's own: full");
            refused.fetch_add(1, Ordering::SeqCst);
        });
    });
    run(&flow, Config { workers: 1, ..Config::default() }).expect("what is refused leaves");
    assert_eq!((n_batches.load(Ordering::SeqCst), n_refused.load(Ordering::SeqCst)), (3, 10));
}

#[test]
fn restart_repeats_only_what_can_be_replayed() {
    let run_with = |replayable: bool| {
        let (taken, failed) = (TestSink::new(), Arc::new(AtomicBool::new(false)));
        let (to, once) = (taken.clone(), Arc::clone(&failed));
        let flow = Dataflow::new("own", move |flow| {
            let once = Arc::clone(&once);
            let items = source::from_iter(numbers(50));
            let items = if replayable { items.replayable() } else { items };
            let (left, right) = flow.source("in", items).fork();
            left.sink("out", to.clone());
            right.sink(
                "fails-once",
                sink::from_fn(move |_| {
                    if once.swap(true, Ordering::SeqCst) { Ok(()) } else { Err("away".into()) }
                }),
            );
        });
        let restart = Some(Restart { attempts: 1, backoff: Duration::from_millis(1) });
        let result = run(&flow, Config { workers: 1, restart, ..Config::default() });
        let mut texts = taken.sorted_texts();
        texts.dedup();
        (result.map(drop), texts)
    };
    let (replayed, texts) = run_with(true);
    replayed.expect("the second execution ends");
    assert_eq!(texts, collected(50));
    let (refused, nothing) = run_with(false);
    assert_eq!(refused.expect_err("it cannot be replayed").code(), codes::BAD_GRAPH);
    assert!(nothing.is_empty(), "it never began");
}
