//! The five places where a record can fail, each as an error stream and each in direct style: fetch, decode, process, encode,
//! delivery.

use std::convert::Infallible;
use std::sync::mpsc::channel;

use millstream::batch::{OwnedRecord, RecordWriter};
use millstream::memory::{Broker, Sink, Source};
use millstream::prelude::*;
use millstream::run;

/// A broker with five records, of which four fail, each in another place; the first read fails too.
fn broker() -> Broker {
    let broker = Broker::new();
    broker.create_topic("orders", 1).expect("a fresh name");
    broker.create_topic("out", 1).expect("a fresh name");
    let mut producer = broker.producer("orders").expect("the topic exists");
    for value in ["11", "garbage", "13", "14", "15"] {
        let record = OwnedRecord::of(value).with_key(format!("key {value}"));
        producer.send(record.with_header("h", "1")).expect("there is room");
    }
    let is_fifteen = |value: Option<&[u8]>| value == Some(b"out 15");
    let faults = broker.faults("out").expect("the topic exists");
    faults.reject(move |record| is_fifteen(record.value()).then(|| "not today".to_owned()));
    broker
}

fn process(number: u32) -> Result<String, &'static str> {
    if number == 13 { Err("it brings bad luck") } else { Ok(number.to_string()) }
}

fn encode(number: &String, out: &mut RecordWriter<'_>) -> Result<(), &'static str> {
    out.value(format!("out {number}").as_bytes());
    if number == "14" { Err("it does not fit") } else { Ok(()) }
}

/// An error in one line: where, what, attempts, origin, and key, value and headers of its record.
fn line(error: &ErrorRecord) -> String {
    let ErrorRecord { step, code, error, attempts, record, .. } = error;
    let origin = record.origin.as_ref().expect("every place knows the origin");
    let place =
        format!("{} {}[{}]@{}", origin.connector, origin.topic, origin.partition, record.position);
    let part = |bytes: &Option<Vec<u8>>| {
        String::from_utf8_lossy(bytes.as_deref().unwrap_or(b"-")).into_owned()
    };
    let headers = record.headers.len();
    let (key, value) = (part(&record.key), part(&record.value));
    format!("{step} {code} {attempts} {place} {key}={value} {headers}: {error}")
}

fn config() -> Config {
    Config { workers: 1, ..Config::default() }
}

#[test]
fn five_places_leave_on_streams_with_bytes_origin_and_reason() {
    let broker = broker();
    broker.faults("orders").expect("the topic exists").fail_reads(1);
    let (send, lines) = channel();
    let at = broker.clone();
    let flow = Dataflow::new("five", move |flow| {
        let source = Source::new(&at, "orders").until_end();
        let (orders, not_fetched) = flow.source_with_errors("fetch", source);
        let (good, bad) = orders
            .deserialize(json::<u32>())
            .named("decode")
            .try_map(process)
            .named("process")
            .split_errors();
        let (records, not_encoded) = good.encode(encode).named("encode").split_errors();
        let undelivered = records.sink_with_errors("deliver", Sink::new(&at, "out"));
        let send = send.clone();
        not_fetched
            .merge_all(vec![bad, not_encoded, undelivered])
            .for_each(move |error| send.send(line(&error)).expect("the test listens"));
    });
    run(&flow, config()).expect("errors on streams stop nothing");
    drop(flow);
    let mut seen: Vec<String> = lines.into_iter().collect();
    seen.sort();
    let expected = [
        "decode E0301 1 memory orders[0]@1 key garbage=garbage 1: not valid JSON: expected value at byte 0",
        "deliver E0140 1 memory orders[0]@4 -=out 15 0: failed to append a record: not today",
        "encode E0304 1 memory orders[0]@3 key 14=14 1: it does not fit",
        "fetch E0101 1 memory orders[0]@0 -=- 0: failed to read from the embedded broker",
        "process E0303 1 memory orders[0]@2 key 13=13 1: it brings bad luck",
    ];
    assert_eq!(seen, expected);
    assert_eq!(broker.len("out").expect("the topic exists"), 1, "what is good is delivered");
}

fn orders(broker: &Broker) -> Source {
    Source::new(broker, "orders").until_end()
}

/// Runs a flow that must stop; step, code and position of the error.
fn stopped_by(
    broker: &Broker,
    build: impl Fn(&Flow<'_>, &Broker) + Send + Sync + 'static,
) -> (Option<String>, String, Option<String>) {
    let at = broker.clone();
    let flow = Dataflow::new("direct", move |flow| build(flow, &at));
    let error = run(&flow, config()).expect_err("the first error stops it");
    let place = error.place();
    (place.step.clone(), error.code().to_string(), place.position.clone())
}

fn at(step: &str, code: &str, position: Option<&str>) -> (Option<String>, String, Option<String>) {
    (Some(step.to_owned()), code.to_owned(), position.map(str::to_owned))
}

#[test]
fn five_places_stop_in_direct_style() {
    let broker = broker();
    let faults = broker.faults("orders").expect("the topic exists");
    faults.fail_reads(1);
    let fetch = stopped_by(&broker, |flow, broker| {
        flow.source("fetch", orders(broker)).sink("out", Sink::new(broker, "out"));
    });
    assert_eq!(fetch, at("fetch", "E0101", None));
    let decode = stopped_by(&broker, |flow, broker| {
        let numbers = flow.source("in", orders(broker)).deserialize(json::<u32>()).named("decode");
        numbers.errors_fail().discard();
    });
    assert_eq!(decode, at("decode", "E0301", Some("1")));
    let process = stopped_by(&broker, |flow, broker| {
        let numbers = flow.source("in", orders(broker)).deserialize(json::<u32>()).errors_drop();
        numbers.try_map(process).named("process").errors_fail().discard();
    });
    assert_eq!(process, at("process", "E0303", Some("2")));
    let encode = stopped_by(&broker, |flow, broker| {
        let numbers = flow.source("in", orders(broker)).deserialize(json::<u32>()).errors_drop();
        let records = numbers.map(|n| n.to_string()).encode(encode).named("encode").errors_fail();
        records.sink("out", Sink::new(broker, "out"));
    });
    assert_eq!(encode, at("encode", "E0304", Some("3")));
    let deliver = stopped_by(&broker, |flow, broker| {
        let always = |(): &(), out: &mut RecordWriter<'_>| {
            out.value(b"out 15");
            Ok::<_, Infallible>(())
        };
        let records = flow.source("in", orders(broker)).map(|_| ()).encode(always).errors_fail();
        records.sink("deliver", Sink::new(broker, "out"));
    });
    assert_eq!(deliver, at("deliver", "E0140", None));
}
