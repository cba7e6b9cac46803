//! What a source of files hands out: chosen files, long records, wrong paths, and a dataflow that goes on.

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use millstream_engine::error::codes;
use millstream_engine::source::{Partition, Source as _};
use millstream_engine::testing::TestSink;
use millstream_engine::{Config, Dataflow, ErrorKind, run};
use millstream_file::{Format, Source};
use support::{Reading, folder, open_context, write};

#[test]
fn patterns_and_paths_name_files_once() {
    let folder = folder();
    for name in ["a.log", "b.log", "c.txt"] {
        write(&folder, name, &format!("{name}\n"));
    }
    let source = Source::new(folder.path().join("*.log"))
        .with_path(folder.path().join("b.log"))
        .with_path(folder.path().join("c.txt"))
        .until_end();
    let mut all = Reading::open(&source).all();
    all.sort();
    assert_eq!(all, ["a.log", "b.log", "c.txt"]);
    let few = source.with_max_files(2).finder(&open_context()).and_then(|mut f| f.find());
    assert_eq!(few.expect_err("three files").kind(), ErrorKind::Config);
}

#[test]
fn record_that_is_too_long_is_told_and_skipped() {
    let folder = folder();
    for n_bytes in [101, 200_000] {
        let text = format!("one\n{}\ntwo\n", "x".repeat(n_bytes));
        let path = write(&folder, "a.log", &text);
        let mut reading = Reading::open(&Source::new(&path).with_max_record_bytes(98).until_end());
        assert_eq!(reading.take(1), ["one"], "what came before goes first");
        let error = reading.read(Duration::from_secs(5)).expect_err("it is too long");
        let report = error.report().replace(&path.display().to_string(), "PATH");
        insta::allow_duplicates! {
            insta::assert_snapshot!(report, @"
            E0141 failed to read a record: it has more than 98 bytes (record PATH[0]@4)
            Raise `with_max_record_bytes`, or check that the format is the right one.
            ");
        }
        assert_eq!(reading.all(), ["two"], "reading goes on behind it");
    }
}

#[test]
fn record_as_long_as_allowed_is_read() {
    let folder = folder();
    let long = "x".repeat(300_000);
    let path = write(&folder, "a.log", &format!("{long}\r\n{long}\n{long}"));
    let mut reading = Reading::open(&Source::new(&path).with_max_record_bytes(300_000).until_end());
    assert_eq!(reading.all(), [long.as_str(); 3]);
}

#[test]
fn path_of_no_file_names_the_nearest() {
    let folder = folder();
    write(&folder, "orders.log", "");
    let place = folder.path().display().to_string();
    let report = |name: &str| {
        let source = Source::new(folder.path().join(name)).until_end();
        let found = source.finder(&open_context()).and_then(|mut finder| finder.find());
        found.expect_err("there is none").report().replace(&place, "FOLDER")
    };
    insta::assert_snapshot!([report("order.log"), report("*.csv")].join("\n"), @"
    E0110 failed to find a file to read: there is none at FOLDER/order.log
    Did you mean FOLDER/orders.log?
    E0110 failed to find a file to read: there is none at FOLDER/*.csv
    Check the path.
    ");
}

#[test]
fn files_come_and_go_under_a_pattern() {
    let folder = folder();
    let source = Source::new(folder.path().join("*.log")).with_max_files(1);
    let mut finder = source.finder(&open_context()).expect("the folder is there");
    let names =
        |found: Vec<Partition>| found.iter().map(|p| p.topic.to_string()).collect::<Vec<_>>();
    assert_eq!(names(finder.find().expect("files may come")), [""; 0]);
    for name in ["a.log", "b.log"] {
        let path = write(&folder, name, "");
        assert_eq!(names(finder.find().expect("one file")), [path.display().to_string()]);
        std::fs::remove_file(&path).expect("it is there");
    }
}

#[test]
fn name_that_is_no_text_is_told() {
    let folder = folder();
    let path = folder.path().join(OsStr::from_bytes(b"\xff.log"));
    std::fs::write(&path, "1\n").expect("any name");
    let found = Source::new(path).finder(&open_context()).and_then(|mut finder| finder.find());
    let report = found.expect_err("positions are text").report();
    insta::assert_snapshot!(report.replace(&folder.path().display().to_string(), "FOLDER"), @"
    E0201 failed to read FOLDER/�.log: its name is not UTF-8
    Rename it, or name files that leave it out.
    ");
}

#[test]
fn settings_that_cannot_be_are_told_at_once() {
    let faults = Source::new("").with_path("a[").with_max_files(0).faults();
    let reports: Vec<_> = faults.iter().map(millstream_engine::Error::report).collect();
    insta::assert_snapshot!(reports.join("\n"), @r#"
    E0201 failed to read a file: the path is empty
    E0201 failed to read "a[" as a pattern: Pattern syntax error near position 1: invalid range pattern
    E0201 failed to bound reading: `max_record_bytes`, `max_files` and `poll_interval` must be more than 0
    "#);
}

#[test]
fn dataflow_goes_on_where_it_stopped() {
    let state = folder();
    let folder = folder();
    let path = write(&folder, "a.csv", "id\n1\n2\n");
    let config =
        Config { workers: 1, state_dir: Some(state.path().to_owned()), ..Config::default() };
    let copied = || {
        let (source, sink) =
            (Source::new(&path).with_format(Format::Csv).until_end(), TestSink::new());
        let taken = sink.clone();
        let flow = Dataflow::new("copy", move |flow| {
            flow.source("in", source.clone()).sink("out", sink.clone());
        });
        run(&flow, config.clone()).map(|_| taken.texts())
    };
    assert_eq!(copied().expect("it ends"), [r#"{"id":"1"}"#, r#"{"id":"2"}"#]);
    write(&folder, "a.csv", "id\n1\n2\n3\n");
    assert_eq!(copied().expect("it ends"), [r#"{"id":"3"}"#]);
    write(&folder, "a.csv", "id\n8\n9\n");
    assert_eq!(copied().expect_err("other rows").code(), codes::EXPIRED_POSITION);
}
