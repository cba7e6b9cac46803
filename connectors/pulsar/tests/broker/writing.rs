//! What is written is there, whole and in order.

use std::collections::BTreeMap;

use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::codes;
use millstream_pulsar::Sink;

use crate::plain::Plain;
use crate::write::{Writing, batch_of, numbered, numbers, sorted};

#[test]
fn records_arrive_once_and_in_order() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("once", 0);
    let mut writing = Writing::open(&Sink::new(&plain.address, &topic));
    for epoch in 0..20 {
        writing.write(epoch, &batch_of(numbered(epoch * 1000..(epoch + 1) * 1000)));
    }
    assert!(writing.settle().is_empty());
    let stored = plain.stored(&topic, 20_000);
    assert!(stored.len() < 200, "records travel in batches, not in {} messages", stored.len());
    let records: Vec<_> = stored.into_iter().flat_map(|message| message.records).collect();
    assert_eq!(numbers(&records), (0..20_000).collect::<Vec<_>>());
}

#[test]
fn fields_of_a_record_arrive_batched_and_not() {
    let Some(plain) = Plain::of_environment() else { return };
    let full = OwnedRecord::of("value").with_key("key").with_header("name", "text");
    let written = [
        OwnedRecord { time: Some(1_700_000_000_123), ..full },
        OwnedRecord::of([0, 255, 1]).with_key([255, 254]),
        OwnedRecord { value: None, ..OwnedRecord::of("").with_key("tombstone") },
        OwnedRecord::of(""),
    ];
    for batch_records in [1, 1000] {
        let topic = plain.create("fields", 0);
        let sink = Sink::new(&plain.address, &topic).with_batch_records(batch_records);
        let mut writing = Writing::open(&sink);
        writing.write(1, &batch_of(written.clone()));
        assert!(writing.settle().is_empty());
        let stored = plain.stored(&topic, written.len());
        let in_batches =
            stored.iter().all(|message| message.metadata.num_messages_in_batch.is_some());
        assert_eq!(in_batches, batch_records > 1);
        let read: Vec<_> = stored.into_iter().flat_map(|message| message.records).collect();
        assert_eq!(read, written);
    }
}

#[test]
fn keys_keep_to_their_partitions() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("keys", 4);
    let mut writing = Writing::open(&Sink::new(&plain.address, &topic));
    for epoch in 0..10 {
        writing.write(epoch, &batch_of(numbered(epoch * 500..(epoch + 1) * 500)));
    }
    let keyless = (5000..6000).map(|n| OwnedRecord::of(n.to_string()).with_partition(3));
    writing.write(11, &batch_of(keyless));
    assert!(writing.settle().is_empty());
    let records = plain.records(&topic, 4, 6000);
    assert_eq!(sorted(numbers(&records)), (0..6000).collect::<Vec<_>>());
    let mut by_key: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in &records {
        let at = record.origin.as_ref().expect("it was read").partition;
        by_key
            .entry(record.key.clone())
            .or_default()
            .push((at, numbers(std::slice::from_ref(record))));
    }
    assert_eq!(by_key.len(), 98);
    for (key, seen) in by_key {
        assert!(seen.iter().all(|(at, _)| *at == seen[0].0), "a key goes to one partition");
        assert!(seen.is_sorted(), "records of a key keep their order");
        assert!(key.is_some() || seen[0].0 == 3, "a partition said is honoured");
    }
}

#[test]
fn what_pulsar_cannot_carry_is_rejected_alone() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("cannot", 0);
    let mut writing = Writing::open(&Sink::new(&plain.address, &topic));
    let null = OwnedRecord { headers: vec![("h".to_owned(), None)], ..OwnedRecord::of("2") };
    let records = [
        OwnedRecord::of("0"),
        OwnedRecord::of("1").with_header("h", [255]),
        null,
        OwnedRecord::of("3"),
        OwnedRecord::of("4").with_partition(1),
        OwnedRecord::of(vec![b'5'; 6 << 20]),
    ];
    writing.write(7, &batch_of(records));
    let mut rejected = writing.settle();
    rejected.sort_by_key(|told| told.record.value.clone());
    let codes: Vec<_> = rejected.iter().map(|told| (told.epoch, told.error.code())).collect();
    let expected =
        [codes::BAD_ENCODING, codes::BAD_ENCODING, codes::UNKNOWN_TOPIC, codes::TOO_LARGE];
    assert_eq!(codes, expected.map(|code| (7, code)));
    assert_eq!(numbers(&plain.records(&topic, 0, 2)), [0, 3]);
}
