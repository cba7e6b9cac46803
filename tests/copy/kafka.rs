//! Copies from and to a real broker: every pair, and a process that is stopped or killed and started again.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use millstream::batch::OwnedRecord;
use millstream::copy::Copying;
use millstream::memory::Broker;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use crate::killed::{FEW, Killed, LONG, assert_complete, filled_file, n_lines, wait_for};
use crate::process::{Process, run, run_with_input};
use crate::support::{contents, copy, every_kind, filled, url};

/// Records of a copy that is to be interrupted.
const MANY: usize = 6000;

/// A sink this slow takes a thousand records a second or two.
const SLOWLY: &str = "queue_records=10&linger=5ms";

/// Two topics of a broker to test with. Without one the test is skipped, which must not happen unseen on CI.
struct Topics {
    broker: String,
    from: String,
    to: String,
}

impl Topics {
    #[expect(clippy::print_stdout, reason = "a skipped test must be seen")]
    fn new() -> Option<Self> {
        let Ok(broker) = std::env::var("MILLSTREAM_TEST_KAFKA") else {
            assert!(std::env::var_os("CI").is_none(), "MILLSTREAM_TEST_KAFKA must be set on CI");
            println!("SKIPPED: MILLSTREAM_TEST_KAFKA is not set");
            return None;
        };
        let unique = RandomState::new().hash_one(0);
        let name = |end: &str| format!("copy-{unique:016x}-{end}");
        let topics = Self { from: name("from"), to: name("to"), broker };
        for topic in [&topics.from, &topics.to] {
            millstream::kafka::create_topic(&topics.broker, topic, 1).expect("the name is new");
        }
        Some(topics)
    }

    fn url_from(&self) -> String {
        format!("kafka://{}/{}", self.broker, self.from)
    }

    fn url_to(&self) -> String {
        format!("kafka://{}/{}", self.broker, self.to)
    }

    /// Writes records to the first topic.
    fn fill(&self, records: &[OwnedRecord]) {
        let copying = Copying::new(url("memory:in"), url(&self.url_from()));
        let copied = copy(&filled(records), &copying).expect("the broker takes them");
        assert_eq!(copied.written, records.len() as u64);
    }

    /// What the second topic has.
    fn read(&self) -> Vec<OwnedRecord> {
        let broker = Broker::new();
        let from = url(&self.url_to());
        copy(&broker, &Copying::new(from, url("memory:out")).with_name("read"))
            .expect("it can be read");
        broker.records("out").expect("it was made")
    }

    /// How often each value is in the second topic.
    fn values(&self) -> BTreeMap<String, u64> {
        let mut values = BTreeMap::new();
        for record in self.read() {
            *values.entry(record.text().expect("a text").to_owned()).or_default() += 1;
        }
        values
    }

    /// How many records the second topic has.
    fn n_written(&self) -> u64 {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.broker).create().expect("a client");
        consumer.fetch_watermarks(&self.to, 0, LONG).map_or(0, |(_, end)| end.unsigned_abs())
    }

    fn wait_for(&self, n_records: u64) {
        wait_for(n_records, &|| self.n_written());
    }

    /// Starts a copy that goes on for ever, slowly.
    fn start(&self, more: &[&str]) -> Process {
        let to = format!("{}?{SLOWLY}", self.url_to());
        let arguments = ["--from", &self.url_from(), "--to", &to];
        Process::start_with(FEW, &[&arguments[..], more].concat())
    }
}

fn many() -> Vec<OwnedRecord> {
    (0..MANY).map(|n| OwnedRecord::of(format!("{n:05}")).with_key("k")).collect()
}

