//! Files that are renamed, copied, cut off and replaced while they are read, and while nobody reads.

mod support;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use millstream_engine::source::ResumePosition;
use millstream_file::{Expired, Format, Source, Start};
use support::{Reading, folder, write};

fn add(path: &Path, text: &str) {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("there is room");
}

fn rename(from: &Path, to: &Path) {
    fs::rename(from, to).expect("it is there");
}

/// What copytruncate does: the bytes go to a copy, and the file is emptied.
fn copy_and_cut_off(from: &Path, to: &Path) {
    fs::copy(from, to).expect("there is room");
    OpenOptions::new().write(true).open(from).and_then(|f| f.set_len(0)).expect("it is there");
}

#[test]
fn line_is_handed_out_once_it_ends() {
    let folder = folder();
    let path = write(&folder, "a.log", "one\ntw");
    let mut reading = Reading::open(&Source::new(&path));
    assert_eq!(reading.take(1), ["one"]);
    assert_eq!(reading.rest(), [""; 0], "half a line is no record");
    add(&path, "o\n");
    assert_eq!(reading.take(1), ["two"]);
}

#[test]
fn renamed_file_is_read_to_its_end_before_the_next() {
    let folder = folder();
    let path = write(&folder, "a.log", "1\n");
    let mut reading = Reading::open(&Source::new(&path));
    assert_eq!(reading.take(1), ["1"]);
    let old = folder.path().join("a.log.1");
    rename(&path, &old);
    add(&old, "2\n");
    assert_eq!(reading.take(1), ["2"], "while there is no other file");
    add(&path, "");
    add(&old, "3\nhalf");
    assert_eq!(reading.take(1), ["3"], "an empty file does not end the old one");
    add(&path, "4\n");
    assert_eq!(reading.take(2), ["half", "4"], "what nobody ends any more is a record");
}

#[test]
fn copied_and_emptied_file_goes_on_at_its_start() {
    let folder = folder();
    let path = write(&folder, "a.log", "1\n");
    let mut reading = Reading::open(&Source::new(&path));
    assert_eq!(reading.take(1), ["1"]);
    add(&path, "2\n3\n");
    copy_and_cut_off(&path, &folder.path().join("a.log.1"));
    add(&path, "4\n");
    assert_eq!(reading.take(3), ["2", "3", "4"], "what was not read is in the copy");
    copy_and_cut_off(&path, &folder.path().join("a.log.2"));
    add(&path, "5 is longer than all that was there before\n");
    assert_eq!(reading.take(1), ["5 is longer than all that was there before"]);
}

#[test]
fn reader_that_was_held_back_loses_nothing_that_is_there() {
    for rotate in [rename as fn(&Path, &Path), copy_and_cut_off] {
        let folder = folder();
        let path = write(&folder, "a.log", "0\n");
        let mut reading = Reading::open(&Source::new(&path));
        assert_eq!(reading.take(1), ["0"]);
        let expected = rotate_four_times(&path, rotate);
        assert_eq!(reading.take(expected.len()), expected);
        assert_eq!(reading.rest(), [""; 0], "and repeats nothing");
    }
}

#[test]
fn source_that_was_down_loses_nothing_that_is_there() {
    for rotate in [rename as fn(&Path, &Path), copy_and_cut_off] {
        let folder = folder();
        let path = write(&folder, "a.log", "0\n");
        let mut before = Reading::open(&Source::new(&path));
        assert_eq!(before.take(1), ["0"]);
        let stored = before.confirm();
        drop(before);
        let expected = rotate_four_times(&path, rotate);
        let mut after = Reading::open_at(&Source::new(&path), &stored).expect("it is there");
        assert_eq!(after.take(expected.len()), expected);
        let mut to_the_end =
            Reading::open_at(&Source::new(&path).until_end(), &stored).expect("it is there");
        assert_eq!(to_the_end.all(), expected, "also where reading ends");
    }
}

/// Adds a line to the file and rotates it, four times, and adds one more.
fn rotate_four_times(path: &Path, rotate: fn(&Path, &Path)) -> Vec<String> {
    let name = |number: u32| path.with_extension(format!("log.{number}"));
    for round in 1..=4 {
        add(path, &format!("{round}\n"));
        for older in (1..round).rev() {
            rename(&name(older), &name(older + 1));
        }
        rotate(path, &name(1));
    }
    add(path, "5\n");
    (1..=5).map(|n| n.to_string()).collect()
}

