//! What of a record can be read: every part of it, whatever its size.

use millstream_engine::batch::OwnedRecord;
use millstream_kafka::End;

use crate::plain::Plain;
use crate::support::{LONG, Reading, Topic, Writing, batches, broker};

type Header = (String, Option<Vec<u8>>);

#[test]
fn every_part_of_a_record_is_readable() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "parts", 3);
    let header = |name: &str, value: Option<&str>| -> Header {
        (name.to_owned(), value.map(|text| text.as_bytes().to_vec()))
    };
    let headers = vec![
        header("z", Some("first")),
        header("twice", Some("1")),
        header("none", None),
        header("twice", None),
        header("empty", Some("")),
        header("a", Some("last")),
    ];
    let whole = OwnedRecord {
        key: Some(Vec::new()),
        value: Some(b"value".to_vec()),
        headers: headers.clone(),
        time: Some(1_700_000_000_123),
        ..OwnedRecord::default()
    };
    let keyless = OwnedRecord { key: None, ..whole.clone() };
    let keyed = OwnedRecord { key: Some(b"key".to_vec()), headers: Vec::new(), ..whole.clone() };
    Plain::new(&brokers).produce(&topic.name, 2, &[whole, keyless, keyed], LONG);
    let read = Reading::open(&topic.source().with_end(End::Latest), true).read_all();
    let keys: Vec<_> = read.iter().map(|record| record.key.as_deref()).collect();
    assert_eq!(keys, [Some(&b""[..]), None, Some(&b"key"[..])], "null is not empty");
    assert_eq!(read[0].headers, headers, "in their order, twice where they were, null as null");
    assert_eq!(read[1].headers, headers);
    assert!(read[2].headers.is_empty());
    for (record, position) in read.iter().zip(0..) {
        let origin = record.origin.as_ref().expect("readers set it");
        assert_eq!((&*origin.topic, origin.partition), (&*topic.name, 2));
        assert_eq!((record.position, record.time), (position, Some(1_700_000_000_123)));
        assert_eq!(record.value.as_deref(), Some(&b"value"[..]));
    }
}

#[test]
fn record_larger_than_every_bound_is_read() {
    const LARGE: usize = 12 << 20;
    let Some(brokers) = broker() else { return };
    let topic = Topic::with_max_bytes(&brokers, "oversized", 1, 2 * LARGE);
    let sink = topic.sink().with_max_record_bytes(2 * LARGE).with_queue_bytes(4 * LARGE);
    let mut writing = Writing::open(&sink);
    let records = [1, LARGE, 2, LARGE, 3].map(|n_bytes| OwnedRecord::of(vec![b'x'; n_bytes]));
    for batch in batches(records, 1) {
        writing.write(1, &batch);
    }
    assert!(writing.settle().is_empty());
    // Far below the record, and a fetch of the default size is below it too.
    let small = topic.source().with_fetch_partition_bytes(64 << 10).with_queue_bytes(1 << 20);
    for source in [small.with_fetch_bytes(1 << 20), topic.source()] {
        let read = Reading::open(&source.until_end(), true).read_all();
        let lengths: Vec<_> =
            read.iter().map(|record| record.value.as_ref().map_or(0, Vec::len)).collect();
        assert_eq!(lengths, [1, LARGE, 2, LARGE, 3]);
    }
}
