//! Records of a hundred bytes with a key, for programs in any language.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// Records that differ; more are these again, in turns.
pub(crate) const N_DIFFERENT: u64 = 1000;

/// Bytes of a value.
pub(crate) const N_BYTES: usize = 100;

/// The key of the record of this number.
pub(crate) fn key(number: u64) -> String {
    (number % N_DIFFERENT).to_string()
}

/// A file of all that differ, in order: key, tabulator and value, a line each.
pub(crate) fn write_file(folder: &Path) -> io::Result<PathBuf> {
    let mut lines = Vec::new();
    for number in 0..N_DIFFERENT {
        lines.extend_from_slice(key(number).as_bytes());
        lines.push(b'\t');
        lines.extend_from_slice(&value(number));
        lines.push(b'\n');
    }
    let path = folder.join("hundred.tsv");
    std::fs::write(&path, lines).map(|()| path)
}

/// The value of the record of this number: text that compresses as records of programs do.
pub(crate) fn value(number: u64) -> Vec<u8> {
    let number = number % N_DIFFERENT;
    let mut text = String::new();
    while text.len() < N_BYTES {
        let (id, amount) = (number * 7919, number % 97);
        let written = write!(text, "{{\"id\":{id},\"country\":\"de\",\"amount\":{amount}}}");
        written.expect("a string takes everything");
    }
    text.truncate(N_BYTES);
    text.into_bytes()
}
