//! Compression and encryption of what is written.

use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::codes;
use millstream_engine::sink::Sink as _;
use millstream_pulsar::{Compression, Encryption, KeyFiles, Sink};

use crate::plain::Plain;
use crate::write::{Writing, batch_of, numbered, numbers, open_context};

#[test]
fn every_codec_reads_back_and_is_smaller() {
    let Some(plain) = Plain::of_environment() else { return };
    let codecs = [
        (Compression::Lz4, None),
        (Compression::Lz4, Some(9)),
        (Compression::Zlib, Some(9)),
        (Compression::Zstd, None),
        (Compression::Zstd, Some(10)),
        (Compression::Snappy, None),
    ];
    for (codec, level) in codecs {
        let topic = plain.create("codec", 0);
        let sink = Sink::new(&plain.address, &topic).with_compression(codec);
        let sink = level.map_or(sink.clone(), |level| sink.with_compression_level(level));
        let mut writing = Writing::open(&sink);
        writing.write(1, &batch_of(numbered(0..2000)));
        assert!(writing.settle().is_empty());
        let stored = plain.stored(&topic, 2000);
        for message in &stored {
            let plain_size = message.metadata.uncompressed_size.expect("said") as usize;
            assert!(message.payload.len() < plain_size, "{codec:?} makes it smaller");
        }
        let records: Vec<_> = stored.into_iter().flat_map(|message| message.records).collect();
        assert_eq!(numbers(&records), (0..2000).collect::<Vec<_>>(), "{codec:?}");
    }
}

#[test]
fn encrypted_payload_shows_nothing() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("encrypted", 0);
    let key = openssl::rsa::Rsa::generate(2048).expect("a key");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("orders.pub.pem");
    std::fs::write(&file, key.public_key_to_pem().expect("PEM")).expect("written");
    let keys = KeyFiles::new().with_public_key("orders", &file);
    let sink = Sink::new(&plain.address, &topic).with_encryption(Encryption::new(["orders"], keys));
    let mut writing = Writing::open(&sink);
    writing.write(1, &batch_of([OwnedRecord::of("the-secret-text")]));
    assert!(writing.settle().is_empty());
    let stored = plain.stored(&topic, 0);
    assert_eq!(stored[0].metadata.encryption_keys[0].key, "orders");
    let secret = b"the-secret-text";
    assert!(!stored[0].payload.windows(secret.len()).any(|some| some == secret));
}

#[test]
fn missing_key_stops_before_anything_is_sent() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("keyless", 0);
    let keys = KeyFiles::new().with_public_key("orders", "/nonexistent.pem");
    let sink = Sink::new(&plain.address, &topic).with_encryption(Encryption::new(["orders"], keys));
    let refused = sink.prepare(&open_context()).expect_err("there is no key");
    assert_eq!(refused.code(), codes::UNUSABLE_KEY);
    let mut writing = Writing::open_unprepared(&sink);
    assert_eq!(writing.wait_for_failure().code(), codes::UNUSABLE_KEY);
}
