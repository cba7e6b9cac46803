//! What lies in files after records were written, and what is said when they cannot be.

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use millstream_engine::ErrorKind;
use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::codes;
use millstream_engine::sink::Sink as _;
use millstream_file::{Format, Roll, Sink};
use support::writing::Writing;
use support::{folder, open_context, write};
use tempfile::TempDir;

/// The names in a folder, sorted, hidden ones among them.
fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).expect("it is there").flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

fn text(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).expect("text")
}

fn rolling(folder: &TempDir, roll: Roll) -> Sink {
    Sink::new(folder.path().join("out.txt")).with_roll(roll).with_sync_interval(Duration::ZERO)
}

fn by_bytes(bytes: u64) -> Roll {
    Roll { bytes: Some(bytes), interval: None }
}

#[test]
fn writers_append_whole_records_to_one_file() {
    let folder = folder();
    write(&folder, "out.txt", "before\n");
    let sink = Sink::new(folder.path().join("out.txt")).with_sync_interval(Duration::ZERO);
    std::thread::scope(|scope| {
        for (shard, letter) in ["a", "b"].into_iter().enumerate() {
            let sink = &sink;
            scope.spawn(move || {
                let mut writing = Writing::open_shard(sink, shard);
                let long = letter.repeat(5000);
                for epoch in 0..50 {
                    writing.write(epoch, &[long.as_str(); 3]);
                    writing.settle().expect("there is room");
                }
                writing.close();
            });
        }
    });
    let all = text(&folder, "out.txt");
    let lines: Vec<_> = all.lines().collect();
    assert_eq!((lines[0], lines.len()), ("before", 301));
    let is_whole = |line: &&str| *line == "a".repeat(5000) || *line == "b".repeat(5000);
    assert!(lines[1..].iter().all(is_whole), "writers do not mix their records");
}

#[test]
fn torn_line_of_a_crash_stays_alone() {
    let folder = folder();
    write(&folder, "out.txt", "whole\nto");
    let mut writing = Writing::open(&Sink::new(folder.path().join("out.txt")));
    writing.write(1, &["next"]);
    writing.settle().expect("there is room");
    assert_eq!(text(&folder, "out.txt"), "whole\nto\nnext\n");
}

#[test]
fn rolled_files_are_seen_whole() {
    let folder = folder();
    let mut writing = Writing::open(&rolling(&folder, by_bytes(10)));
    writing.write(1, &["one"]);
    writing.settle().expect("there is room");
    assert_eq!(names(&folder), [".out-0-000000.txt.part"], "durable, and not yet whole");
    writing.write(2, &["two", "three"]);
    writing.settle().expect("there is room");
    writing.write(3, &["four"]);
    writing.settle().expect("there is room");
    assert_eq!(names(&folder), [".out-0-000001.txt.part", "out-0-000000.txt"]);
    assert_eq!(text(&folder, "out-0-000000.txt"), "one\ntwo\nthree\n");
    writing.close();
    assert_eq!(names(&folder), ["out-0-000000.txt", "out-0-000001.txt"], "closing makes it whole");
    let mut again = Writing::open(&rolling(&folder, by_bytes(10)));
    again.write(1, &["five"]);
    again.close();
    assert_eq!(text(&folder, "out-0-000002.txt"), "five\n", "no file is written over");
}

