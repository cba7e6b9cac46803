//! What we write is what Pulsar's Java client reads, and the other way round: every codec, batched, single and in chunks, encrypted
//! and not, on a real broker.

#[path = "../../tests/interop/java.rs"]
mod java;
mod peer;

use std::sync::atomic::{AtomicU32, Ordering};

use millstream_engine::batch::OwnedRecord;

use self::java::{Manner, Written, java};
use self::peer::{Peer, broker};
use crate::wire::proto::CompressionType;

const CODECS: [(&str, CompressionType); 5] = [
    ("NONE", CompressionType::None),
    ("LZ4", CompressionType::Lz4),
    ("ZLIB", CompressionType::Zlib),
    ("ZSTD", CompressionType::Zstd),
    ("SNAPPY", CompressionType::Snappy),
];

const KEYS: [Option<&str>; 4] = [None, Some("rsa"), Some("p256"), Some("p521")];

/// A topic of its own for every check.
fn topic(name: &str) -> String {
    static N: AtomicU32 = AtomicU32::new(0);
    let n = N.fetch_add(1, Ordering::Relaxed);
    format!("persistent://public/default/interop-{name}-{}-{n}", std::process::id())
}

/// Null, empty, text and neither, for keys and values; headers, times and ordering keys.
fn records() -> Vec<Written> {
    let bytes = [None, Some(Vec::new()), Some("Schlüssel".into()), Some(vec![0, 255, b'\n', b' '])];
    let pairs = bytes.iter().flat_map(|key| bytes.iter().map(move |value| (key, value)));
    let mut records: Vec<_> = pairs
        .map(|(key, value)| OwnedRecord {
            key: key.clone(),
            value: value.clone(),
            ..OwnedRecord::default()
        })
        .map(|record| Written { record, ordering_key: None })
        .collect();
    let mut full = OwnedRecord::of("the same words, ".repeat(500)).with_key("key");
    full.time = Some(1_700_000_000_123);
    full.headers = [("empty", ""), ("größe", "grün"), ("name", "value")]
        .map(|(name, value)| (name.to_owned(), Some(value.into())))
        .to_vec();
    records.push(Written { record: full, ordering_key: Some(vec![200, 1]) });
    records
}

/// One record without a pattern that a codec finds: it takes several chunks whatever the codec.
fn large() -> Vec<Written> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    let value: Vec<u8> = (0..100_000).map(|_| next()).collect();
    let record = OwnedRecord::of(value).with_key("key").with_header("name", "value");
    vec![Written { record, ordering_key: None }]
}

/// In the order that the other side has for headers: none.
fn sorted(mut records: Vec<Written>) -> Vec<Written> {
    for written in &mut records {
        written.record.headers.sort();
        written.record.position = 0;
    }
    records
}

/// The same records both ways, in this form.
fn both_ways(form: &str, codecs: &[(&str, CompressionType)], key: Option<&str>, all: &[Written]) {
    let Some(broker) = broker() else { return };
    let Some(mut java) = java(&broker) else { return };
    let peer = Peer::new(&broker);
    for (name, codec) in codecs {
        let (ours, theirs) = (topic("ours"), topic("theirs"));
        peer.write(&ours, (form, *codec, key), all);
        let by_java = sorted(java.read(&ours, all.len()));
        assert!(by_java == all, "{form} {name} {key:?}: Java reads {by_java:?}");
        java.write(&theirs, Manner { form, codec: name, key }, all);
        let (read, seen) = peer.read(&theirs, all.len(), key);
        let by_us = sorted(read);
        assert!(by_us == all, "{form} {name} {key:?}: we read {by_us:?}");
        assert_eq!(seen.codec, *codec, "{form}: what Java wrote");
        assert_eq!((seen.is_batched, seen.is_encrypted), (form == "batched", key.is_some()));
    }
}

#[test]
fn batches_of_every_codec_go_both_ways() {
    both_ways("batched", &CODECS, None, &records());
}

#[test]
fn single_messages_of_every_codec_go_both_ways() {
    both_ways("single", &CODECS, None, &records());
}

#[test]
fn chunks_of_every_codec_go_both_ways() {
    both_ways("20000", &CODECS, None, &large());
}

#[test]
fn encrypted_messages_go_both_ways() {
    for key in &KEYS[1..] {
        both_ways("batched", &CODECS[..2], *key, &records());
        both_ways("single", &CODECS[3..4], *key, &records());
        both_ways("20000", &CODECS[1..2], *key, &large());
    }
}
