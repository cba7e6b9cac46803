//! Tokens: refused, late, renewed; and passwords that change while a client runs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use insta::{allow_duplicates, assert_snapshot};
use millstream_engine::Secret;
use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::error::ErrorKind;
use millstream_engine::source::{Assignment, Read, ResumePosition, Source as _};
use millstream_kafka::{Login, Security, Sink, Source, Token, Tokens};

use crate::secure::{both, goes_round, open_for, secure, told};
use crate::support::{
    LONG, Reading, Topic, Writing, batches, numbered, numbers, open_context, reader_context,
};

/// An unsigned token for "service" that expires in the year 2100.
const LASTING: &str =
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzZXJ2aWNlIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjQxMDI0NDQ4MDB9.";

fn supplied(tokens: Tokens) -> Security {
    Security::default().with_login(Login::oauth_bearer(tokens))
}

/// A writer and a reader of one topic, which pass numbers on.
struct Flow {
    writing: Writing,
    reading: Reading,
    n_written: u64,
    n_read: u64,
}

impl Flow {
    fn open(topic: &Topic, address: &str, security: &Security) -> Self {
        let sink = Sink::new(address, &topic.name).with_security(security.clone());
        let source = Source::new(address, &topic.name).with_security(security.clone());
        let (writing, reading) = (Writing::open(&sink), Reading::open(&source, false));
        Self { writing, reading, n_written: 0, n_read: 0 }
    }

    /// Goes on for a moment; says how long the longest call took.
    fn step(&mut self) -> Duration {
        let start = Instant::now();
        if self.n_written < self.n_read + 100 {
            let batch = batches(numbered(self.n_written..self.n_written + 1), 1).remove(0);
            let taken = self.writing.writer.write(1, &batch, 0).expect("the client goes on");
            self.n_written += taken as u64;
        }
        self.writing.poll();
        assert!(self.writing.rejected.is_empty(), "nothing is given up on");
        let mut batch = RecordBatch::default();
        let wait = Duration::from_millis(20);
        let read = self.reading.reader.read(&mut batch, wait).expect("reading goes on");
        assert!(!matches!(read, Read::End));
        self.n_read += batch.len() as u64;
        start.elapsed()
    }

    /// Goes on until so many records more have come.
    fn flow(&mut self, n_records: u64) {
        let (start, n_wanted) = (Instant::now(), self.n_read + n_records);
        while self.n_read < n_wanted {
            assert!(start.elapsed() < LONG, "{} of {n_wanted} records came", self.n_read);
            self.step();
        }
    }
}

