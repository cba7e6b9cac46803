//! The errors of this connector, each with the code, the place and what the reader can do.
//!
//! Invariant: no error holds the bytes of a record.

use std::io;
use std::path::Path;

use millstream_engine::error::codes;
use millstream_engine::{Error, ErrorKind};

/// How alike two names must be for a suggestion, from 0 to 1.
const ALIKE: f64 = 0.8;

/// A call of the system failed; `what` reads on after "failed to", without the path.
pub(crate) fn failed(what: &str, path: &Path, cause: io::Error) -> Error {
    let what = format!("{what} {}", path.display());
    let folder = path.parent().unwrap_or(path).display();
    let (kind, code, hint) = match cause.kind() {
        io::ErrorKind::NotFound => (
            ErrorKind::Config,
            codes::FILE_UNUSABLE,
            format!("The folder must exist. Try: mkdir -p {folder}"),
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
            ErrorKind::Denied,
            codes::FILE_UNUSABLE,
            format!("The user of this program needs the permission. Try: ls -ld {folder}"),
        ),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (
            ErrorKind::Unavailable,
            codes::DISK_FULL,
            format!("Make room, then start again: nothing confirmed is lost. Try: df -h {folder}"),
        ),
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => (
            ErrorKind::Config,
            codes::FILE_UNUSABLE,
            "Name a file in a folder that exists.".to_owned(),
        ),
        _ => (
            ErrorKind::Unavailable,
            codes::FILE_UNUSABLE,
            "Is the disk all right? What was not confirmed is repeated by the next run.".to_owned(),
        ),
    };
    Error::new(kind, code, what).with_source(cause).with_hint(hint)
}

/// There is no file at the path, or none that a pattern matches.
pub(crate) fn not_found(pattern: &Path) -> Error {
    let what = format!("find a file to read: there is none at {}", pattern.display());
    let hint = suggestion(pattern)
        .map_or_else(|| "Check the path.".to_owned(), |alike| format!("Did you mean {alike}?"));
    Error::new(ErrorKind::Config, codes::UNKNOWN_TOPIC, what).with_hint(hint)
}

/// The path with its first part that does not exist replaced by the name beside it that is most like it.
fn suggestion(pattern: &Path) -> Option<String> {
    let missing = pattern.ancestors().take_while(|path| !path.exists()).last()?;
    let (folder, wanted) = (missing.parent()?, missing.file_name()?.to_str()?);
    let names =
        folder.read_dir().ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let (_, best) = names
        .map(|name| (strsim::jaro_winkler(wanted, &name), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(folder.join(best).display().to_string())
}

/// Positions and records name their file as text.
pub(crate) fn not_text(path: &Path) -> Error {
    let what = format!("read {}: its name is not UTF-8", path.display());
    Error::config(what).with_hint("Rename it, or name files that leave it out.")
}

pub(crate) fn too_many_files(pattern: &Path, max_files: usize) -> Error {
    let what = format!("read {}: it matches more than {max_files} files", pattern.display());
    Error::config(what).with_hint("Name fewer files, or raise `with_max_files`.")
}

pub(crate) fn expired(path: &str, offset: u64) -> Error {
    let what = format!("go on at byte {offset}: the file was replaced or cut off");
    Error::new(ErrorKind::Corrupt, codes::EXPIRED_POSITION, what).at_partition(path, 0).with_hint(
        "Choose with `.with_expired(…)`: `Expired::Earliest` goes on with the first record of the file \
         that is there, `Expired::Latest` after the last one; what was not read of the old one is lost.",
    )
}

pub(crate) fn bad_position(path: &str, text: &str) -> Error {
    let what = format!("read \"{text}\" as a position in a file");
    Error::new(ErrorKind::Corrupt, codes::EXPIRED_POSITION, what).at_partition(path, 0)
}

pub(crate) fn record_too_long(path: &str, offset: u64, max_bytes: usize) -> Error {
    let what = format!("read a record: it has more than {max_bytes} bytes");
    Error::new(ErrorKind::BadItem, codes::TOO_LARGE, what)
        .at_partition(path, 0)
        .at_position(offset)
        .with_hint("Raise `with_max_record_bytes`, or check that the format is the right one.")
}

/// A record says a partition, and a file is partition 0 of itself.
pub(crate) fn unknown_partition(target: &str, partition: u32) -> Error {
    let what = format!("find partition {partition}: a file has no other than 0");
    Error::new(ErrorKind::Config, codes::UNKNOWN_TOPIC, what).at_partition(target, partition)
}

/// A value that would not be the same record when it is read again.
pub(crate) fn unwritable(target: &str, why: &str) -> Error {
    Error::new(ErrorKind::BadItem, codes::NOT_DELIVERED, format!("write a record: {why}"))
        .at_topic(target)
        .with_hint(
            "Encode it so that it is one record of the file's format; compact JSON always is.",
        )
}
