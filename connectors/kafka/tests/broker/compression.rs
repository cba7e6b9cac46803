//! What one client compresses, every other reads: ours, the plain client, Java's and kcat.
//!
//! Of the levels the ends and the middle are tried; all of them where `MILLSTREAM_TEST_ALL_LEVELS` is set.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use millstream_engine::batch::OwnedRecord;
use millstream_kafka::Compression;

use crate::java::java;
use crate::plain::Plain;
use crate::support::{LONG, Reading, Topic, Writing, batches, broker};

/// Every codec, with the lowest and the highest level that we have, and that Java has.
const CODECS: [(Compression, &str, Levels, Levels); 5] = [
    (Compression::None, "none", None, None),
    (Compression::Gzip, "gzip", Some((0, 9)), Some((1, 9))),
    (Compression::Snappy, "snappy", None, None),
    (Compression::Lz4, "lz4", Some((0, 12)), Some((1, 17))),
    (Compression::Zstd, "zstd", Some((0, 12)), Some((1, 22))),
];

type Levels = Option<(i32, i32)>;

/// The levels to try, after the codec's own.
fn tried(levels: Levels) -> Vec<Option<i32>> {
    let all = std::env::var_os("MILLSTREAM_TEST_ALL_LEVELS").is_some();
    let wanted = match levels {
        None => Vec::new(),
        Some((low, high)) if all => (low..=high).collect(),
        Some((low, high)) => vec![low, i32::midpoint(low, high), high],
    };
    [None].into_iter().chain(wanted.into_iter().map(Some)).collect()
}

/// The topic takes less than the largest record has, so that only what was compressed gets through.
const MAX_BYTES: usize = 50_000;
const LARGEST: usize = 200_000;

/// How long the broker holds a fetch at the end of a topic, which every reader here waits for.
const SHORT: Duration = Duration::from_millis(10);

#[test]
fn what_we_compress_is_read_by_every_client() {
    let Some(brokers) = broker() else { return };
    for (codec, name, levels, _) in CODECS {
        let records = records(codec);
        for level in tried(levels) {
            // At level 0 gzip only wraps.
            let small = codec != Compression::Gzip || level != Some(0);
            let topic = topic_for(&brokers, if small { codec } else { Compression::None });
            write_ours(&topic, &records, codec, level);
            assert_all_read(&topic, &lines(&records), &format!("ours, {name}, {level:?}"));
        }
    }
}

#[test]
fn what_every_client_compresses_is_read_by_us() {
    let Some(brokers) = broker() else { return };
    for (codec, name, _, levels) in CODECS {
        let records = records(codec);
        let wanted = lines(&records);
        let by_plain = topic_for(&brokers, codec);
        Plain::with_compression(&brokers, name).produce(&by_plain.name, 0, &records, LONG);
        assert_all_read(&by_plain, &wanted, &format!("the plain client, {name}"));
        if has_kcat() {
            let by_kcat = topic_for(&brokers, codec);
            write_kcat(&by_kcat, name, &wanted);
            assert_all_read(&by_kcat, &wanted, &format!("kcat, {name}"));
        }
        for level in tried(levels) {
            let by_java = topic_for(&brokers, codec);
            let Some(mut java) = java(&brokers) else { break };
            java.write(&by_java.name, (name, level), &records);
            drop(java);
            assert_all_read(&by_java, &wanted, &format!("Java, {name}, {level:?}"));
        }
    }
}

/// Whether kcat is there. Where it is not it is skipped, which must not happen unseen on CI.
#[expect(clippy::print_stdout, reason = "a skipped test must be seen")]
pub(crate) fn has_kcat() -> bool {
    let found = Command::new("kcat").arg("-V").output().is_ok();
    if !found {
        assert!(
            std::env::var_os("CI").is_none(),
            "kcat must be installed on CI: see scripts/setup"
        );
        println!("SKIPPED: kcat is not installed");
    }
    found
}

fn topic_for(brokers: &str, codec: Compression) -> Topic {
    let max_bytes = if codec == Compression::None { 1_048_588 } else { MAX_BYTES };
    Topic::with_max_bytes(brokers, "compressed", 1, max_bytes)
}

/// Records that compress well, one of them larger than its topic takes as it is.
fn records(codec: Compression) -> Vec<OwnedRecord> {
    let sized = |n: usize, n_bytes: usize| {
        OwnedRecord::of(format!("{n}{}", "-".repeat(n_bytes))).with_key(format!("key-{n}"))
    };
    let largest = if codec == Compression::None { 1000 } else { LARGEST };
    (0..100).map(|n| sized(n, if n == 50 { largest } else { 300 })).collect()
}

fn write_ours(topic: &Topic, records: &[OwnedRecord], codec: Compression, level: Option<i32>) {
    let mut sink = topic.sink().with_compression(codec);
    if let Some(level) = level {
        sink = sink.with_compression_level(level);
    }
    let mut writing = Writing::open(&sink);
    for batch in batches(records.iter().cloned(), 40) {
        writing.write(1, &batch);
    }
    let rejected = writing.settle();
    assert!(rejected.is_empty(), "{codec:?} at level {level:?}: {rejected:?}");
}

fn write_kcat(topic: &Topic, codec: &str, lines: &[String]) {
    let mut kcat = Command::new("kcat")
        .args(["-P", "-b", &topic.brokers, "-t", &topic.name, "-p", "0", "-z", codec, "-K", " "])
        .stdin(Stdio::piped())
        .spawn()
        .expect("kcat runs");
    let mut input = kcat.stdin.take().expect("it was asked for");
    input.write_all((lines.join("\n") + "\n").as_bytes()).expect("kcat reads its input");
    drop(input);
    assert!(kcat.wait().expect("kcat ends").success(), "kcat produces with {codec}");
}

fn assert_all_read(topic: &Topic, wanted: &[String], written_by: &str) {
    let source = topic.source().until_end().with_fetch_wait(SHORT);
    let ours = Reading::open(&source, true).read_all();
    assert!(lines(&ours) == wanted, "our reader reads what was written by {written_by}");
    let plain = Plain::new(&topic.brokers).records(&topic.name, wanted.len(), LONG);
    assert!(lines(&plain) == wanted, "the plain client reads what was written by {written_by}");
    if let Some(mut java) = java(&topic.brokers) {
        let by_java = lines(&java.read(&topic.name, wanted.len()));
        assert!(by_java == wanted, "Java reads what was written by {written_by}");
    }
    if has_kcat() {
        assert!(read_kcat(topic) == wanted, "kcat reads what was written by {written_by}");
    }
}

fn read_kcat(topic: &Topic) -> Vec<String> {
    let output = Command::new("kcat")
        .args(["-C", "-b", &topic.brokers, "-t", &topic.name, "-p", "0"])
        .args(["-o", "beginning", "-e", "-q", "-f", "%k %s\n", "-X", "fetch.wait.max.ms=10"])
        .output()
        .expect("kcat runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// Key and value of each record.
fn lines(records: &[OwnedRecord]) -> Vec<String> {
    let text = |bytes: &Option<Vec<u8>>| {
        String::from_utf8(bytes.clone().expect("every record has both")).expect("text")
    };
    records.iter().map(|record| format!("{} {}", text(&record.key), text(&record.value))).collect()
}