#[test]
fn refused_token_names_its_origin() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("SASL_PLAIN");
    let tokens =
        Tokens::from_supplier(|| Ok(Token::new("no.token.canary", Duration::from_mins(5))));
    for error in both(&address, &supplied(tokens), &open_context()) {
        assert_eq!(error.kind(), ErrorKind::Denied);
        allow_duplicates!(assert_snapshot!(told(&error, &[(&address, "[address]")]), @r#"
        E0120 failed to log in to Kafka at [address] by OAUTHBEARER (step "orders"): {"status":"invalid_token"}
        The tokens are from the program's supplier.
        "#));
    }
}

#[test]
fn refused_token_is_replaced_while_running() {
    let Some(broker) = secure() else { return };
    let (topic, address) = (broker.topic("replaced"), broker.listener("SASL_PLAIN"));
    let n_calls = AtomicUsize::new(0);
    let tokens = Tokens::from_supplier(move || {
        let value = if n_calls.fetch_add(1, Ordering::Relaxed) == 0 { "revoked" } else { LASTING };
        Ok(Token::new(value, Duration::from_hours(1)))
    });
    let sink = Sink::new(&address, &topic.name).with_security(supplied(tokens));
    let mut writing = Writing::open_at(&sink, open_context());
    writing.write(1, &batches(numbered(0..1), 1)[0]);
    assert!(writing.settle().is_empty());
}

#[test]
fn records_flow_after_the_token_has_expired() {
    let Some(broker) = secure() else { return };
    let topic = broker.topic("renewed");
    let security = supplied(Tokens::danger_unsecured("service", Duration::from_secs(3)));
    let mut flow = Flow::open(&topic, &broker.listener("SASL_PLAIN"), &security);
    flow.flow(1);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(7) {
        flow.step();
    }
    flow.flow(200);
}

#[test]
fn supplier_that_hangs_stops_nobody() {
    let Some(broker) = secure() else { return };
    let topic = broker.topic("hanging");
    let hangs = Arc::new(AtomicBool::new(false));
    let ((say, hanging), (go_on, gate)) = (channel(), channel::<()>());
    let (gate, may_hang) = (Mutex::new(gate), Arc::clone(&hangs));
    let tokens = Tokens::from_supplier(move || {
        if may_hang.load(Ordering::Relaxed) {
            say.send(())?;
            gate.lock().expect("one caller").recv_timeout(LONG)?;
        }
        Ok(Token::new(LASTING, Duration::from_secs(2)))
    });
    let mut flow = Flow::open(&topic, &broker.listener("SASL_PLAIN"), &supplied(tokens));
    flow.flow(1);
    hangs.store(true, Ordering::Relaxed);
    hanging.recv_timeout(LONG).expect("the next token is asked for");
    // The broker asks for the token anew meanwhile.
    let (start, mut longest) = (Instant::now(), Duration::ZERO);
    while start.elapsed() < Duration::from_secs(5) {
        longest = longest.max(flow.step());
    }
    assert!(longest < Duration::from_secs(2), "a call took {longest:?}");
    hangs.store(false, Ordering::Relaxed);
    go_on.send(()).expect("the supplier waits");
    flow.flow(200);
}

#[test]
fn supplier_without_an_answer_is_told() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("SASL_PLAIN");
    let open = open_for(Duration::from_secs(1));
    let (_never, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let silent = Tokens::from_supplier(move || {
        gate.lock().expect("one caller").recv()?;
        Err("never".into())
    });
    for error in both(&address, &supplied(silent), &open) {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        allow_duplicates!(assert_snapshot!(told(&error, &[(&address, "[address]")]), @r#"
        E0122 failed to log in to Kafka at [address]: there is no token (step "orders"): the supplier has not answered yet
        It is asked for again, from 1 s up to 30 s after the last time.
        "#));
    }
    let failing = Tokens::from_supplier(|| Err("the identity provider is closed".into()));
    for error in both(&address, &supplied(failing), &open) {
        allow_duplicates!(assert_snapshot!(told(&error, &[(&address, "[address]")]), @r#"
        E0122 failed to log in to Kafka at [address]: there is no token (step "orders"): the identity provider is closed
        It is asked for again, from 1 s up to 30 s after the last time.
        "#));
    }
}

#[test]
fn failing_supplier_is_asked_again() {
    let Some(broker) = secure() else { return };
    let n_calls = AtomicUsize::new(0);
    let tokens = Tokens::from_supplier(move || match n_calls.fetch_add(1, Ordering::Relaxed) {
        0 => Err("not yet".into()),
        1 => panic!("not yet"),
        _ => Ok(Token::new(LASTING, Duration::from_mins(5))),
    });
    goes_round(&broker.topic("again"), &broker.listener("SASL_PLAIN"), &supplied(tokens));
}

#[test]
fn token_of_a_file_lets_in() {
    let Some(broker) = secure() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{LASTING}\n")).expect("written");
    let text = format!("{{\"file\":\"{}\"}}", file.display());
    let tokens: Tokens = serde_json::from_str(&text).expect("a configuration");
    assert_eq!(serde_json::to_string(&tokens).expect("it is written again"), text);
    goes_round(&broker.topic("file"), &broker.listener("SASL_PLAIN"), &supplied(tokens));
}

#[test]
fn new_password_is_found_by_running_clients() {
    let Some(broker) = secure() else { return };
    let (topic, address) = (broker.topic("rotated"), broker.listener("SASL_PLAIN"));
    topic.fill(numbered(0..1));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "old-canary\n").expect("written");
    let login = Login::scram_sha_256("service", Secret::from_file(&file));
    let security = Security::default().with_login(login);
    let sink = Sink::new(&address, &topic.name).with_security(security.clone());
    let mut writing = Writing::open_at(&sink, open_context());
    let source = Source::new(&address, &topic.name).with_security(security);
    let mut reader = source.reader(reader_context(&open_context(), false)).expect("a reader");
    let start = Assignment {
        partition: topic.partition(0),
        start: ResumePosition("0".to_owned()),
        committed: None,
    };
    reader.assign(&[start]).expect("assigned");
    let mut batch = RecordBatch::default();
    // Refused by now, or soon.
    let read = reader.read(&mut batch, Duration::from_secs(1)).expect("the reader goes on");
    assert!(matches!(read, Read::Idle));
    writing.poll();
    std::fs::write(&file, "service-canary\n").expect("written");
    let begin = Instant::now();
    let mut records = Vec::new();
    let (mut from, written) = (0, batches(numbered(1..2), 1).remove(0));
    while records.len() < 2 {
        assert!(begin.elapsed() < LONG, "the new password is not used");
        writing.poll();
        if from < written.len() {
            from = writing.writer.write(1, &written, from).expect("the writer goes on");
        }
        batch.clear();
        let wait = Duration::from_millis(100);
        reader.read(&mut batch, wait).expect("the reader goes on");
        records.extend(batch.iter().map(Record::to_owned));
    }
    assert_eq!(numbers(&records), [0, 1]);
}