#[test]
fn file_rolls_when_its_time_has_come() {
    let folder = folder();
    let roll = Roll { bytes: None, interval: Some(Duration::from_millis(30)) };
    let mut writing = Writing::open(&rolling(&folder, roll));
    writing.write(1, &["one"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while names(&folder) != ["out-0-000000.txt"] {
        assert!(Instant::now() < deadline, "it rolls without another record");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    writing.settle().expect("there is room");
}

#[test]
fn crash_leaves_what_the_next_start_finishes() {
    let folder = folder();
    write(&folder, ".out-0-000000.txt.part", "one\ntwo\nthr");
    write(&folder, ".out-1-000004.txt.part", "half");
    let held = folder.path().join(".out-2-000000.txt.part");
    write(&folder, ".out-2-000000.txt.part", "still written\n");
    let lock = File::open(&held).expect("it is there");
    lock.lock().expect("nobody holds it");
    rolling(&folder, by_bytes(10)).prepare(&open_context()).expect("it can be finished");
    assert_eq!(names(&folder), [".out-2-000000.txt.part", "out-0-000000.txt"]);
    assert_eq!(text(&folder, "out-0-000000.txt"), "one\ntwo\n", "without the torn record");
}

#[test]
fn crash_in_a_quoted_row_leaves_whole_rows() {
    let folder = folder();
    write(&folder, ".out-0-000000.txt.part", "a,\"b\nc\"\nd,\"e\n");
    let sink = rolling(&folder, by_bytes(10)).with_format(Format::Csv);
    sink.prepare(&open_context()).expect("it can be finished");
    assert_eq!(text(&folder, "out-0-000000.txt"), "a,\"b\nc\"\n");
}

#[test]
fn record_that_is_not_one_is_rejected_alone() {
    let folder = folder();
    let mut writing = Writing::open(&Sink::new(folder.path().join("out.txt")));
    let null = OwnedRecord::default();
    let elsewhere = OwnedRecord::of("x").with_partition(3);
    let records =
        [OwnedRecord::of("a"), OwnedRecord::of("b\nc"), null, elsewhere, OwnedRecord::of("d")];
    writing.write_records(7, &records);
    assert_eq!(writing.oldest_unconfirmed(), Some(7));
    writing.settle().expect("there is room");
    assert_eq!(text(&folder, "out.txt"), "a\nd\n");
    assert!(writing.rejected.iter().all(|told| told.epoch == 7));
    let reports: Vec<_> = writing.rejected.iter().map(|told| told.error.report()).collect();
    let reports = reports.join("\n").replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(reports, @r#"
    E0140 failed to write a record: it has a line break, and would be several records (topic "FOLDER/out.txt")
    Encode it so that it is one record of the file's format; compact JSON always is.
    E0140 failed to write a record: it has no value, and a file cannot tell that from an empty one (topic "FOLDER/out.txt")
    Encode it so that it is one record of the file's format; compact JSON always is.
    E0110 failed to find partition 3: a file has no other than 0 (partition FOLDER/out.txt[3])
    "#);
}

/// What is said of a sink that cannot be opened.
fn fault_of(path: &Path) -> String {
    let error = Sink::new(path).prepare(&open_context()).expect_err("it cannot be opened");
    error.report()
}

#[test]
fn wrong_paths_say_what_to_do() {
    let folder = folder();
    let file = write(&folder, "file.txt", "");
    let paths =
        [folder.path().join("none/out.txt"), folder.path().to_owned(), file.join("out.txt")];
    let reports: Vec<_> = paths.iter().map(|path| fault_of(path)).collect();
    let reports = reports.join("\n").replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(reports, @"
    E0150 failed to append to FOLDER/none/out.txt: No such file or directory (os error 2)
    The folder must exist. Try: mkdir -p FOLDER/none
    E0150 failed to append to FOLDER: Is a directory (os error 21)
    Name a file in a folder that exists.
    E0150 failed to append to FOLDER/file.txt/out.txt: Not a directory (os error 20)
    Name a file in a folder that exists.
    ");
    let rolling = Sink::new(&paths[0]).with_roll(by_bytes(1));
    let error = rolling.prepare(&open_context()).expect_err("there is no folder");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Config, codes::FILE_UNUSABLE));
}

#[test]
fn full_disk_stops_and_confirms_nothing() {
    let mut writing = Writing::open(&Sink::new("/dev/full"));
    writing.write(1, &["lost?"]);
    let error = writing.settle().expect_err("the disk is full");
    insta::assert_snapshot!(error.report(), @"
    E0151 failed to append to /dev/full: No space left on device (os error 28)
    Make room, then start again: nothing confirmed is lost. Try: df -h /dev
    ");
    assert_eq!(writing.oldest_unconfirmed(), Some(1));
    assert!(error.is_retryable());
}

#[test]
fn disk_that_fills_up_keeps_whole_records_only() {
    let folder = folder();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).expect("a fresh name");
    let Some(_mounted) = SmallDisk::mount(&disk) else {
        assert!(std::env::var_os("CI").is_none(), "a disk in memory cannot be mounted");
        println!("SKIPPED: a disk in memory cannot be mounted");
        return;
    };
    let line = "x".repeat(99);
    for roll in [None, Some(by_bytes(1 << 30))] {
        let mut sink = Sink::new(disk.join("out.txt")).with_sync_interval(Duration::ZERO);
        if let Some(roll) = roll {
            sink = sink.with_roll(roll);
        }
        let mut writing = Writing::open(&sink);
        let mut n_durable = 0;
        let error = loop {
            writing.write(n_durable, &[line.as_str(); 100]);
            match writing.settle() {
                Ok(()) => n_durable += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), codes::DISK_FULL, "{error:?}");
        writing.close();
        let left = fs::read_dir(&disk).expect("it is there").flatten().next().expect("a file");
        let written = fs::read_to_string(left.path()).expect("text");
        assert_eq!(written.lines().count() as u64, n_durable * 100, "what is durable, no more");
        assert!(written.lines().all(|read| read == line), "each whole");
        fs::remove_file(left.path()).expect("it is there");
    }
}

/// A disk of 64 KiB in memory.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(folder: &'a Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(folder);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self(folder))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0).output());
    }
}

#[test]
fn device_is_written_to_as_it_is() {
    let mut writing = Writing::open(&Sink::new("/dev/null"));
    writing.write(1, &["gone"]);
    writing.settle().expect("it takes everything");
    let opened = OpenOptions::new().append(true).open("/dev/null").map(|mut file| file.write(b"x"));
    assert!(opened.is_ok());
}
