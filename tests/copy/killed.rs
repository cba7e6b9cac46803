//! Copies that are killed and started again, between ends that outlast a process.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::process::{Process, run};

/// Few records on the way at a time, and positions stored often: a copy that is stopped or killed has some behind it and some before it.
pub(crate) const FEW: &[(&str, &str)] = &[
    ("MILLSTREAM_BATCH_BYTES", "1KiB"),
    ("MILLSTREAM_BATCH_RECORDS", "20"),
    ("MILLSTREAM_QUEUE_BYTES", "2KiB"),
    ("MILLSTREAM_QUEUE_BATCHES", "2"),
    ("MILLSTREAM_IN_FLIGHT_BYTES", "4KiB"),
    ("MILLSTREAM_COMMIT_INTERVAL", "10ms"),
];

/// Nothing on this machine takes this long.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// A copy of so many records that is killed twice, each time once so many have arrived, and then runs to its end.
pub(crate) struct Killed<'a> {
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) n_records: u64,
    pub(crate) at: [u64; 2],
    /// How many records have arrived.
    pub(crate) n_arrived: &'a dyn Fn() -> u64,
}

impl Killed<'_> {
    /// Lets it happen; whether nothing was lost is for the caller to see.
    pub(crate) fn goes_on(&self) {
        let state = tempfile::tempdir().expect("a folder");
        let folder = state.path().to_str().expect("its name is text");
        let arguments = ["--from", self.from, "--to", self.to, "--state", folder];
        for n_arrived in self.at {
            let copy = Process::start_with(FEW, &arguments);
            wait_for(n_arrived, self.n_arrived);
            copy.signal(libc::SIGKILL);
            assert_eq!(copy.end().status.code(), None, "it was still at work");
        }
        let rest = run(&[&arguments[..], &["--until-end"]].concat());
        assert_eq!(rest.status.code(), Some(0), "{rest:?}");
        assert!((1..self.n_records).contains(&rest.count("read")), "it went on: {rest:?}");
    }
}

pub(crate) fn wait_for(n_records: u64, n_arrived: &dyn Fn() -> u64) {
    let start = Instant::now();
    while n_arrived() < n_records {
        assert!(start.elapsed() < LONG, "nothing is copied");
        std::thread::yield_now();
    }
}

/// How many whole lines a file has.
pub(crate) fn n_lines(file: &Path) -> u64 {
    let bytes = std::fs::read(file).unwrap_or_default();
    bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")).count() as u64
}

/// Each of the lines is in the file; other lines are those that a kill tore, one each at most.
pub(crate) fn assert_complete(file: &Path, lines: &BTreeSet<String>) {
    let text = std::fs::read_to_string(file).expect("it was written");
    let arrived: BTreeSet<_> = text.lines().map(str::to_owned).collect();
    let lost: Vec<_> = lines.difference(&arrived).take(3).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(arrived.len() <= lines.len() + 2, "{} lines", arrived.len());
}

/// A file of so many different lines, and the lines.
pub(crate) fn filled_file(file: &Path, n_lines: u64) -> BTreeSet<String> {
    let lines: BTreeSet<_> = (0..n_lines).map(|n| format!("{n:06}")).collect();
    let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    std::fs::write(file, text).expect("a new file");
    lines
}

#[test]
fn file_to_file_goes_on_after_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let [from, to] = ["in", "out"].map(|name| folder.path().join(name));
    let lines = filled_file(&from, 200_000);
    Killed {
        from: &format!("file://{}", from.display()),
        to: &format!("file://{}?queue_records=10", to.display()),
        n_records: 200_000,
        at: [50_000, 100_000],
        n_arrived: &|| n_lines(&to),
    }
    .goes_on();
    assert_complete(&to, &lines);
}

#[test]
fn generator_to_file_goes_on_after_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let [all, to] = ["all", "out"].map(|name| folder.path().join(name));
    let url = |file: &Path| format!("file://{}", file.display());
    let generated = run(&[
        "--from",
        "generator:numbers?count=6000&rate=unlimited",
        "--to",
        &url(&all),
        "--name",
        "all",
    ]);
    assert_eq!(generated.status.code(), Some(0), "{generated:?}");
    Killed {
        from: "generator:numbers?count=6000&rate=4000",
        to: &url(&to),
        n_records: 6000,
        at: [500, 2500],
        n_arrived: &|| n_lines(&to),
    }
    .goes_on();
    let text = std::fs::read_to_string(all).expect("it was written");
    assert_complete(&to, &text.lines().map(str::to_owned).collect());
}
