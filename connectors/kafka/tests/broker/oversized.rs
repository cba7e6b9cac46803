//! Records that are larger than a limit, the client's or the topic's: set aside with their bytes and origin, or the place to stop at.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::{ErrorKind, codes};
use millstream_engine::{Config, Dataflow, ErrorRecord, run};
use millstream_kafka::Sink;

use crate::support::{LONG, Reading, Topic, Writing, batches, broker};

const LIMIT: usize = 10_000;

/// Bytes of key and value.
const SIZES: [usize; 8] = [100, LIMIT - 1, LIMIT, LIMIT + 1, 200, 10 * LIMIT, 30 * LIMIT, 300];

/// A record of so many bytes, whose value tells its place.
fn sized((place, n_bytes): (usize, &usize)) -> OwnedRecord {
    let mut value = format!("{place} ").into_bytes();
    value.resize(n_bytes - 1, b'x');
    OwnedRecord::of(value).with_key("k")
}

fn filled(brokers: &str) -> Topic {
    let from = Topic::new(brokers, "from", 1);
    from.fill(SIZES.iter().enumerate().map(sized));
    from
}

fn config() -> Config {
    Config { workers: 1, ..Config::default() }
}

/// Copies all records; returns what was set aside.
fn copy_with_errors(from: &Topic, sink: &Sink) -> Vec<ErrorRecord> {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let (source, sink, heard) = (from.source().until_end(), sink.clone(), Arc::clone(&errors));
    let flow = Dataflow::new("oversized", move |flow| {
        let heard = Arc::clone(&heard);
        let rejected = flow.source("in", source.clone()).sink_with_errors("out", sink.clone());
        rejected.for_each(move |error| heard.lock().expect("no panic").push(error));
    });
    let begun = Instant::now();
    run(&flow, config()).expect("the dataflow goes on to the end");
    assert!(begun.elapsed() < LONG, "it took {:?}", begun.elapsed());
    drop(flow);
    Arc::into_inner(errors).expect("it has ended").into_inner().expect("no panic")
}

/// The place of a record.
fn place(record: &OwnedRecord) -> usize {
    let place = record.text().and_then(|text| text.split(' ').next()?.parse().ok());
    place.expect("the value tells it")
}

/// Checks that the records of these places were set aside, once each, whole and with their origin, and all others were written.
fn assert_set_aside(errors: &[ErrorRecord], (from, to): (&Topic, &Topic), places: &[usize]) {
    let mut found: Vec<_> = errors.iter().map(|error| place(&error.record)).collect();
    found.sort_unstable();
    assert_eq!(found, places);
    for error in errors {
        let place = place(&error.record);
        let whole = sized((place, &SIZES[place]));
        assert!((&error.record.key, &error.record.value) == (&whole.key, &whole.value), "{place}");
        assert_eq!((&*error.code, &*error.step), (codes::TOO_LARGE.0, "out"));
        let origin = error.record.origin.as_ref().map(|origin| (&*origin.topic, origin.partition));
        assert_eq!(origin, Some((&*from.name, 0)));
        assert_eq!(error.record.position, place as u64);
    }
    let written = Reading::open(&to.source().until_end(), true).read_all();
    let others: Vec<_> = (0..SIZES.len()).filter(|place| !places.contains(place)).collect();
    assert_eq!(written.iter().map(place_and_size).collect::<Vec<_>>(), others);
}

/// The place of a record that is as large as it was.
fn place_and_size(record: &OwnedRecord) -> usize {
    let place = place(record);
    assert_eq!(record.value, sized((place, &SIZES[place])).value, "{place}");
    place
}

#[test]
fn client_s_limit_is_exact() {
    let Some(brokers) = broker() else { return };
    let to = Topic::new(&brokers, "to", 1);
    let mut writing = Writing::open(&to.sink().with_max_record_bytes(LIMIT));
    writing.write(1, &batches(SIZES.iter().enumerate().map(sized), 8)[0]);
    let mut refused: Vec<_> = writing.settle().iter().map(|late| place(&late.record)).collect();
    refused.sort_unstable();
    assert_eq!(refused, [3, 5, 6]);
    let written = Reading::open(&to.source().until_end(), true).read_all();
    assert_eq!(written.iter().map(place_and_size).collect::<Vec<_>>(), [0, 1, 2, 4, 7]);
}

#[test]
fn record_above_the_topic_s_limit_is_set_aside() {
    let Some(brokers) = broker() else { return };
    let (from, to) = (filled(&brokers), Topic::with_max_bytes(&brokers, "to", 1, 10 * LIMIT));
    // The batch is refused as a whole; what it can do without goes in smaller ones.
    let sink = to.sink().with_max_record_bytes(50 * LIMIT);
    assert_set_aside(&copy_with_errors(&from, &sink), (&from, &to), &[5, 6]);
}

#[test]
fn direct_style_stops_at_the_oversized_record() {
    let Some(brokers) = broker() else { return };
    let (from, to) = (filled(&brokers), Topic::new(&brokers, "to", 1));
    let source = from.source().until_end();
    let sink = to.sink().with_max_record_bytes(LIMIT);
    let flow = Dataflow::new("direct", move |flow| {
        flow.source("in", source.clone()).sink("out", sink.clone());
    });
    let begun = Instant::now();
    let error = run(&flow, config()).expect_err("one record is too large");
    assert!(begun.elapsed() < Duration::from_secs(30), "it took {:?}", begun.elapsed());
    assert_eq!((error.kind(), error.code()), (ErrorKind::BadItem, codes::NOT_DELIVERED));
    let told = error.report();
    assert!(
        told.contains(codes::TOO_LARGE.0) && told.contains("(step \"out\", worker 0"),
        "{told}"
    );
    assert!(told.contains(&to.name) && told.contains("sink_with_errors"), "{told}");
}

#[test]
fn record_above_the_client_s_limit_is_set_aside() {
    let Some(brokers) = broker() else { return };
    let (from, to) = (filled(&brokers), Topic::new(&brokers, "to", 1));
    let sink = to.sink().with_max_record_bytes(LIMIT);
    assert_set_aside(&copy_with_errors(&from, &sink), (&from, &to), &[3, 5, 6]);
}
