//! Pulsar's own Java client, from the jars of the broker that the tests run: one JVM, told what to do line by line.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use millstream_engine::batch::OwnedRecord;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/brokers");
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/Interop.java");
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/encryption");

/// How Java writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner<'m> {
    /// `batched`, `single`, or the bytes of a chunk.
    pub(crate) form: &'m str,
    /// `NONE`, `LZ4`, `ZLIB`, `ZSTD` or `SNAPPY`.
    pub(crate) codec: &'m str,
    /// The key to encrypt with.
    pub(crate) key: Option<&'m str>,
}

/// A record, and what the engine's records do not have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    pub(crate) record: OwnedRecord,
    pub(crate) ordering_key: Option<Vec<u8>>,
}

/// The client, and the JVM around it, which ends with our end of its input.
pub(crate) struct Java {
    _child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// The client of this process; started once. Where there is no Java it is skipped, which must not happen unseen on CI.
pub(crate) fn java(broker: &str) -> Option<MutexGuard<'static, Java>> {
    static JAVA: OnceLock<Option<Mutex<Java>>> = OnceLock::new();
    let java = JAVA.get_or_init(|| Java::start(broker).map(Mutex::new));
    if java.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "Java must be installed on CI: see scripts/setup"
        );
        writeln!(std::io::stdout(), "SKIPPED: Java is not installed").expect("it must be seen");
    }
    // A test that failed has left the client between two orders.
    java.as_ref().map(|java| java.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Java {
    fn start(broker: &str) -> Option<Self> {
        Command::new("java").arg("-version").stderr(Stdio::null()).status().ok()?;
        let jars = Command::new(SCRIPT).args(["classpath", "pulsar"]).output().expect("it runs");
        assert!(jars.status.success(), "{}", String::from_utf8_lossy(&jars.stderr));
        let mut child = Command::new("java")
            .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .args(["-cp", String::from_utf8_lossy(&jars.stdout).trim(), PROGRAM, broker, KEYS])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Java runs");
        let orders = child.stdin.take().expect("it was asked for");
        let answers = BufReader::new(child.stdout.take().expect("it was asked for")).lines();
        Some(Self { _child: child, orders, answers })
    }

    /// Writes records, in one batch where they are batched, and waits until they are confirmed.
    pub(crate) fn write(&mut self, topic: &str, manner: Manner<'_>, records: &[Written]) {
        let Manner { form, codec, key } = manner;
        let key = key.unwrap_or("-");
        let mut order = format!("write {topic} {form} {codec} {key} {}\n", records.len());
        for record in records {
            order.push_str(&line(record));
            order.push('\n');
        }
        self.orders.write_all(order.as_bytes()).expect("Java listens");
        assert_eq!(self.answer(), "written");
    }

    /// The first `n_records` of a topic.
    pub(crate) fn read(&mut self, topic: &str, n_records: usize) -> Vec<Written> {
        writeln!(self.orders, "read {topic} {n_records}").expect("Java listens");
        (0..n_records).map(|_| record(&self.answer())).collect()
    }

    fn answer(&mut self) -> String {
        let answer = self.answers.next().expect("Java goes on").expect("it writes text");
        assert!(!answer.starts_with("failed"), "Java says: {answer}");
        answer
    }
}

/// The line that says a record.
fn line(Written { record, ordering_key }: &Written) -> String {
    let time = record.time.map_or("-".to_owned(), |time| time.to_string());
    let mut line =
        format!("{} {} {time}", text(record.key.as_deref()), text(record.value.as_deref()));
    write!(line, " {}", text(ordering_key.as_deref())).expect("strings take everything");
    for (name, value) in &record.headers {
        write!(line, " {name}={}", text(value.as_deref())).expect("strings take everything");
    }
    line
}

/// A record from the line that says it.
fn record(line: &str) -> Written {
    let mut words = line.split(' ');
    let mut next = || words.next().expect("four words at least");
    let (key, value) = (bytes(next()), bytes(next()));
    let (time, ordering_key) = (next().parse().ok(), bytes(next()));
    let header = |word: &str| {
        let (name, rest) = word.split_once('=').expect("name and value");
        (name.to_owned(), bytes(rest))
    };
    let headers = words.map(header).collect();
    let record = OwnedRecord { key, value, headers, time, ..OwnedRecord::default() };
    Written { record, ordering_key }
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
