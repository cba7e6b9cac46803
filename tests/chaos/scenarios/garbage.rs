//! Records that nobody can read, among many that are good: each becomes a dead letter, and reading goes on behind them.

use std::fmt::Write as _;

use millstream::kafka::{Sink, Source};
use millstream::prelude::*;
use millstream::run;

use crate::harness::Stage;
use crate::scratch;

const N_PARTITIONS: usize = 4;

/// One record in so many is garbage.
const ONE_IN: u64 = 100;

/// 1 % garbage: as many dead letters, all others pass, and every position moves to the end.
pub(super) fn one_in_a_hundred(stage: &Stage) {
    let n_records: u64 = if stage.full { 1_000_000 } else { 20_000 };
    let n_garbage = n_records / ONE_IN;
    let kafka = stage.shared();
    let [from, to, dead] = ["in", "out", "dead"].map(|what| stage.fresh(what));
    for topic in [&from, &to, &dead] {
        kafka.create_topic(topic, N_PARTITIONS);
    }
    feed(stage, &from, n_records);
    let name = stage.fresh("garbage");
    let flow = copy(&name, &kafka.address, [&from, &to, &dead]);
    let config = Config { workers: 2, ..Config::default() };
    let counted = run(&flow, config).expect("garbage stops nothing");
    assert_eq!(counted.step("parse").map(|step| step.errors), Some(n_garbage));
    let (passed, died) = (kafka.count(&to, N_PARTITIONS), kafka.count(&dead, N_PARTITIONS));
    assert_eq!((passed, died), (n_records - n_garbage, n_garbage));
    assert_garbage(stage, &dead, n_garbage);
    let committed = kafka.committed(&format!("{name}.in"), &from, N_PARTITIONS);
    assert_eq!(committed.iter().flatten().sum::<u64>(), n_records, "{committed:?}");
    stage.say(&format!("{n_records} records, {n_garbage} of them garbage: {died} dead letters"));
}

fn feed(stage: &Stage, topic: &str, n_records: u64) {
    let mut lines = String::new();
    for number in 0..n_records {
        let garbage = number % ONE_IN == ONE_IN / 2;
        let text = if garbage { "garbage" } else { "number" };
        writeln!(lines, "k{}\t{text} {number}", number % 1000).expect("strings take everything");
    }
    let path = scratch::file(topic);
    std::fs::write(&path, lines).expect("the scratch folder can be written");
    stage.shared().produce(topic, &path, None);
    scratch::forget(&path);
}

fn copy(name: &str, address: &str, [from, to, dead]: [&String; 3]) -> Dataflow {
    let (address, from, to, dead) = (address.to_owned(), from.clone(), to.clone(), dead.clone());
    Dataflow::new(name, move |flow| {
        let (numbers, garbage) = flow
            .source("in", Source::new(&address, &from).until_end())
            .deserialize(string())
            .errors_fail()
            .try_map(|text: String| match text.strip_prefix("number ") {
                Some(number) => number.parse::<u64>().map_err(|error| error.to_string()),
                None => Err("it is no number".to_owned()),
            })
            .named("parse")
            .split_errors();
        numbers
            .map(|number| number.to_string())
            .serialize(string())
            .errors_fail()
            .sink("out", Sink::new(&address, &to));
        garbage.dead_letters("dead", Sink::new(&address, &dead));
    })
}

/// Every dead letter holds a record that was garbage, each once.
fn assert_garbage(stage: &Stage, dead: &str, n_garbage: u64) {
    let dump = stage.shared().dump(dead);
    let text = std::fs::read_to_string(&dump).expect("it was written");
    let of_line = |line: &str| -> Option<u64> { line.rsplit("garbage ").next()?.parse().ok() };
    let mut numbers: Vec<_> = text.lines().map(|line| of_line(line).expect("garbage")).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq((0..n_garbage).map(|n| n * ONE_IN + ONE_IN / 2)));
    scratch::forget(&dump);
}
