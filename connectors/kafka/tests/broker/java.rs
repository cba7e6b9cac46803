//! Kafka's own Java client, from the jars of the broker that the tests run: one JVM, told what to do line by line.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use millstream_engine::batch::{Origin, OwnedRecord};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/brokers");
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/broker/java/Interop.java");

/// The client, and the JVM around it, which ends with our end of its input.
pub(crate) struct Java {
    _child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// The client of this process; started once. Where there is no Java it is skipped, which must not happen unseen on CI.
#[expect(clippy::print_stdout, reason = "a skipped test must be seen")]
pub(crate) fn java(brokers: &str) -> Option<MutexGuard<'static, Java>> {
    static JAVA: OnceLock<Option<Mutex<Java>>> = OnceLock::new();
    let java = JAVA.get_or_init(|| Java::start(brokers).map(Mutex::new));
    if java.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "Java must be installed on CI: see scripts/setup"
        );
        println!("SKIPPED: Java is not installed");
    }
    // A test that failed has left the client between two orders.
    java.as_ref().map(|java| java.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Java {
    fn start(brokers: &str) -> Option<Self> {
        Command::new("java").arg("-version").stderr(Stdio::null()).status().ok()?;
        let jars = Command::new(SCRIPT).args(["classpath", "kafka"]).output().expect("it runs");
        assert!(jars.status.success(), "{}", String::from_utf8_lossy(&jars.stderr));
        let mut child = Command::new("java")
            .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
            .args(["-cp", String::from_utf8_lossy(&jars.stdout).trim(), PROGRAM, brokers])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Java runs");
        let orders = child.stdin.take().expect("it was asked for");
        let answers = BufReader::new(child.stdout.take().expect("it was asked for")).lines();
        Some(Self { _child: child, orders, answers })
    }

    /// Writes records and waits until they are confirmed; their partitions are Java's choice.
    pub(crate) fn write(
        &mut self,
        topic: &str,
        (codec, level): (&str, Option<i32>),
        records: &[OwnedRecord],
    ) {
        let level = level.map_or("-".to_owned(), |level| level.to_string());
        let mut order = format!("write {topic} {codec} {level} {}\n", records.len());
        for record in records {
            order.push_str("-1");
            for bytes in [&record.key, &record.value] {
                write!(order, " {}", text(bytes.as_deref())).expect("strings take everything");
            }
            for (name, value) in &record.headers {
                let value = text(value.as_deref());
                write!(order, " {name}={value}").expect("strings take everything");
            }
            order.push('\n');
        }
        self.orders.write_all(order.as_bytes()).expect("Java listens");
        assert_eq!(self.answer(), "written");
    }

    /// The first `n_records` of a topic, in the order of each partition.
    pub(crate) fn read(&mut self, topic: &str, n_records: usize) -> Vec<OwnedRecord> {
        writeln!(self.orders, "read {topic} {n_records}").expect("Java listens");
        (0..n_records).map(|_| record(topic, &self.answer())).collect()
    }

    fn answer(&mut self) -> String {
        let answer = self.answers.next().expect("Java goes on").expect("it writes text");
        assert!(!answer.starts_with("failed"), "Java says: {answer}");
        answer
    }
}

/// A record from the line that says it.
fn record(topic: &str, line: &str) -> OwnedRecord {
    let mut words = line.split(' ');
    let partition = words.next().and_then(|word| word.parse().ok()).expect("a partition");
    let mut field = || bytes(words.next().expect("key and value"));
    let (key, value) = (field(), field());
    let header = |word: &str| {
        let (name, rest) = word.split_once('=').expect("name and value");
        (name.to_owned(), bytes(rest))
    };
    let headers = words.map(header).collect();
    let origin = Origin { connector: "kafka".into(), topic: topic.into(), partition };
    OwnedRecord { key, value, headers, origin: Some(origin), ..OwnedRecord::of("") }
}

fn text(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "-".to_owned() };
    bytes.iter().fold(".".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("strings take everything");
        text
    })
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix('.')?;
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
    Some((0..digits.len()).step_by(2).map(byte).collect())
}
