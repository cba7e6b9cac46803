//! Every pair of connectors there are: lines that every connector can carry arrive as they are, and once.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use millstream::Config;
use millstream::batch::OwnedRecord;
use millstream::copy::Copying;
use millstream::memory::Broker;
use millstream::registry::Registry;

use crate::process::{run, run_test, run_with_input};
use crate::support::{copy, filled, url};

/// What is copied, a record each.
const LINES: [&str; 4] = ["{\"n\":1}", "{\"n\":2}", "{\"n\":3}", "{\"n\":\"ü\"}"];

fn in_file(folder: &Path) -> PathBuf {
    let path = folder.join("in.jsonl");
    std::fs::write(&path, LINES.map(|line| format!("{line}\n")).concat()).expect("a new file");
    path
}

fn sorted<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

fn in_topic(broker: &Broker, topic: &str) -> Vec<String> {
    let records = broker.records(topic).expect("it was made");
    sorted(records.iter().filter_map(OwnedRecord::text))
}

#[test]
fn memory_and_file_in_every_pair() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| format!("file://{}", folder.path().join(name).display());
    in_file(folder.path());
    let broker = filled(&LINES.map(OwnedRecord::of));
    let pairs = [
        ("memory:in".to_owned(), "memory:out".to_owned()),
        ("memory:in".to_owned(), file("out-1")),
        (file("in.jsonl"), "memory:from-file".to_owned()),
        (file("in.jsonl"), file("out-2")),
    ];
    for (n, (from, to)) in pairs.iter().enumerate() {
        let copying = Copying::new(url(from), url(to)).with_name(format!("pair-{n}"));
        let copied = copy(&broker, &copying).expect("it ends by itself");
        assert_eq!((copied.read, copied.written), (4, 4), "{from} to {to}");
    }
    let wanted = sorted(LINES.into_iter());
    for topic in ["out", "from-file"] {
        assert_eq!(in_topic(&broker, topic), wanted, "{topic}");
    }
    for name in ["out-1", "out-2"] {
        let text = std::fs::read_to_string(folder.path().join(name)).expect("it was written");
        assert_eq!(sorted(text.lines()), wanted, "{name}");
    }
}

#[test]
fn generator_fills_memory_and_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = format!("file://{}", folder.path().join("out").display());
    let broker = Broker::new();
    for to in ["memory:out", &out] {
        let from = url("generator:orders?count=200&rate=unlimited");
        let copying = Copying::new(from, url(to));
        assert_eq!(copy(&broker, &copying).expect("it ends by itself").written, 200, "{to}");
    }
    let text = std::fs::read_to_string(folder.path().join("out")).expect("it was written");
    assert_eq!(sorted(text.lines()), in_topic(&broker, "out"), "the same seed, the same records");
}

#[test]
fn file_is_copied_on_where_the_last_copy_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = in_file(folder.path());
    let from = format!("file://{}", path.display());
    let (broker, state) = (Broker::new(), Some(folder.path().join("state")));
    let config = Config { workers: 1, state_dir: state, ..Config::default() };
    let registry = Registry::new().with_broker(&broker).until_end();
    let copying = Copying::new(url(&from), url("memory:out"));
    let written =
        || copying.run(&registry, config.clone(), |_so_far| {}).map(|copied| copied.written);
    assert_eq!(written().expect("it ends by itself"), 4);
    let mut file = std::fs::File::options().append(true).open(&path).expect("it is there");
    file.write_all(b"new\n").expect("it can be written");
    assert_eq!(written().expect("it ends by itself"), 1);
    assert_eq!(broker.len("out").expect("it was made"), 5);
}

#[test]
fn standard_input_and_output_are_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let input = LINES.map(|line| format!("{line}\n")).concat();
    let to_file =
        run_with_input(&["--from", "-", "--to", &format!("file://{}", out.display())], &input);
    assert_eq!((to_file.status.code(), to_file.count("written")), (Some(0), 4), "{to_file:?}");
    let text = std::fs::read_to_string(&out).expect("it was written");
    assert_eq!(sorted(text.lines()), sorted(LINES.into_iter()));

    let through = run_with_input(&["--from", "-", "--to", "-"], &input);
    assert_eq!(through.status.code(), Some(0), "{through:?}");
    let lines = through.stdout.lines().filter_map(|line| line.find('{').map(|at| &line[at..]));
    assert_eq!(sorted(lines), sorted(LINES.into_iter()), "records alone are on stdout");
    assert!(through.stderr.contains("{\"read\":4,\"written\":4,\"errors\":0,"), "{through:?}");
}

#[test]
fn files_and_generated_records_go_to_standard_output() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = format!("file://{}", in_file(folder.path()).display());
    for (from, n_records) in [(&*file, 4), ("generator:numbers?count=4&rate=unlimited", 4)] {
        let ended = run(&["--from", from, "--to", "-", "--until-end"]);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let lines = ended.stdout.lines().rev().take(n_records).collect::<Vec<_>>();
        assert_eq!(lines.len(), n_records, "{ended:?}");
        assert!(ended.stderr.contains("{\"read\":4,\"written\":4,\"errors\":0,"), "{ended:?}");
    }
}

/// Set in the process whose standard output is looked at.
const TO_STDOUT: &str = "MILLSTREAM_TEST_COPY_TO_STDOUT";

#[test]
fn memory_goes_to_standard_output() {
    if std::env::var_os(TO_STDOUT).is_some() {
        let broker = filled(&LINES.map(OwnedRecord::of));
        copy(&broker, &Copying::new(url("memory:in"), url("-"))).expect("it ends by itself");
        return;
    }
    let ended = run_test("pairs::memory_goes_to_standard_output", TO_STDOUT);
    assert!(ended.status.success(), "{ended:?}");
    let lines = ended.stdout.lines().filter_map(|line| line.find('{').map(|at| &line[at..]));
    assert_eq!(sorted(lines), sorted(LINES.into_iter()), "{ended:?}");
}
