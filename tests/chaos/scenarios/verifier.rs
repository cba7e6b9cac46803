//! The verifiers themselves, on dumps made by hand.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::harness::Stage;
use crate::input::Feeder;
use crate::scratch;
use crate::verify::{Counts, Verdict, verify};

/// A way to spoil the lines of an output.
type Spoil = fn(&mut Vec<String>);

/// Each fault is counted where it belongs, by both passes alike.
pub(super) fn notice_every_fault(stage: &Stage) {
    let written = Feeder::new(1, stage.seed).lines(500);
    let text = std::fs::read_to_string(written).expect("it was written");
    let input: Vec<String> = text.lines().map(str::to_owned).collect();
    let good: Vec<String> = input.iter().filter(|line| line.contains(" keep ")).cloned().collect();
    let expected = good.len() as u64;
    let clean = Counts { expected, ..Counts::default() };
    assert_eq!(check(&input, good.clone(), |_lines| ()).exactly().counts, clean);
    let found = |spoil: Spoil| check(&input, good.clone(), spoil).counts;
    let lost = found(|lines| drop(lines.remove(17)));
    assert_eq!(lost, Counts { lost: 1, ..clean });
    let duplicated = found(|lines| lines.push(lines[5].clone()));
    assert_eq!(duplicated, Counts { duplicated: 1, ..clean });
    let reordered = found(|lines| {
        let key = |line: &String| line.split('\t').next().map(str::to_owned);
        let next = |at: usize| (at + 1..lines.len()).find(|b| key(&lines[*b]) == key(&lines[at]));
        let pair = (0..lines.len()).find_map(|at| Some((at, next(at)?)));
        let (earlier, later) = pair.expect("keys are fewer than lines");
        lines.swap(earlier, later);
    });
    assert_eq!(reordered, Counts { reordered: 1, ..clean });
    let corrupted = found(|lines| lines[9].push('x'));
    assert_eq!(corrupted, Counts { corrupted: 1, lost: 1, ..clean });
    let rekeyed = found(|lines| lines[9].insert(0, 'k'));
    assert_eq!(rekeyed, Counts { corrupted: 1, lost: 1, ..clean });
    let invented = found(|lines| lines.push("k1\t7 7 0123456789abcdef keep 00".to_owned()));
    assert_eq!(invented, Counts { corrupted: 1, ..clean });
    let dropped = input.iter().find(|line| line.contains(" drop ")).cloned();
    let mut more = good.clone();
    more.extend(dropped);
    assert_eq!(check(&input, more, |_lines| ()).counts, Counts { stray: 1, ..clean });
    assert_eq!(check(&input, Vec::new(), |_lines| ()).counts, Counts { lost: expected, ..clean });
    windows(&input, &good);
}

/// A copy counts as inside the window only for restarts that began at or before its place.
fn windows(input: &[String], good: &[String]) {
    let at = input.iter().position(|line| *line == good[5]).expect("it went in") as u64;
    let mut twice = good.to_vec();
    twice.push(good[5].clone());
    let (input, output) = (dump("input", input), dump("output", &twice));
    for (starts, outside) in
        [(vec![], 1), (vec![vec![at + 1]], 1), (vec![vec![at]], 0), (vec![vec![0]], 0)]
    {
        assert_eq!(verify(&input, &output, &starts).outside_window, outside, "{starts:?}");
    }
}

fn check(
    input: &[String],
    mut output: Vec<String>,
    spoil: impl FnOnce(&mut Vec<String>),
) -> Verdict {
    spoil(&mut output);
    verify(&dump("input", input), &dump("output", &output), &Vec::new())
}

/// Lines as a dump of one partition.
fn dump(name: &str, lines: &[String]) -> PathBuf {
    let path = scratch::file(&format!("{name}.dump"));
    let mut text = String::new();
    for (offset, line) in lines.iter().enumerate() {
        writeln!(text, "0\t{offset}\t{line}").expect("strings take everything");
    }
    std::fs::write(&path, text).expect("the scratch folder can be written");
    path
}
