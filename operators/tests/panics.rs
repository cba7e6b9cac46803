//! A panic in any closure of the program stops the dataflow with an error that names the step, and before the first boundary
//! the record; nothing beyond that record is confirmed, and nothing hangs.

mod support;

use std::iter::from_fn;

use millstream_engine::batch::{OwnedRecord, Record};
use millstream_engine::format::{Presence, Serializer};
use millstream_engine::stage::{Chain, ErrorsHandled, FromSource, HasOrigin, Records};
use millstream_engine::testing::{TestSink, TestSource, run_on};
use millstream_engine::{BoxError, Config, Dataflow, Error, ErrorKind, RecordStream, Stream, run};
use millstream_operators::prelude::*;
use serde::{Deserialize, Serialize};

use support::{Decimal, bounded};

type Source<'s> = RecordStream<'s, Records<FromSource>>;
type Program = for<'s> fn(Source<'s>, TestSink);

/// Where the record that every case panics on stands, in partition 1.
const POSITION: u64 = 37;

fn source() -> TestSource {
    let records = |boom| {
        (0..50).map(move |position| {
            let boom = boom && position == POSITION;
            let text = if boom {
                "boom".to_owned()
            } else {
                position.to_string()
            };
            OwnedRecord::of(text.clone()).with_key(text)
        })
    };
    TestSource::partitioned([records(false), records(true)]).with_batch_records(10)
}

fn panic_of(program: Program, config: Config) -> (Error, Vec<u64>) {
    let source = source();
    let from = source.clone();
    let flow = Dataflow::new("panics", move |flow| {
        program(flow.source("in", from.clone()), TestSink::new());
    });
    let error = bounded(|| run(&flow, config).expect_err("the program panics"));
    (error, source.committed())
}

#[derive(Clone, Copy, PartialEq)]
enum At {
    Origin,
    PastBoundary,
}

fn check(name: &str, at: At, workers: &[usize], program: Program) {
    run_on(workers.iter().copied(), |config| {
        let n_workers = config.workers;
        let (error, committed) = panic_of(program, config);
        let report = format!("{name} on {n_workers} workers: {}", error.report());
        assert_eq!(error.kind(), ErrorKind::Panic, "{report}");
        assert_eq!(error.cause().as_deref(), Some("boom"), "{report}");
        let place = error.place();
        assert_eq!(place.step.as_deref(), Some("here"), "{report}");
        let line = place.line.as_deref().expect("the step has a line");
        assert!(line.contains("tests/panics.rs:"), "{report}");
        let record = (
            place.topic.as_deref(),
            place.partition,
            place.position.as_deref(),
        );
        let expected = match at {
            At::Origin => (Some("test"), Some(1), Some("37")),
            At::PastBoundary => (None, None, None),
        };
        assert_eq!(record, expected, "{report}");
        assert!(committed[1] <= 30, "{report}: confirmed {committed:?}");
    });
}

fn boom(text: &str) -> bool {
    assert!(text != "boom", "boom");
    true
}

fn boom_record(record: Record<'_>) -> bool {
    assert!(record.value_or_empty() != b"boom", "boom");
    true
}

fn texts(
    source: Source<'_>,
) -> Stream<'_, String, impl Chain<String, Errors: ErrorsHandled, Origin: HasOrigin> + use<'_>> {
    source.map(|record| String::from_utf8_lossy(record.value_or_empty()).into_owned())
}

/// Checks a program on items twice: while the record is at hand, and beyond a boundary.
macro_rules! check_items {
    ($name:literal, |$stream:ident, $sink:ident| $body:expr) => {{
        check($name, At::Origin, &[1, 2, 4], |source, $sink| {
            let $stream = texts(source);
            drop($sink.clone());
            $body;
        });
        check($name, At::PastBoundary, &[1, 2, 4], |source, $sink| {
            let $stream = texts(source).boxed();
            drop($sink.clone());
            $body;
        });
    }};
}

#[test]
fn panic_in_item_stages_names_the_step() {
    check_items!("map", |s, _sink| s
        .map(|t| boom(&t))
        .named("here")
        .discard());
    check_items!("filter", |s, _sink| s
        .filter(|t| boom(t))
        .named("here")
        .discard());
    check_items!("filter_map", |s, _sink| s
        .filter_map(|t| boom(&t).then_some(t))
        .named("here")
        .discard());
    check_items!("flat_map's closure", |s, _sink| s
        .flat_map(|t| boom(&t).then_some(t))
        .named("here")
        .discard());
    check_items!("flat_map's iterator", |s, _sink| s
        .flat_map(|t| {
            let mut left = 2;
            from_fn(move || {
                left -= 1;
                (left > 0 || !boom(&t)).then_some(1)
            })
        })
        .named("here")
        .discard());
    check_items!("inspect", |s, _sink| s
        .inspect(|t| assert!(boom(t)))
        .named("here")
        .discard());
    check_items!("try_map", |s, _sink| s
        .try_map(|t| boom(&t).then_some(t).ok_or("never"))
        .named("here")
        .errors_fail()
        .discard());
}

