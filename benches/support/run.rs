//! One run: a process of its own, so that processor time, peak memory and the allocator's state belong to it alone, threads of
//! client libraries included.
#![expect(clippy::print_stdout, reason = "a run prints its figures as its last line")]

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::json;

/// What a run has seen, by name: counts and checksums that must be equal for all contenders.
pub(crate) type Seen = BTreeMap<String, u64>;

/// One way to do the work.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// What must be kept: the ratio of ours to this baseline, or whatever the bench holds against it. None for ours.
    pub(crate) limit: Option<f64>,
    /// Does the work with the arguments that the parent gave.
    pub(crate) run: fn(&[String]) -> Seen,
}

/// The figures of one run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) cpu_seconds: f64,
    pub(crate) wall_seconds: f64,
    pub(crate) resident_mb: f64,
    pub(crate) seen: Seen,
}

/// Does the one run that this process was started for with `--run CONTENDER ARGUMENTS…`; says whether there was one.
pub(crate) fn run_if_asked(contenders: &[Contender]) -> bool {
    let arguments: Vec<String> = std::env::args().collect();
    let Some(at) = arguments.iter().position(|argument| argument == "--run") else {
        return false;
    };
    let name = &arguments[at + 1];
    let contender = contenders.iter().find(|c| c.name == name);
    let contender = contender.expect("the parent names a contender");
    let started = Instant::now();
    let seen = (contender.run)(&arguments[at + 2..]);
    let wall_seconds = started.elapsed().as_secs_f64();
    let (cpu_seconds, resident_mb) = usage();
    println!("{}", json!(Run { cpu_seconds, wall_seconds, resident_mb, seen }));
    true
}

/// The figures that a run has printed.
pub(crate) fn figures(printed: &[u8]) -> Run {
    let text = String::from_utf8_lossy(printed);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).expect("a run prints its figures as its last line")
}

/// Whether this is the brief run that only shows that the bench works.
pub(crate) fn is_smoke() -> bool {
    std::env::var_os("MILLSTREAM_BENCH_SMOKE").is_some()
}

/// `full`, or `smoke` in a brief run.
pub(crate) fn scaled<N>(full: N, smoke: N) -> N {
    if is_smoke() { smoke } else { full }
}

/// Processor seconds of all threads of this process, and its peak resident memory in megabytes.
fn usage() -> (f64, f64) {
    (cpu_seconds(), resident_mb())
}

#[expect(unsafe_code, reason = "the standard library does not tell what a process has used")]
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn cpu_seconds() -> f64 {
    // SAFETY: `getrusage` fills the structure that it is given, for which all zeroes is a valid value.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// `getrusage` counts in what the parent held when it started this process; the kernel's own account does not.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = peak.and_then(|rest| rest.trim().split(' ').next()?.parse::<f64>().ok());
    kibibytes.expect("a number of kibibytes") * 1.024e-3
}

/// The middle value; of two middle ones their mean.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// The smallest and the largest, for people.
pub(crate) fn spread(values: impl Iterator<Item = f64> + Clone) -> String {
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let most = values.fold(0.0, f64::max);
    format!("{least:.3}–{most:.3}")
}

/// Four digits after the point: more would be noise.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
