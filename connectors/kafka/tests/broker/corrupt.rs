//! A byte of a topic is changed on the broker's disk: the reader is told where, and other partitions go on.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use millstream_engine::batch::{OwnedRecord, RecordBatch};
use millstream_engine::error::ErrorKind;
use millstream_engine::source::Partition;
use millstream_kafka::Source;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use crate::own::OwnBroker;
use crate::plain::Plain;
use crate::support::{LONG, Reading, block_on, broker};

/// Where the broker keeps its topics.
fn log_folder(address: &str) -> PathBuf {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", address).create().expect("an admin client");
    let asked = [ResourceSpecifier::Broker(1)];
    let answers = block_on(admin.describe_configs(&asked, &AdminOptions::new()));
    let configs = answers.expect("an answer").remove(0).expect("the broker's settings");
    let folder = configs.get("log.dirs").and_then(|entry| entry.value.clone());
    folder.expect("every broker has one").into()
}

/// Changes the first byte of `text` where it lies in a file.
fn spoil(file: &Path, text: &[u8]) {
    let bytes = std::fs::read(file).expect("the broker keeps it there");
    let at = bytes.windows(text.len()).position(|window| window == text).expect("it was written");
    let file = OpenOptions::new().write(true).open(file).expect("it can be written");
    file.write_all_at(b"X", at as u64).expect("it can be written");
}

#[test]
fn spoilt_batch_is_told_with_its_place() {
    if broker().is_none() {
        return;
    }
    let own = OwnBroker::start("corrupt", "").expect("a broker of its own");
    let plain = Plain::new(own.address());
    plain.create_topic("orders", 2, 1_000_000);
    for text in ["before", "spoilt", "behind"] {
        plain.produce("orders", 0, &[OwnedRecord::of(text)], LONG);
    }
    spoil(&log_folder(own.address()).join("orders-0/00000000000000000000.log"), b"spoilt");
    let source = Source::new(own.address(), "orders");
    let mut reading = Reading::open(&source, false);
    assert_eq!(reading.take(1)[0].text(), Some("before"));
    let (mut batch, start) = (RecordBatch::default(), Instant::now());
    let error = loop {
        match reading.reader.read(&mut batch, Duration::from_secs(1)) {
            Ok(_) => assert!(start.elapsed() < LONG && batch.is_empty(), "nothing behind it comes"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_snapshot!(error.report(), @r#"
        E0301 failed to read from Kafka (step "orders", record orders[0]@1): bad message format
        What lies there is damaged. `with_positions` starts behind it.
        "#);
    // It is told once: each of these reads would fail otherwise.
    plain.produce("orders", 1, &[OwnedRecord::of("elsewhere")], LONG);
    assert_eq!(reading.take(1)[0].text(), Some("elsewhere"));
    assert!(reading.batch().expect("it rests").is_empty());
    let behind = source.with_positions([(Partition::new("orders", 0), 2)]).until_end();
    let texts = Reading::open(&behind, true).read_all();
    assert!(texts.iter().any(|record| record.text() == Some("behind")));
}
