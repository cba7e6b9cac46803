//! What the sink writes is what Pulsar's Java client reads, and what Java writes is what the source reads, encrypted and not, on a
//! real broker: `MILLSTREAM_TEST_PULSAR` names it as `host:port`; without it the tests say that they were skipped.

mod drive;
mod java;

use std::sync::atomic::{AtomicU32, Ordering};

use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::codes;
use millstream_pulsar::{
    Compression, Decryption, Encryption, KeyFiles, Mode, OnUndecryptable, Sink, Source,
};

use drive::{Reading, write};
use java::{Manner, Written, java};

const CODECS: [(&str, Compression); 5] = [
    ("NONE", Compression::None),
    ("LZ4", Compression::Lz4),
    ("ZLIB", Compression::Zlib),
    ("ZSTD", Compression::Zstd),
    ("SNAPPY", Compression::Snappy),
];

const PLAIN: Manner<'_> = Manner { form: "batched", codec: "NONE", key: None };

/// The broker to test with; without one the test is skipped, which must not happen unseen on CI.
#[expect(clippy::print_stdout, reason = "a skipped test must be seen")]
fn broker() -> Option<String> {
    let broker = std::env::var("MILLSTREAM_TEST_PULSAR").ok();
    if broker.is_none() {
        assert!(std::env::var_os("CI").is_none(), "MILLSTREAM_TEST_PULSAR is not set");
        println!("SKIPPED: MILLSTREAM_TEST_PULSAR is not set");
    }
    broker
}

/// A topic of its own for every check.
fn topic() -> String {
    static N: AtomicU32 = AtomicU32::new(0);
    let n = N.fetch_add(1, Ordering::Relaxed);
    format!("persistent://public/default/interop-api-{}-{n}", std::process::id())
}

fn keys(name: &str) -> KeyFiles {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/encryption");
    KeyFiles::new()
        .with_public_key(name, format!("{folder}/{name}.pub.pem"))
        .with_private_key(name, format!("{folder}/{name}.pem"))
}

/// Null, empty, text and neither, for keys and values; headers and times.
fn records() -> Vec<OwnedRecord> {
    let bytes = [None, Some(Vec::new()), Some("Schlüssel".into()), Some(vec![0, 255, b'\n', b' '])];
    let pairs = bytes.iter().flat_map(|key| bytes.iter().map(move |value| (key, value)));
    let mut records: Vec<_> = pairs
        .zip(1_700_000_000_000..)
        .map(|((key, value), time)| OwnedRecord {
            key: key.clone(),
            value: value.clone(),
            time: Some(time),
            ..OwnedRecord::default()
        })
        .collect();
    let words = "the same words, ".repeat(500);
    let full = OwnedRecord::of(words).with_header("größe", "grün").with_header("name", "value");
    records.push(OwnedRecord { time: Some(1), ..full });
    records
}

fn written(records: &[OwnedRecord]) -> Vec<Written> {
    let plain = |record: &OwnedRecord| Written { record: record.clone(), ordering_key: None };
    records.iter().map(plain).collect()
}

/// What both sides say of records: headers in the order of their names, and without where they came from.
fn bare(records: impl IntoIterator<Item = OwnedRecord>) -> Vec<OwnedRecord> {
    let bare = |mut record: OwnedRecord| {
        record.headers.sort();
        OwnedRecord { position: 0, origin: None, envelope: None, ..record }
    };
    records.into_iter().map(bare).collect()
}

#[test]
fn sink_is_read_by_java() {
    let Some(broker) = broker() else { return };
    let Some(mut java) = java(&broker) else { return };
    let records = records();
    for (name, codec) in CODECS {
        for batch_records in [1000, 1] {
            for key in [None, Some("rsa"), Some("p256")] {
                let topic = topic();
                let mut sink = Sink::new(&broker, &topic)
                    .with_compression(codec)
                    .with_batch_records(batch_records);
                if let Some(key) = key {
                    sink = sink.with_encryption(Encryption::new([key], keys(key)));
                }
                write(&sink, &records);
                let read = java.read(&topic, records.len()).into_iter().map(|read| read.record);
                assert!(bare(read) == records, "{name}, {batch_records} a batch, {key:?}");
            }
        }
    }
}

#[test]
fn java_is_read_by_the_source() {
    let Some(broker) = broker() else { return };
    let Some(mut java) = java(&broker) else { return };
    let records = records();
    for (codec, _) in CODECS {
        for form in ["batched", "single"] {
            for key in [None, Some("rsa"), Some("p521")] {
                let topic = topic();
                java.write(&topic, Manner { form, codec, key }, &written(&records));
                let mut source = Source::new(&broker, &topic).with_mode(Mode::Reader).until_end();
                if let Some(key) = key {
                    source = source.with_decryption(Decryption::new(keys(key)));
                }
                let read = Reading::open(&source).read().expect("it can be read");
                assert!(bare(read) == records, "{form} {codec} {key:?}");
            }
        }
    }
}

#[test]
fn undecryptable_messages_do_as_told() {
    let Some(broker) = broker() else { return };
    let Some(mut java) = java(&broker) else { return };
    let topic = topic();
    let sealed = [OwnedRecord::of("a secret"), OwnedRecord::of("another")];
    java.write(&topic, Manner { key: Some("rsa"), ..PLAIN }, &written(&sealed));
    java.write(&topic, PLAIN, &written(&[OwnedRecord::of("plain")]));
    let source = Source::new(&broker, &topic).with_mode(Mode::Reader).until_end();
    let told = |on_undecryptable| {
        let decryption = Decryption { on_undecryptable, ..Decryption::new(keys("p256")) };
        source.clone().with_decryption(decryption)
    };
    for (without_key, goes_on) in [
        (source.clone(), false),
        (told(OnUndecryptable::Stop), false),
        (told(OnUndecryptable::SetAside), true),
    ] {
        let mut reading = Reading::open(&without_key);
        let error = reading.read().expect_err("there is no key for it");
        assert_eq!(error.code(), codes::UNDECRYPTABLE);
        assert!(!error.report().contains("secret"), "{}", error.report());
        let behind = reading.read().expect("it rests, or goes on");
        let behind: Vec<_> = behind.iter().filter_map(OwnedRecord::text).collect();
        assert_eq!(behind, if goes_on { vec!["plain"] } else { vec![] });
    }
    let handed_on = Reading::open(&told(OnUndecryptable::HandOn)).read().expect("as it is");
    assert_eq!((handed_on.len(), handed_on[1].text()), (2, Some("plain")));
    assert_eq!(handed_on[0].headers[0].0, "pulsar-message-metadata");
    assert!(
        handed_on[0].value.as_ref().is_some_and(|value| !value.windows(6).any(|w| w == b"secret"))
    );
}