#[test]
fn stored_position_of_another_file_is_expired() {
    let folder = folder();
    let path = write(&folder, "a.log", "old 1\nold 2\n");
    let mut reading = Reading::open(&Source::new(&path));
    reading.take(2);
    let stored = reading.confirm();
    for (change, text) in [("replaced", "new 1\nnew 2\nnew 3\n"), ("cut off", "x\n")] {
        match change {
            "replaced" => {
                write(&folder, "other", text);
                rename(&folder.path().join("other"), &path);
            }
            _ => fs::write(&path, text).expect("there is room"),
        }
        let expired = Reading::open_at(&Source::new(&path), &stored);
        let report = expired.err().expect("nothing is gone on with in silence").report();
        let place = path.display().to_string();
        insta::allow_duplicates! {
            insta::assert_snapshot!(report.replace(&place, "PATH"), @"
            E0111 failed to go on at byte 12: the file was replaced or cut off (partition PATH[0])
            Choose with `.with_expired(…)`: `Expired::Earliest` goes on with the first record of the file that is there, `Expired::Latest` after the last one; what was not read of the old one is lost.
            ");
        }
        let source = Source::new(&path).with_expired(Expired::Earliest).until_end();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            Reading::open_at(&source, &stored).expect("it goes on").all(),
            lines,
            "{change}"
        );
        let latest = Source::new(&path).with_expired(Expired::Latest).until_end();
        assert_eq!(Reading::open_at(&latest, &stored).expect("it goes on").all(), [""; 0]);
    }
}

#[test]
fn file_written_anew_at_the_same_length_is_expired() {
    let folder = folder();
    let path = write(&folder, "a.log", "aaaa\nbbbb\n");
    let mut reading = Reading::open(&Source::new(&path));
    reading.take(2);
    let stored = reading.confirm();
    drop(reading);
    fs::write(&path, "cccc\ndddd\neeee\n").expect("there is room");
    assert!(Reading::open_at(&Source::new(&path), &stored).is_err(), "same inode, other bytes");
}

#[test]
fn position_that_is_none_is_told() {
    let folder = folder();
    let path = write(&folder, "a.log", "");
    let mut stored = Reading::open(&Source::new(&path)).starts();
    stored[0].resume = ResumePosition("12".to_owned());
    let error = Reading::open_at(&Source::new(&path), &stored).err().expect("it is no position");
    let place = path.display().to_string();
    insta::assert_snapshot!(error.report().replace(&place, "PATH"), @r#"E0111 failed to read "12" as a position in a file (partition PATH[0])"#);
}

#[test]
fn rows_go_on_behind_their_header() {
    let folder = folder();
    let path = write(&folder, "a.csv", "id,text\n1,\"a\nb\"\n2,c\n");
    let source = Source::new(&path).with_format(Format::Csv).until_end();
    let mut first = Reading::open_with(&source, 1);
    assert_eq!(first.take(1), [r#"{"id":"1","text":"a\nb"}"#]);
    let stored = first.confirm();
    let mut second = Reading::open_at(&source, &stored).expect("it is there");
    assert_eq!(second.all(), [r#"{"id":"2","text":"c"}"#]);
}

#[test]
fn latest_starts_behind_the_last_whole_line() {
    let folder = folder();
    let path = write(&folder, "a.log", "old\nne");
    let mut reading = Reading::open(&Source::new(&path).with_start(Start::Latest));
    add(&path, "w\n");
    assert_eq!(reading.take(1), ["new"]);
}

#[test]
fn last_line_needs_no_end_where_reading_ends() {
    let folder = folder();
    let path = write(&folder, "a.log", "one\ntwo");
    let mut reading = Reading::open(&Source::new(&path).until_end());
    add(&path, "\nthree\n");
    assert_eq!(reading.all(), ["one", "two"], "where it ended when it was assigned");
}

#[test]
fn deleted_file_is_read_anew_when_it_comes_back() {
    let folder = folder();
    let path = write(&folder, "a.log", "1\n");
    let mut reading = Reading::open(&Source::new(&path));
    assert_eq!(reading.take(1), ["1"]);
    add(&path, "2\n");
    fs::remove_file(&path).expect("it is there");
    assert_eq!(reading.take(1), ["2"], "what was written before is there");
    assert_eq!(reading.rest(), [""; 0]);
    add(&path, "3\n");
    assert_eq!(reading.take(1), ["3"]);
}
