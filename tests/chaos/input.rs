//! The records that scenarios write: (producer, key, sequence, hash of all of it), some of them for the filter.
//!
//! A line is `key TAB producer SPACE sequence SPACE hash SPACE keep|drop SPACE padding`.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::rng::Rng;
use crate::scratch;

/// Keys in use per producer.
const N_KEYS: u64 = 200;

/// Writes records of one producer, numbered through.
#[derive(Debug)]
pub(crate) struct Feeder {
    producer: u64,
    next: u64,
    n_kept: u64,
    padding: usize,
    rng: Rng,
}

impl Feeder {
    pub(crate) fn new(producer: u64, seed: u64) -> Self {
        let rng = Rng::new(seed ^ producer);
        Self { producer, next: 0, n_kept: 0, padding: 60, rng }
    }

    /// Pads every record to about this many bytes more.
    pub(crate) fn with_padding(mut self, bytes: usize) -> Self {
        self.padding = bytes;
        self
    }

    /// Records written so far.
    pub(crate) fn n_records(&self) -> u64 {
        self.next
    }

    /// Those of them that the filter lets pass.
    pub(crate) fn n_kept(&self) -> u64 {
        self.n_kept
    }

    /// A file with the next `n` records.
    pub(crate) fn lines(&mut self, n: u64) -> PathBuf {
        let mut text = String::new();
        for _ in 0..n {
            self.line(&mut text);
        }
        let path = scratch::file(&format!("input-{}-{}", self.producer, self.next));
        std::fs::write(&path, text).expect("the scratch folder can be written");
        path
    }

    fn line(&mut self, text: &mut String) {
        let (producer, sequence) = (self.producer, self.next);
        self.next += 1;
        let key = format!("k{}", self.rng.below(N_KEYS));
        let word = if self.rng.below(8) == 0 { "drop" } else { "keep" };
        self.n_kept += u64::from(word == "keep");
        let some =
            self.padding / 2 + usize::try_from(self.rng.below(self.padding as u64)).unwrap_or(0);
        let mut padding = String::with_capacity(some + 16);
        while padding.len() < some {
            write!(padding, "{:016x}", self.rng.number()).expect("strings take everything");
        }
        let hash = hash(&[&key, &producer.to_string(), &sequence.to_string(), word, &padding]);
        writeln!(text, "{key}\t{producer} {sequence} {hash:016x} {word} {padding}")
            .expect("strings take everything");
    }
}

/// FNV-1a over the parts and their borders.
pub(crate) fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Whether the program under test lets a value pass.
pub(crate) fn passes(value: &[u8]) -> bool {
    value.split(|b| *b == b' ').nth(3) == Some(b"keep")
}
