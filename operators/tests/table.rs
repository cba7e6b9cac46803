//! The table in `lib.rs` names every operator, and the prelude brings every trait.

use std::fs;
use std::path::Path;

/// The traits of `source` that are implemented for streams, each with its methods.
fn stream_traits(source: &str) -> Vec<(String, Vec<String>)> {
    let names = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub trait "))
        .map(|rest| rest.split(['<', ' ', ':']).next().unwrap_or(rest));
    let mut found = Vec::new();
    for name in names {
        let implemented = source.lines().any(|line| {
            let on_stream = line.contains("for Stream<") || line.contains("for RecordStream<");
            line.starts_with("impl<") && line.contains(&format!(" {name}<")) && on_stream
        });
        let start = source
            .find(&format!("pub trait {name}"))
            .expect("it was just found");
        let body = &source[start..];
        let body = &body[..body.find("\n}").expect("rustfmt ends a trait with a brace")];
        let methods = body
            .lines()
            .filter_map(|line| line.strip_prefix("    fn "))
            .map(|rest| rest.split(['<', '(']).next().unwrap_or(rest).to_owned());
        if implemented {
            found.push((name.to_owned(), methods.collect()));
        }
    }
    found
}

#[test]
fn every_operator_stands_in_table_and_prelude() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).expect("the crate has a root");
    let (table, prelude) = lib
        .split_once("pub mod prelude")
        .expect("there is a prelude");
    let mut missing = Vec::new();
    let mut n_operators = 0;
    for entry in fs::read_dir(&src).expect("the crate has sources") {
        let path = entry.expect("a readable folder").path();
        let source = fs::read_to_string(&path).expect("a readable file");
        for (name, methods) in stream_traits(&source) {
            let known = |word: &str| word == name;
            if !prelude.split(|c: char| !c.is_alphanumeric()).any(known) {
                missing.push(format!("{name} in the prelude"));
            }
            for method in methods {
                n_operators += 1;
                let link = format!("({name}::{method})");
                if !table
                    .lines()
                    .any(|l| l.starts_with("//! |") && l.contains(&link))
                {
                    missing.push(format!("{name}::{method} in the table"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "missing: {missing:#?}");
    assert!(n_operators > 25, "only {n_operators} operators were found");
}
