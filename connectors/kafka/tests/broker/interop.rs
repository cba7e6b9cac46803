//! What we write is what Java's client and kcat read, and the other way round: keys, nulls, headers, partitions.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use millstream_engine::batch::OwnedRecord;

use crate::compression::has_kcat;
use crate::java::java;
use crate::support::{Reading, Topic, broker};

/// Not a power of two: every bit of the hash counts.
const N_PARTITIONS: i32 = 7;

/// Keys of all lengths up to 40 bytes, text and not.
fn keys() -> impl Iterator<Item = Vec<u8>> {
    (0..1000_u32).map(|n| {
        let mut state = n.wrapping_mul(0x9e37_79b9);
        let mut next = || {
            state = state.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
            state.to_be_bytes()[0]
        };
        (0..n % 41).map(|_| next()).collect()
    })
}

fn partitions(records: &[OwnedRecord]) -> HashMap<Option<Vec<u8>>, u32> {
    let place = |record: &OwnedRecord| {
        let origin = record.origin.as_ref().expect("readers set it");
        (record.key.clone(), origin.partition)
    };
    records.iter().map(place).collect()
}

#[test]
fn keys_lie_on_the_partitions_of_java() {
    let Some(brokers) = broker() else { return };
    let Some(mut java) = java(&brokers) else { return };
    let records: Vec<_> = keys().map(|key| OwnedRecord::of("value").with_key(key)).collect();
    let (ours, theirs) =
        (Topic::new(&brokers, "ours", N_PARTITIONS), Topic::new(&brokers, "theirs", N_PARTITIONS));
    ours.fill(records.iter().cloned());
    java.write(&theirs.name, ("none", None), &records);
    let by_java = partitions(&Reading::open(&theirs.source().until_end(), true).read_all());
    let by_us = partitions(&java.read(&ours.name, records.len()));
    assert!(by_us.len() > 900 && by_us == by_java, "{} keys", by_us.len());
}

/// Null, empty and neither, for key, value and headers.
fn shapes() -> Vec<OwnedRecord> {
    let bytes = [None, Some(Vec::new()), Some(b"text".to_vec()), Some(vec![0, 255, b'\n', b' '])];
    let mut shapes: Vec<_> = bytes
        .iter()
        .flat_map(|key| bytes.iter().map(move |value| (key, value)))
        .map(|(key, value)| OwnedRecord {
            key: key.clone(),
            value: value.clone(),
            ..OwnedRecord::of("")
        })
        .collect();
    let headers = bytes.iter().map(|value| ("name".to_owned(), value.clone())).collect();
    shapes.push(OwnedRecord { headers, ..OwnedRecord::of("with headers").with_key("key") });
    shapes
}

fn same(read: &[OwnedRecord], written: &[OwnedRecord]) -> bool {
    let bytes = |records: &[OwnedRecord]| -> Vec<_> {
        let of = |record: &OwnedRecord| {
            (record.key.clone(), record.value.clone(), record.headers.clone())
        };
        records.iter().map(of).collect()
    };
    bytes(read) == bytes(written)
}

#[test]
fn nulls_and_headers_survive_both_ways() {
    let Some(brokers) = broker() else { return };
    let Some(mut java) = java(&brokers) else { return };
    let (ours, theirs) = (Topic::new(&brokers, "ours", 1), Topic::new(&brokers, "theirs", 1));
    let shapes = shapes();
    ours.fill(shapes.iter().cloned());
    let by_java = java.read(&ours.name, shapes.len());
    assert!(same(&by_java, &shapes), "Java reads {by_java:?}");
    java.write(&theirs.name, ("none", None), &shapes);
    let by_us = Reading::open(&theirs.source().until_end(), true).read_all();
    assert!(same(&by_us, &shapes), "we read {by_us:?}");
}

fn record(key: Option<&str>, value: Option<&str>) -> OwnedRecord {
    let bytes = |text: &str| text.as_bytes().to_vec();
    OwnedRecord { key: key.map(bytes), value: value.map(bytes), ..OwnedRecord::of("") }
}

#[test]
fn kcat_tells_null_from_empty_as_we_do() {
    let Some(brokers) = broker() else { return };
    if !has_kcat() {
        return;
    }
    let ours = Topic::new(&brokers, "ours", 1);
    ours.fill([
        record(None, Some("a")),
        record(Some(""), Some("b")).with_header("name", "value"),
        record(Some("k"), None),
        record(Some("k"), Some("")),
    ]);
    let read = Command::new("kcat")
        .args(["-C", "-b", &brokers, "-t", &ours.name, "-o", "beginning", "-e", "-q"])
        .args(["-f", "%K %k,%S %s,%h\\n"])
        .output()
        .expect("kcat runs");
    let wanted = "-1 ,1 a,\n0 ,1 b,name=value\n1 k,-1 ,\n1 k,0 ,\n";
    assert_eq!(String::from_utf8_lossy(&read.stdout), wanted);
}

#[test]
fn nulls_and_headers_of_kcat_are_read() {
    let Some(brokers) = broker() else { return };
    if !has_kcat() {
        return;
    }
    let theirs = Topic::new(&brokers, "theirs", 1);
    let mut kcat = Command::new("kcat")
        .args(["-P", "-b", &brokers, "-t", &theirs.name, "-Z", "-K", ":", "-H", "name=value"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("kcat runs");
    let mut input = kcat.stdin.take().expect("it was asked for");
    input.write_all(b"k:v\n:v\nk:\n").expect("kcat reads its input");
    drop(input);
    assert!(kcat.wait().expect("kcat ends").success());
    let by_us = Reading::open(&theirs.source().until_end(), true).read_all();
    let wanted = [(Some("k"), Some("v")), (None, Some("v")), (Some("k"), None)]
        .map(|(key, value)| record(key, value).with_header("name", "value"));
    assert!(same(&by_us, &wanted), "we read {by_us:?}");
}
