//! A process that writes files is killed at any moment: what it called durable is there, and files are whole.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use millstream_engine::sink::Sink as _;
use millstream_file::{Roll, Sink};
use support::writing::Writing;
use support::{folder, open_context};

/// Names the folder that a process is to write to; it is this test, started again.
const CHILD: &str = "MILLSTREAM_FILE_CHILD";

const PER_ROUND: u64 = 100;

fn sink(folder: &Path) -> Sink {
    let roll = Roll { bytes: Some(40_000), interval: None };
    Sink::new(folder.join("out.txt")).with_roll(roll).with_sync_interval(Duration::ZERO)
}

/// A record: its number, and padding that a cut would show.
fn line(number: u64) -> String {
    format!("{number:010} {}", "x".repeat(80))
}

/// Writes records from `first` on, and says after each round how many are durable, until it is killed.
fn write_for_ever(folder: &Path) {
    let mut writing = Writing::open(&sink(folder));
    let first = std::env::var("FIRST").expect("the parent says").parse::<u64>().expect("a number");
    for round in 0.. {
        let from = first + round * PER_ROUND;
        let lines: Vec<_> = (from..from + PER_ROUND).map(line).collect();
        writing.write(round, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        writing.settle().expect("there is room");
        let mut out = std::io::stderr();
        writeln!(out, "durable {}", from + PER_ROUND).expect("the parent listens");
    }
}

#[test]
fn what_was_durable_is_whole_after_a_kill() {
    if let Some(folder) = std::env::var_os(CHILD) {
        return write_for_ever(Path::new(&folder));
    }
    let folder = folder();
    let mut n_durable = 0;
    for n_rounds in [1, 7, 23, 4, 40] {
        n_durable = durable_before_the_kill(folder.path(), n_durable, n_rounds);
        for file in fs::read_dir(folder.path()).expect("it is there").flatten() {
            let is_hidden = file.file_name().to_string_lossy().starts_with('.');
            assert!(is_hidden || is_whole(&file.path()), "a file that is seen is whole");
        }
    }
    sink(folder.path()).prepare(&open_context()).expect("what is left can be finished");
    let files = fs::read_dir(folder.path()).expect("it is there").flatten();
    let texts = files.map(|file| fs::read_to_string(file.path()).expect("text"));
    let seen: BTreeSet<String> =
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    assert!((0..n_durable).all(|number| seen.contains(&line(number))), "nothing durable is lost");
    assert!(seen.iter().all(|line| line.len() == 91), "and nothing is torn");
}

/// Starts a process, kills it after some rounds, and returns how many records it had called durable.
fn durable_before_the_kill(folder: &Path, first: u64, n_rounds: usize) -> u64 {
    let program = std::env::current_exe().expect("it runs");
    let mut child = Command::new(program)
        .args(["--exact", "what_was_durable_is_whole_after_a_kill", "--nocapture"])
        .env(CHILD, folder)
        .env("FIRST", first.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts again");
    let said = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let durable = said.map_while(Result::ok).filter_map(|line| {
        line.strip_prefix("durable ").and_then(|number| number.parse::<u64>().ok())
    });
    let last = durable.take(n_rounds).last().expect("it writes");
    child.kill().and_then(|()| child.wait()).expect("it ran");
    last
}

fn is_whole(path: &Path) -> bool {
    let text = fs::read_to_string(path).expect("text");
    text.ends_with('\n') && text.lines().all(|line| line.len() == 91)
}
