//! What goes wrong at the start, or with one record, and what is said about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use millstream::batch::Record;
use millstream::error::codes;
use millstream::kafka::Source;
use millstream::prelude::*;
use millstream::{BoxError, ErrorKind, run};

use crate::harness::Stage;
use crate::scratch;

/// Nothing listens there: a clear error within the time that opening may take, and exit code 3.
pub(super) fn unreachable(_stage: &Stage) {
    let timeout = Duration::from_secs(2);
    let flow = Dataflow::new("alone", |flow| {
        flow.source("orders", Source::new("127.0.0.1:1", "orders")).map(|_record| ()).discard();
    });
    let config = Config { open_timeout: timeout, ..Config::default() };
    let begin = Instant::now();
    let error = run(&flow, config).expect_err("nothing listens there");
    let took = begin.elapsed();
    let report = error.report();
    assert_eq!((error.code(), error.exit_code()), (codes::UNREACHABLE, 3), "{report}");
    assert!(report.contains("127.0.0.1:1") && report.contains("orders"), "{report}");
    assert!(took < timeout + Duration::from_secs(1), "it took {took:?}");
}

/// A topic that does not exist, where a similar one does.
pub(super) fn unknown_topic(stage: &Stage) {
    let kafka = stage.shared();
    let topic = stage.fresh("orders");
    kafka.create_topic(&topic, 1);
    let (address, misspelt) = (kafka.address.clone(), topic.replace("orders", "order"));
    let flow = Dataflow::new("misspelt", move |flow| {
        flow.source("in", Source::new(&address, &misspelt)).map(|_record| ()).discard();
    });
    let error = run(&flow, Config::default()).expect_err("the topic does not exist");
    assert_eq!((error.code(), error.kind()), (codes::UNKNOWN_TOPIC, ErrorKind::Config));
    assert!(error.report().contains(&format!("Did you mean \"{topic}\"")), "{}", error.report());
}

/// Numbers as text, one of which is none.
const BAD: u64 = 700;
const N_RECORDS: u64 = 1000;

fn topic_with_a_bad_record(stage: &Stage) -> String {
    let topic = stage.fresh("in");
    stage.shared().create_topic(&topic, 1);
    let lines: String = (0..N_RECORDS)
        .map(|number| match number {
            BAD => "k\tnot a number\n".to_owned(),
            _ => format!("k\t{number}\n"),
        })
        .collect();
    let path = scratch::file(&topic);
    std::fs::write(&path, lines).expect("the scratch folder can be written");
    stage.shared().produce(&topic, &path, None);
    topic
}

fn parse(record: Record<'_>) -> Result<u64, BoxError> {
    Ok(std::str::from_utf8(record.value_or_empty())?.parse()?)
}

/// Direct style: the dataflow stops there and says where; a restart stops there again; nothing behind it is confirmed.
pub(super) fn bad_record_stops(stage: &Stage) {
    let topic = topic_with_a_bad_record(stage);
    let kafka = stage.shared();
    let name = stage.fresh("direct");
    let (address, from) = (kafka.address.clone(), topic.clone());
    let flow = Dataflow::new(&name, move |flow| {
        flow.source("in", Source::new(&address, &from).until_end())
            .try_map(parse)
            .errors_fail()
            .for_each(|_number| ());
    });
    for _again in 0..2 {
        let config = Config { batch_records: 100, ..Config::default() };
        let error = run(&flow, config).expect_err("one record is no number");
        let report = error.report();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::BadItem, 5), "{report}");
        assert!(report.contains(&format!("{topic}[0]@{BAD}")), "{report}");
        let committed = kafka.committed(&format!("{name}.in"), &topic, 1)[0];
        assert!(committed.is_some_and(|offset| offset <= BAD), "committed {committed:?}");
    }
}

/// Error stream style: it is set aside and counted, and the others go on.
pub(super) fn bad_record_is_set_aside(stage: &Stage) {
    let topic = topic_with_a_bad_record(stage);
    let kafka = stage.shared();
    let name = stage.fresh("stream");
    let (address, from) = (kafka.address.clone(), topic.clone());
    let (good, bad) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counts = (Arc::clone(&good), Arc::clone(&bad));
    let flow = Dataflow::new(&name, move |flow| {
        let counts = (Arc::clone(&counts.0), Arc::clone(&counts.1));
        let (numbers, errors) = flow
            .source("in", Source::new(&address, &from).until_end())
            .try_map(parse)
            .named("parse")
            .split_errors();
        numbers.for_each(move |_number| {
            counts.0.fetch_add(1, Ordering::SeqCst);
        });
        errors.for_each(move |error| {
            assert_eq!(error.record.text(), Some("not a number"));
            counts.1.fetch_add(1, Ordering::SeqCst);
        });
    });
    let counted = run(&flow, Config::default()).expect("it goes on");
    assert_eq!((good.load(Ordering::SeqCst), bad.load(Ordering::SeqCst)), (N_RECORDS - 1, 1));
    assert_eq!(counted.step("parse").map(|step| step.errors), Some(1));
    let committed = kafka.committed(&format!("{name}.in"), &topic, 1);
    assert_eq!(committed, [Some(N_RECORDS)]);
}
