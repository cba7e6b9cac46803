//! The program under test: a copy from Kafka to Kafka through a filter, with its settings from arguments and environment.
//!
//! It runs in a process of its own: this binary again, with `child` as its first argument.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use millstream::kafka::{Sink, Source, Start};
use millstream::prelude::*;
use millstream::run;

use crate::input;
use crate::liar::{Lie, LyingSink, LyingSource};

/// Runs until the end, a signal or an error; the exit code is the error's.
pub(crate) fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let settings: HashMap<String, String> = arguments
        .filter_map(|argument| {
            let (key, value) = argument.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        })
        .collect();
    let config = Config::from_env().expect("the scenario sets a valid environment");
    let flow = copy(settings);
    println!("ready");
    std::io::stdout().flush().expect("the scenario listens");
    match run(&flow, config) {
        Ok(_counted) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::from(error.exit_code())
        }
    }
}

fn copy(settings: HashMap<String, String>) -> Dataflow {
    let name = settings["name"].clone();
    Dataflow::new(&name, move |flow| {
        let lie = settings.get("lie").and_then(|lie| Lie::named(lie));
        let (source, sink) = (source(&settings), sink(&settings));
        let records = match lie {
            Some(lie) => flow.source("in", LyingSource(source, lie)),
            None => flow.source("in", source),
        };
        let kept = records
            .filter(|record| input::passes(record.value_or_empty()))
            .deserialize(string())
            .map(|text: String| text)
            .serialize(string())
            .errors_fail();
        match lie {
            Some(lie) => kept.sink("out", LyingSink(sink, lie)),
            None => kept.sink("out", sink),
        }
    })
}

fn source(settings: &HashMap<String, String>) -> Source {
    let mut source = Source::new(&settings["from"], &settings["in"]);
    if settings.contains_key("until_end") {
        source = source.until_end();
    }
    if settings.contains_key("latest") {
        source = source.with_start(Start::Latest);
    }
    if let Some(bytes) = settings.get("source_queue") {
        source = source.with_queue_bytes(number(bytes)).with_queue_records(10_000);
    }
    source
}

fn sink(settings: &HashMap<String, String>) -> Sink {
    let mut sink = Sink::new(&settings["to"], &settings["out"]);
    if let Some(millis) = settings.get("linger") {
        sink = sink.with_linger(Duration::from_millis(number(millis) as u64));
    }
    if let Some(millis) = settings.get("delivery_timeout") {
        sink = sink.with_delivery_timeout(Duration::from_millis(number(millis) as u64));
    }
    if let Some(n_records) = settings.get("sink_records") {
        sink = sink.with_queue_records(number(n_records));
    }
    if let Some(bytes) = settings.get("sink_queue") {
        sink = sink.with_queue_bytes(number(bytes)).with_queue_records(20_000);
    }
    sink
}

fn number(text: &str) -> usize {
    text.parse().expect("the scenario gives a number")
}
