//! What is written comes back: bytes, order, partitions.

use std::collections::HashMap;

use millstream_engine::batch::OwnedRecord;

use crate::support::{Reading, Topic, Writing, batches, broker};

const N_RECORDS: i64 = 100_000;

/// Records of every shape: with and without key, value, headers and time, and empty ones of each.
fn shapes() -> impl Iterator<Item = OwnedRecord> {
    (0..N_RECORDS).map(|n| {
        let mut record =
            OwnedRecord::of(format!("value-{n}")).with_key(format!("key-{}", n % 1000));
        match n % 50 {
            7 => record.value = None,
            13 => record.value = Some(Vec::new()),
            17 => {
                record = record.with_header("n", n.to_string()).with_header("n", "last");
            }
            19 => record.headers.push(("none".to_owned(), None)),
            23 => record.headers.push(("empty".to_owned(), Some(Vec::new()))),
            29 => record.time = Some(1_600_000_000_000 + n),
            31 => record.key = Some(Vec::new()),
            _ => {}
        }
        // Its number, so that order can be checked whatever the value is.
        if record.value.as_ref().is_none_or(Vec::is_empty) {
            record.headers.push(("number".to_owned(), Some(n.to_string().into_bytes())));
        }
        record
    })
}

/// The partition of some keys with four partitions, as Java's `Utils.toPositive(Utils.murmur2(key)) % 4` gives them.
const JAVA: [(&str, u32); 5] = [
    ("21", 0),
    ("foobar", 2),
    ("a-little-bit-long-string", 0),
    ("a-little-bit-longer-string", 3),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 1),
];

#[test]
fn records_come_back_as_written() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "shapes", 4);
    topic.fill(shapes());
    let read = Reading::open(&topic.source().until_end(), true).read_all();
    assert_eq!(read.len(), shapes().count());
    let mut by_key: HashMap<_, Vec<&OwnedRecord>> = HashMap::new();
    for record in &read {
        by_key.entry(record.key.clone()).or_default().push(record);
    }
    let mut partitions = HashMap::new();
    for written in shapes() {
        let same_key = by_key.get_mut(&written.key).expect("the key came back");
        let back = same_key.remove(0);
        assert_eq!((&back.value, &back.headers), (&written.value, &written.headers));
        assert!(
            back.time.is_some() && (written.time.is_none() || back.time == written.time),
            "{back:?}"
        );
        let origin = back.origin.as_ref().expect("readers set it");
        assert_eq!((&*origin.connector, &*origin.topic), ("kafka", &*topic.name));
        assert_eq!(*partitions.entry(written.key).or_insert(origin.partition), origin.partition);
    }
    let mut next = [0; 4];
    for record in &read {
        let partition = record.origin.as_ref().expect("readers set it").partition as usize;
        assert_eq!(record.position, next[partition], "positions of a partition follow each other");
        next[partition] += 1;
    }
}

#[test]
fn keys_lie_where_java_puts_them() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "java", 4);
    topic.fill(JAVA.map(|(key, _)| OwnedRecord::of(key).with_key(key)));
    let read = Reading::open(&topic.source().until_end(), true).read_all();
    for (key, partition) in JAVA {
        let record = read.iter().find(|record| record.text() == Some(key)).expect("it came back");
        assert_eq!(record.origin.as_ref().expect("readers set it").partition, partition, "{key}");
    }
}

#[test]
fn records_without_key_use_all_partitions() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "keyless", 4);
    let mut writing = Writing::open(&topic.sink().with_batch_bytes(10_000));
    for batch in batches((0..5000).map(|n| OwnedRecord::of(format!("{n:0100}"))), 100) {
        writing.write(1, &batch);
    }
    assert!(writing.settle().is_empty());
    let read = Reading::open(&topic.source().until_end(), true).read_all();
    let mut counts = [0; 4];
    for record in &read {
        assert_eq!(record.key, None);
        counts[record.origin.as_ref().expect("readers set it").partition as usize] += 1;
    }
    assert!(
        counts.iter().sum::<i32>() == 5000 && counts.iter().all(|count| *count > 0),
        "{counts:?}"
    );
}