#[test]
fn kafka_to_kafka_keeps_every_kind_of_record() {
    let Some(topics) = Topics::new() else { return };
    topics.fill(&every_kind());
    let (from, to) = (topics.url_from(), topics.url_to() + "?compression=lz4");
    let ended = run(&["--from", &from, "--to", &to, "--until-end", "--preset", "low_latency"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let numbers = ["read", "written", "errors"].map(|name| ended.count(name));
    assert_eq!(numbers, [5, 5, 0]);
    assert!(ended.json()["seconds"].as_f64() > Some(0.0) && ended.stderr.is_empty(), "{ended:?}");
    assert_eq!(contents(topics.read()), contents(every_kind()));
}

#[test]
fn stopped_copy_goes_on_without_loss_or_repetition() {
    let Some(topics) = Topics::new() else { return };
    topics.fill(&many());
    let copy = topics.start(&[]);
    topics.wait_for(500);
    copy.signal(libc::SIGTERM);
    let stopped = copy.end();
    assert_eq!(stopped.status.code(), Some(0), "{stopped:?}");
    let before_the_end = topics.start(&["--until-end"]);
    topics.wait_for(stopped.count("written") + 500);
    before_the_end.signal(libc::SIGTERM);
    let cut_short = before_the_end.end();
    assert_eq!(cut_short.status.code(), Some(130), "an end was asked for: {cut_short:?}");
    let rest = run(&["--from", &topics.url_from(), "--to", &topics.url_to(), "--until-end"]);
    assert_eq!(rest.status.code(), Some(0), "{rest:?}");
    let written = [&stopped, &cut_short, &rest].map(|ended| ended.count("written"));
    assert_eq!(written.iter().sum::<u64>(), MANY as u64, "{written:?}");
    let values = topics.values();
    assert!(
        values.len() == MANY && values.values().all(|n| *n == 1),
        "nothing lost, nothing twice"
    );
}

#[test]
fn kafka_to_kafka_goes_on_after_kills() {
    let Some(topics) = Topics::new() else { return };
    topics.fill(&many());
    Killed {
        from: &topics.url_from(),
        to: &format!("{}?{SLOWLY}", topics.url_to()),
        n_records: MANY as u64,
        at: [1500, 3000],
        n_arrived: &|| topics.n_written(),
    }
    .goes_on();
    assert_eq!(topics.values().len(), MANY, "nothing lost");
}

#[test]
fn files_and_generated_records_go_on_to_kafka_after_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("in");
    filled_file(&file, MANY as u64);
    let sources =
        [format!("file://{}", file.display()), format!("generator:numbers?count={MANY}&rate=4000")];
    for from in &sources {
        let Some(topics) = Topics::new() else { return };
        Killed {
            from,
            to: &format!("{}?{SLOWLY}", topics.url_to()),
            n_records: MANY as u64,
            at: [1500, 3000],
            n_arrived: &|| topics.n_written(),
        }
        .goes_on();
        assert_eq!(topics.values().len(), MANY, "nothing of {from} is lost");
    }
}

#[test]
fn kafka_to_file_goes_on_after_kills() {
    let Some(topics) = Topics::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (file, to) = (folder.path().join("in"), folder.path().join("out"));
    let lines = filled_file(&file, 200_000);
    let filled = run(&[
        "--from",
        &format!("file://{}", file.display()),
        "--to",
        &topics.url_from(),
        "--until-end",
    ]);
    assert_eq!(filled.count("written"), 200_000, "{filled:?}");
    Killed {
        from: &topics.url_from(),
        to: &format!("file://{}?queue_records=10", to.display()),
        n_records: 200_000,
        at: [50_000, 100_000],
        n_arrived: &|| n_lines(&to),
    }
    .goes_on();
    assert_complete(&to, &lines);
}

#[test]
fn standard_input_and_output_go_through_kafka() {
    let Some(topics) = Topics::new() else { return };
    let to_kafka = run_with_input(&["--from", "-", "--to", &topics.url_from()], "one\ntwo\n");
    assert_eq!((to_kafka.status.code(), to_kafka.count("written")), (Some(0), 2), "{to_kafka:?}");
    let back = run(&["--from", &topics.url_from(), "--to", "-", "--until-end"]);
    assert_eq!(back.status.code(), Some(0), "{back:?}");
    assert!(back.stdout.ends_with("one\ntwo\n"), "{back:?}");
}

#[test]
fn files_and_generated_records_go_through_kafka() {
    let Some(topics) = Topics::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let file = format!("file://{}", out.display());
    let generated = ["--from", "generator:numbers?count=300&rate=unlimited", "--to"];
    let filled = run(&[&generated[..], &[&topics.url_from()]].concat());
    assert_eq!((filled.status.code(), filled.count("written")), (Some(0), 300), "{filled:?}");
    let to_file = run(&["--from", &topics.url_from(), "--to", &file, "--until-end"]);
    assert_eq!((to_file.status.code(), to_file.count("written")), (Some(0), 300), "{to_file:?}");
    let back = run(&["--from", &file, "--to", &topics.url_to(), "--until-end"]);
    assert_eq!((back.status.code(), back.count("written")), (Some(0), 300), "{back:?}");
    let lines = std::fs::read_to_string(out).expect("it was written");
    let mut times = BTreeMap::<String, u64>::new();
    for line in lines.lines() {
        *times.entry(line.to_owned()).or_default() += 1;
    }
    assert_eq!(topics.values(), times);
}

#[test]
fn broker_that_is_not_there_ends_with_3() {
    let ended = run(&["--from", "kafka://127.0.0.1:1/in", "--to", "memory:out"]);
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    assert!(ended.stderr.contains("E0101"), "{ended:?}");
    assert_eq!(ended.count("read"), 0);
}
