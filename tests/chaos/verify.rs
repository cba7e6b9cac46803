//! The verifier: compares what went in with what came out, twice, by passes that share no code.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::input::hash;

/// What the output is like, against the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Records that should come out.
    pub(crate) expected: u64,
    /// Records that should have come and did not, as they were.
    pub(crate) lost: u64,
    /// Further copies of records that came.
    pub(crate) duplicated: u64,
    /// Records that came for the first time after a later one of the same producer, key and input partition.
    pub(crate) reordered: u64,
    /// Records that are not as they were, or were never written.
    pub(crate) corrupted: u64,
    /// Records that the filter should have stopped.
    pub(crate) stray: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, lost, duplicated, reordered, corrupted, stray } = self;
        write!(
            f,
            "expected={expected} lost={lost} duplicated={duplicated} reordered={reordered} corrupted={corrupted} stray={stray}"
        )
    }
}

/// What a verification found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    pub(crate) counts: Counts,
    /// Copies of records that no restart had reason to repeat.
    pub(crate) outside_window: u64,
}

impl Verdict {
    /// Nothing lost, reordered, corrupted or stray; copies only where a restart repeats.
    pub(crate) fn at_least_once(self) -> Self {
        let Counts { lost, reordered, corrupted, stray, .. } = self.counts;
        assert_eq!((lost, reordered, corrupted, stray), (0, 0, 0, 0), "{}", self.counts);
        assert_eq!(self.outside_window, 0, "copies outside the replay window; {}", self.counts);
        self
    }

    /// The same, and no copies.
    pub(crate) fn exactly(self) -> Self {
        assert_eq!(self.counts.duplicated, 0, "{}", self.counts);
        self.at_least_once()
    }
}

/// Where each restart began to read, by partition of the input.
pub(crate) type Starts = Vec<Vec<u64>>;

/// Compares two dumps; both passes must agree.
pub(crate) fn verify(input: &Path, output: &Path, starts: &Starts) -> Verdict {
    let verdict = first_pass(input, output, starts);
    let second = second_pass(input, output);
    assert_eq!(verdict.counts.to_string(), second, "the two verifiers disagree");
    verdict
}

/// What one producer wrote.
#[derive(Default)]
struct Written {
    /// A bit per sequence number: written; to be kept; arrived.
    known: Bits,
    kept: Bits,
    arrived: Bits,
    /// The place in the input, by sequence number.
    places: Vec<(u32, u64)>,
}

impl Written {
    fn place(&self, sequence: u64) -> (u32, u64) {
        self.places[usize::try_from(sequence).expect("sequence numbers are small")]
    }
}

fn first_pass(input: &Path, output: &Path, starts: &Starts) -> Verdict {
    let mut written: HashMap<u64, Written> = HashMap::new();
    let mut counts = Counts::default();
    each_line(input, |partition, offset, key, value| {
        let parsed = Parsed::from(key, value).expect("the input is as it was written");
        let producer = written.entry(parsed.producer).or_default();
        producer.known.set(parsed.sequence);
        let at = usize::try_from(parsed.sequence).expect("sequence numbers are small");
        let length = producer.places.len().max(at + 1);
        producer.places.resize(length, (0, 0));
        producer.places[at] = (partition, offset);
        if parsed.keep {
            producer.kept.set(parsed.sequence);
            counts.expected += 1;
        }
    });
    let mut lanes: HashMap<(u64, u32, String), u64> = HashMap::new();
    let mut copies: HashMap<(u64, u64), u64> = HashMap::new();
    each_line(output, |_partition, _offset, key, value| {
        let read = Parsed::from(key, value);
        let known = read.as_ref().and_then(|p| Some((p, written.get_mut(&p.producer)?)));
        let Some((parsed, producer)) = known.filter(|(p, w)| w.known.has(p.sequence)) else {
            counts.corrupted += 1;
            return;
        };
        if !producer.kept.has(parsed.sequence) {
            counts.stray += 1;
        } else if producer.arrived.set(parsed.sequence) {
            counts.duplicated += 1;
            *copies.entry((parsed.producer, parsed.sequence)).or_default() += 1;
        } else {
            let from = producer.place(parsed.sequence).0;
            let lane = (parsed.producer, from, key.to_owned());
            let last = lanes.entry(lane).or_default();
            counts.reordered += u64::from(parsed.sequence < *last);
            *last = parsed.sequence.max(*last);
        }
    });
    let arrived: u64 = written.values().map(|producer| producer.arrived.count()).sum();
    counts.lost = counts.expected - arrived;
    let outside = copies.iter().map(|((producer, sequence), n_copies)| {
        let (partition, offset) = written[producer].place(*sequence);
        n_copies.saturating_sub(n_repeats(starts, partition, offset))
    });
    Verdict { counts, outside_window: outside.sum() }
}

/// How many restarts began at or before a place, and so may have repeated it.
fn n_repeats(starts: &Starts, partition: u32, offset: u64) -> u64 {
    let began =
        |start: &&Vec<u64>| start.get(partition as usize).is_none_or(|from| *from <= offset);
    starts.iter().filter(began).count() as u64
}

/// One record of the text form, whose hash fits.
struct Parsed {
    producer: u64,
    sequence: u64,
    keep: bool,
}

impl Parsed {
    fn from(key: &str, value: &str) -> Option<Self> {
        let mut words = value.split(' ');
        let (producer, sequence) = (words.next()?, words.next()?);
        let stated = u64::from_str_radix(words.next()?, 16).ok()?;
        let (word, padding) = (words.next()?, words.next()?);
        let fits = hash(&[key, producer, sequence, word, padding]) == stated;
        (fits && words.next().is_none()).then_some(Self {
            producer: producer.parse().ok()?,
            sequence: sequence.parse().ok()?,
            keep: word == "keep",
        })
    }
}

/// Calls `each` with partition, offset, key and value of every line.
fn each_line(path: &Path, mut each: impl FnMut(u32, u64, &str, &str)) {
    let mut reader = BufReader::new(File::open(path).expect("the dump was written"));
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).expect("the dump can be read") > 0 {
        let text = String::from_utf8_lossy(&line);
        let mut fields = text.trim_end_matches('\n').splitn(4, '\t');
        let mut field = || fields.next().expect("a line of a dump has four fields");
        let (partition, offset) = (field().parse(), field().parse());
        each(
            partition.expect("a partition is a number"),
            offset.expect("an offset is a number"),
            field(),
            field(),
        );
        line.clear();
    }
}

fn second_pass(input: &Path, output: &Path) -> String {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chaos/verify.awk");
    let awk = Command::new("awk")
        .arg("-f")
        .arg(program)
        .args([input, output])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .expect("awk runs");
    assert!(awk.status.success(), "{}", String::from_utf8_lossy(&awk.stderr));
    String::from_utf8_lossy(&awk.stdout).trim().to_owned()
}

/// A set of small numbers.
#[derive(Default)]
struct Bits(Vec<u64>);

impl Bits {
    /// Adds a number; says whether it was there.
    fn set(&mut self, number: u64) -> bool {
        let (word, bit) = place(number);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let before = self.0[word];
        self.0[word] |= bit;
        before & bit != 0
    }

    fn has(&self, number: u64) -> bool {
        let (word, bit) = place(number);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn count(&self) -> u64 {
        self.0.iter().map(|bits| u64::from(bits.count_ones())).sum()
    }
}

fn place(number: u64) -> (usize, u64) {
    let word = usize::try_from(number / 64).expect("sequence numbers are small");
    (word, 1 << (number % 64))
}
