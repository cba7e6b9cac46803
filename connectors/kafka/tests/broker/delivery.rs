//! Every record is confirmed or rejected, once.

use std::time::Duration;

use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::codes;
use millstream_engine::sink::Sink as _;

use crate::support::{Reading, Topic, Writing, batches, broker, numbered, numbers, open_context};

#[test]
fn full_queue_takes_a_prefix() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "full", 4);
    let mut writing =
        Writing::open(&topic.sink().with_queue_records(300).with_linger(Duration::ZERO));
    let (mut n_short, mut from) = (0, 0);
    let batch = &batches(numbered(0..20_000), 20_000)[0];
    while from < batch.len() {
        writing.poll();
        let end = writing.writer.write(7, batch, from).expect("the client goes on");
        assert!(end - from <= 300);
        n_short += usize::from(end < batch.len());
        if end == from {
            writing.wait();
        }
        from = end;
    }
    assert!(n_short > 10, "the queue was full {n_short} times");
    assert!(writing.settle().is_empty());
    let read = Reading::open(&topic.source().until_end(), true).read_all();
    assert_eq!(numbers(&read), (0..20_000).collect::<Vec<_>>());
}

#[test]
fn full_queue_counts_bytes_of_keys_and_headers() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "bytes", 1);
    let mut writing = Writing::open(&topic.sink().with_queue_bytes(1000));
    let large = |n: usize| {
        OwnedRecord::of(n.to_string()).with_key(vec![b'k'; 300]).with_header("h", vec![b'h'; 300])
    };
    let batch = &batches((0..10).map(large), 10)[0];
    writing.write(1, &batches(numbered(100..101), 1)[0]);
    assert!(writing.settle().is_empty());
    assert_eq!(writing.writer.write(1, batch, 0).expect("the client goes on"), 1);
    assert_eq!(writing.writer.write(1, batch, 1).expect("the client goes on"), 1);
    assert!(writing.settle().is_empty());
    assert_eq!(writing.writer.write(1, batch, 1).expect("the client goes on"), 2);
    assert!(writing.settle().is_empty());
    let whole = &batches([OwnedRecord::of(vec![b'v'; 5000])], 1)[0];
    assert_eq!(writing.writer.write(1, whole, 0).expect("the client goes on"), 1);
    assert!(writing.settle().is_empty());
}

#[test]
fn oversized_record_is_rejected_once() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "oversized", 2);
    let mut writing = Writing::open(&topic.sink().with_max_record_bytes(10_000));
    let mut records: Vec<_> = numbered(0..100).collect();
    records[40] = OwnedRecord::of(vec![b'x'; 20_000]).with_key("large");
    records[60] = OwnedRecord::of(vec![b'y'; 20_000]).with_key("large").with_header("h", "v");
    for batch in batches(records, 50) {
        writing.write(3, &batch);
    }
    let rejected = writing.settle();
    assert_eq!(rejected.len(), 2);
    for (late, byte) in rejected.iter().zip(*b"xy") {
        assert_eq!((late.epoch, late.error.code()), (3, codes::TOO_LARGE));
        assert_eq!(late.record.key.as_deref(), Some(&b"large"[..]));
        assert_eq!(late.record.value, Some(vec![byte; 20_000]));
        assert!(!late.error.is_retryable());
    }
    let read = Reading::open(&topic.source().until_end(), true).read_all();
    let wanted: Vec<_> = (0..100).filter(|n| ![40, 60].contains(n)).collect();
    assert_eq!(numbers(&read), wanted);
}

#[test]
fn broker_s_refusal_comes_back_with_the_record() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "refused", 1);
    // The client lets it through; the broker's own limit is 1 MiB.
    let sink = topic.sink().with_max_record_bytes(3_000_000).with_queue_bytes(8 << 20);
    let mut writing = Writing::open(&sink);
    let record =
        OwnedRecord::of(vec![b'x'; 2_000_000]).with_key("key").with_header("name", "value");
    writing.write(11, &batches([record.clone()], 1)[0]);
    let rejected = writing.settle();
    assert_eq!(rejected.len(), 1);
    assert_eq!((rejected[0].epoch, rejected[0].error.code()), (11, codes::TOO_LARGE));
    assert_eq!(
        (&rejected[0].record.key, &rejected[0].record.headers),
        (&record.key, &record.headers)
    );
    assert_eq!((&rejected[0].record.value, rejected[0].record.time), (&record.value, None));
    let place = rejected[0].error.place();
    assert_eq!((place.topic.as_deref(), place.partition), (Some(&*topic.name), Some(0)));
}

#[test]
fn epochs_that_interleave_are_told_apart() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "epochs", 4);
    let mut writing = Writing::open(&topic.sink());
    let batch = &batches(numbered(0..100), 100)[0];
    for epoch in [20_000, 10_000, 30_000, 10_000, 20_000] {
        writing.write(epoch, batch);
        assert!(writing.writer.oldest_unconfirmed().is_some_and(|oldest| oldest <= epoch));
    }
    assert!(writing.settle().is_empty());
    writing.write(10_000, batch);
    assert_eq!(writing.writer.oldest_unconfirmed(), Some(10_000));
    assert!(writing.settle().is_empty());
}

#[test]
fn writer_waits_for_a_broker_without_blocking() {
    if broker().is_none() {
        return;
    }
    let sink = millstream_kafka::Sink::new("127.0.0.1:1", "nowhere");
    let mut writing = Writing::open_at(&sink, open_context());
    let batch = &batches(numbered(0..10), 10)[0];
    for _ in 0..100 {
        writing.poll();
        assert_eq!(writing.writer.write(1, batch, 0).expect("the client tries again"), 0);
    }
    assert_eq!(writing.writer.oldest_unconfirmed(), None);
    writing.writer.close();
    assert!(sink.faults().is_empty());
}
