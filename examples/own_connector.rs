//! A source and a sink of your own: a weather station that is asked over a line, and a pager that takes what is too hot.
//!
//! Run it: `cargo run --release --example own_connector`
//!
//! ci:
//! ci: --mermaid
//! ```text
//! …
//! 300 readings, 3 failures of the line, 30 pages, 10 lost.
//! …
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to people")]

use std::sync::mpsc::{Sender, channel};

use millstream::prelude::*;
use millstream::source::{self, Read};
use millstream::{BoxError, sink};

/// The station: each call brings up to ten readings. Every hundred readings the line breaks once, and nothing is lost by that.
fn station() -> source::FromFn {
    let (mut n_read, mut is_broken) = (0, false);
    source::from_fn(move |fill| {
        is_broken = !is_broken && n_read % 100 == 50;
        if is_broken {
            return Err("the line is broken".into());
        }
        for _ in 0..10 {
            let celsius = if n_read % 15 < 2 { 95 } else { 20 };
            fill.push((format!("roof-{}", n_read % 3), format!("{celsius}.5")));
            n_read += 1;
        }
        Ok(if n_read == 300 { Read::End } else { Read::Records })
    })
}

/// The pager: takes thirty pages and then no more. What it refuses leaves on the error stream.
fn pager(pages: Sender<String>) -> sink::FromFn {
    let mut n_left = 30;
    sink::from_fn(move |record| {
        if n_left == 0 {
            return Err("the pager is out of paper".into());
        }
        n_left -= 1;
        let roof = String::from_utf8_lossy(record.key().unwrap_or_default());
        let celsius = str::from_utf8(record.value_or_empty())?;
        Ok(pages.send(format!("{roof} has {celsius} degrees"))?)
    })
}

fn main() -> Result<(), BoxError> {
    let (send_page, pages) = channel();
    let (send_error, errors) = channel();
    let flow = Dataflow::new("weather", move |flow| {
        let (send_page, to_log) = (send_page.clone(), send_error.clone());
        let (readings, broken) = flow.source_with_errors("station", station());
        let unpaged = readings
            .filter(|record| record.value_or_empty() >= b"80".as_slice())
            .named("too-hot")
            .sink_with_errors("pager", pager(send_page));
        let log = move |e: ErrorRecord| drop(to_log.send(format!("{}: {}", e.step, e.error)));
        broken.merge(unpaged).named("problems").for_each(log);
    });
    let graph = flow.graph()?;
    let counted = millstream::run(&flow, Config::from_env()?)?;
    drop(flow);

    let [pages, errors] = [pages, errors].map(|all| all.iter().collect::<Vec<String>>());
    let n_broken = errors.iter().filter(|error| error.starts_with("station")).count();
    let n_read = counted.step("station").map_or(0, |step| step.records);
    let mermaid = std::env::args().any(|argument| argument == "--mermaid");
    println!("{}", if mermaid { graph.to_mermaid() } else { graph.to_string() });
    println!("First page: {}. Last problem: {}.", pages[0], errors[errors.len() - 1]);
    let (n_pages, n_lost) = (pages.len(), errors.len() - n_broken);
    println!("{n_read} readings, {n_broken} failures of the line, {n_pages} pages, {n_lost} lost.");
    println!("Next: docs/guide/writing-a-connector.md, for connectors to share.");
    Ok(())
}