#[test]
fn panic_in_encoding_stages_names_the_step() {
    check_items!("serialize_unkeyed", |s, sink| s
        .serialize_unkeyed(Decimal)
        .named("here")
        .errors_fail()
        .sink("out", sink));
    check_items!("serialize_keyed", |s, sink| s
        .map(|t| (7, t))
        .map(|(_, t)| t)
        .serialize_keyed(Decimal, |t| boom(t).then(|| t.clone()))
        .named("here")
        .errors_fail()
        .sink("out", sink));
    check_items!("encode", |s, sink| s
        .encode(|t, out| {
            out.key(b"key").value_buffer().push(7);
            assert!(boom(t));
            Ok::<_, std::fmt::Error>(())
        })
        .named("here")
        .errors_fail()
        .sink("out", sink));
    check("serialize", At::Origin, &[1, 2, 4], |source, sink| {
        texts(source)
            .serialize(Decimal)
            .named("here")
            .errors_fail()
            .sink("out", sink);
    });
}

#[test]
fn panic_in_parting_and_exchanging_names_the_step() {
    check_items!("branch", |s, _sink| {
        let (yes, no) = s.branch(|t| boom(t));
        yes.named("here").discard();
        no.discard();
    });
    check_items!("split", |s, _sink| {
        let mut name = Some("here");
        for stream in s.split(3, |t| usize::from(boom(t))) {
            match name.take() {
                Some(name) => stream.named(name).discard(),
                None => stream.discard(),
            }
        }
    });
    check_items!("route", |s, _sink| s
        .route(|t| u64::from(boom(t)))
        .named("here")
        .discard());
}

#[derive(Serialize, Deserialize)]
struct Uncloneable(String);

impl Clone for Uncloneable {
    fn clone(&self) -> Self {
        assert!(boom(&self.0));
        Self(self.0.clone())
    }
}

#[test]
fn panic_in_the_clone_of_a_broadcast_names_the_step() {
    check("broadcast", At::Origin, &[2, 4], |source, _| {
        texts(source)
            .map(Uncloneable)
            .broadcast()
            .named("here")
            .discard();
    });
}

#[test]
fn panic_in_for_each_names_its_line() {
    run_on([1, 2, 4], |config| {
        let (error, committed) = panic_of(
            |source, _| texts(source).boxed().for_each(|t| assert!(boom(&t))),
            config,
        );
        let step = error.place().step.as_deref().expect("a step");
        assert!(step.starts_with("for_each@"), "{step}");
        assert!(step.contains("tests/panics.rs:"), "{step}");
        assert_eq!(error.kind(), ErrorKind::Panic);
        assert!(committed[1] <= 30, "{committed:?}");
    });
}

/// Checks a program on records three times: on the source's batches, behind a stage that writes them, and beyond a boundary.
macro_rules! check_records {
    ($name:literal, |$stream:ident| $body:expr) => {{
        check($name, At::Origin, &[1, 2, 4], |source, _| {
            let $stream = source;
            $body;
        });
        check($name, At::Origin, &[1], |source, _| {
            let $stream = texts(source).serialize(AnyText).errors_fail();
            $body;
        });
        check($name, At::Origin, &[1, 2, 4], |source, _| {
            let $stream = source.boxed();
            $body;
        });
    }};
}

/// Writes any text.
struct AnyText;

impl Serializer<String> for AnyText {
    fn format(&self) -> &'static str {
        "text"
    }

    fn serialize(&mut self, item: &String, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
        out.extend_from_slice(item.as_bytes());
        Ok(Presence::Present)
    }
}

#[test]
fn panic_in_record_stages_names_step_and_record() {
    check_records!("map", |s| s.map(boom_record).named("here").discard());
    check_records!("filter", |s| s
        .filter(boom_record)
        .named("here")
        .sink("out", TestSink::new()));
    check_records!("filter_map", |s| s
        .filter_map(|r| boom_record(r).then_some(1))
        .named("here")
        .discard());
    check_records!("flat_map's closure", |s| s
        .flat_map(|r| [boom_record(r)])
        .named("here")
        .discard());
    check_records!("flat_map's iterator", |s| s
        .flat_map(|r| [r.value_or_empty() == b"boom"]
            .map(|b| !b)
            .into_iter()
            .inspect(|ok| assert!(*ok, "boom")))
        .named("here")
        .discard());
    check_records!("inspect", |s| s
        .inspect(|r| assert!(boom_record(r)))
        .named("here")
        .sink("out", TestSink::new()));
    check_records!("try_map", |s| s
        .try_map(|r| boom_record(r).then_some(1).ok_or("never"))
        .named("here")
        .errors_fail()
        .discard());
    check_records!("deserialize", |s| s
        .deserialize(Decimal)
        .named("here")
        .errors_fail()
        .discard());
    check_records!("deserialize_key", |s| s
        .deserialize_key(Decimal)
        .named("here")
        .errors_fail()
        .discard());
    check_records!("deserialize_both", |s| s
        .deserialize_both(Decimal, Decimal)
        .named("here")
        .errors_fail()
        .discard());
}
