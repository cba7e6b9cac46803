//! What streams give and take: lines, ends, failures and pipes that nobody reads.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::codes;
use millstream_engine::testing::{TestSink, TestSource};
use millstream_engine::{Config, Dataflow, Error, run};
use millstream_stdio as stdio;

fn one_worker() -> Config {
    Config { workers: 1, ..Config::default() }
}

/// Everything that a source hands out.
fn records(source: &stdio::Source, config: Config) -> Result<Vec<OwnedRecord>, Error> {
    let (source, sink) = (source.clone(), TestSink::new());
    let taken = sink.clone();
    let flow = Dataflow::new("read", move |flow| {
        flow.source("in", source.clone()).sink("out", sink.clone());
    });
    run(&flow, config)?;
    Ok(taken.records())
}

fn texts(records: &[OwnedRecord]) -> Vec<&str> {
    records.iter().map(|record| record.text().expect("text")).collect()
}

#[test]
fn input_is_read_to_its_end_by_one_worker() {
    let n_opened = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&n_opened);
    let source = stdio::Source::reading("in", move || {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(&b"one\r\n\ntwo\nlast"[..]))
    });
    let read = records(&source, Config { workers: 3, ..Config::default() }).expect("it ends");
    assert_eq!(texts(&read), ["one", "", "two", "last"]);
    assert_eq!(read.iter().map(|r| r.position).collect::<Vec<_>>(), [0, 5, 6, 10]);
    assert_eq!(n_opened.load(Ordering::SeqCst), 1);
}

#[test]
fn record_that_is_too_long_is_an_error() {
    let long = format!("ab\n{}\ncd\n", "x".repeat(200_000));
    let source = move || {
        let bytes = io::Cursor::new(long.clone().into_bytes());
        stdio::Source::reading("in", move || Ok(Box::new(bytes.clone()))).with_max_record_bytes(100)
    };
    let error = records(&source(), one_worker()).expect_err("a record is too long");
    insta::assert_snapshot!(error.report(), @r#"
    E0141 failed to read a record: it has more than 100 bytes (step "in", record in[0]@3, worker 0)
    Raise `with_max_record_bytes`, or check that the input is lines of text.
    "#);
}

/// Gives a line, then fails.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0 += 1;
        if self.0 > 1 {
            return Err(io::Error::other("the cable is cut"));
        }
        buffer[..3].copy_from_slice(b"ok\n");
        Ok(3)
    }
}

#[test]
fn input_that_fails_is_no_end() {
    let source = stdio::Source::reading("in", || Ok(Box::new(Failing(0))));
    let error = records(&source, one_worker()).expect_err("reading fails");
    insta::assert_snapshot!(error.report(), @r#"
    E0150 failed to read in (step "in", worker 0): the cable is cut
    Is it open, and what it should be? Try: ls -l /proc/self/fd
    "#);
}

/// Panics when it is read.
struct Panicking;

impl Read for Panicking {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        panic!("as the test wants it")
    }
}

#[test]
fn input_that_panics_is_no_end() {
    let source = stdio::Source::reading("in", || Ok(Box::new(Panicking)));
    let error = records(&source, one_worker()).expect_err("reading fails");
    assert!(error.report().contains("panicked"), "{error:?}");
}

/// Takes everything, or nothing when it is closed.
#[derive(Clone, Default)]
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    is_closed: bool,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.bytes.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(pipe: &Pipe, values: &'static [&'static str]) -> Result<(), Error> {
    let pipe = pipe.clone();
    let flow = Dataflow::new("write", move |flow| {
        let pipe = pipe.clone();
        let sink = stdio::Sink::writing("pipe", move || Ok(Box::new(pipe.clone())));
        flow.source("in", TestSource::new(values.iter().copied())).sink("out", sink);
    });
    run(&flow, one_worker()).map(drop)
}

#[test]
fn output_is_a_record_per_line() {
    let pipe = Pipe::default();
    write(&pipe, &["one", "", "two"]).expect("the pipe takes everything");
    assert_eq!(*pipe.bytes.lock().expect("no panic"), b"one\n\ntwo\n");
}

#[test]
fn value_of_two_lines_is_rejected() {
    let pipe = Pipe::default();
    let error = write(&pipe, &["one", "two\nthree"]).expect_err("it is not one record");
    assert_eq!(error.code(), codes::NOT_DELIVERED);
    insta::assert_snapshot!(error.report().replace(&epoch(&error), "epoch N"), @r#"
    E0140 failed to deliver a record to stdio pipe (step "out", worker 0, epoch N): E0140 failed to write a record: it has a line break, and would be several records (topic "pipe")
    Encode it so that it is one record of the file's format; compact JSON always is.
    The dataflow stops; a restart repeats what was not confirmed.
    To set such records aside and go on, use `.sink_with_errors(…)`.
    "#);
}

#[test]
fn closed_pipe_is_an_error_of_its_own() {
    let pipe = Pipe { is_closed: true, ..Pipe::default() };
    let error = write(&pipe, &["one"]).expect_err("nobody reads");
    insta::assert_snapshot!(error.report(), @r#"
    E0152 failed to write to pipe (step "out", worker 0): nobody reads it any more
    The program behind the pipe has ended, as `head` does when it has enough.
    "#);
    assert!(!error.is_retryable());
}

/// Panics when it is written to.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        panic!("as the test wants it")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn output_that_panics_stops_the_dataflow() {
    let flow = Dataflow::new("write", |flow| {
        let sink = stdio::Sink::writing("broken", || Ok(Box::new(Broken)));
        flow.source("in", TestSource::new(["one"])).sink("out", sink);
    });
    let error = run(&flow, one_worker()).expect_err("writing fails");
    assert_eq!(error.code(), codes::PANIC);
}

fn epoch(error: &Error) -> String {
    format!("epoch {}", error.place().epoch.expect("a rejection has one"))
}
