//! What is promised of secrets: nothing that a program can print has them.
#![expect(clippy::missing_panics_doc, reason = "a case panics where the promise is broken")]

use std::error::Error as StdError;
use std::time::Duration;

use millstream_engine::runtime::Wake;
use millstream_engine::sink::{Sink, WriterContext};
use millstream_engine::source::{OpenContext, Source};
use millstream_engine::{Error, Result as EngineResult};

use crate::reading::open_context;
use crate::run::Skipped;
use crate::subject::Subject;

/// No secret is in `Debug`, in written settings, in faults, or in the errors of opening, with all their causes.
///
/// # Errors
/// Skipped where the connector takes no secrets.
pub fn secrets_are_shown_nowhere(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(1);
    let secretive = subject.secretive(&topic).ok_or(Skipped("the connector takes no secrets"))?;
    assert!(!secretive.canaries.is_empty(), "there are secrets to look for");
    let mut texts = secretive.printed;
    // Each waits to be refused, so they do it together.
    std::thread::scope(|scope| {
        let sources = secretive.sources.into_iter();
        let of_sources: Vec<_> =
            sources.map(|source| scope.spawn(move || texts_of_source(&*source))).collect();
        let sinks = secretive.sinks.into_iter();
        let of_sinks = sinks.map(|sink| scope.spawn(move || texts_of_sink(&*sink)));
        for told in of_sinks.collect::<Vec<_>>().into_iter().chain(of_sources) {
            texts.extend(told.join().expect("sources and sinks that cannot be opened"));
        }
    });
    for canary in &secretive.canaries {
        let shown = texts.iter().flat_map(|text| text.lines()).find(|line| line.contains(canary));
        assert_eq!(shown, None, "a secret is shown");
    }
    Ok(())
}

fn texts_of_source(source: &dyn Source) -> Vec<String> {
    let error = open_source(source).expect_err("the source cannot be opened");
    source.faults().iter().chain([&error]).flat_map(texts_of).collect()
}

fn texts_of_sink(sink: &dyn Sink) -> Vec<String> {
    let error = open_sink(sink).expect_err("the sink cannot be opened");
    sink.faults().iter().chain([&error]).flat_map(texts_of).collect()
}

fn open_source(source: &dyn Source) -> EngineResult<()> {
    source.finder(&soon())?.find().map(drop)
}

fn open_sink(sink: &dyn Sink) -> EngineResult<()> {
    sink.prepare(&soon())?;
    let (open, wake) = (soon(), Wake::new(|| ()));
    sink.writer(WriterContext { open, shard: 0, n_shards: 1, generation: 1, wake }).map(drop)
}

/// As long as is needed to be refused.
fn soon() -> OpenContext {
    OpenContext { open_timeout: Duration::from_secs(3), ..open_context("secrets") }
}

/// Every way to print an error, and each of its causes.
fn texts_of(error: &Error) -> Vec<String> {
    let mut texts = vec![error.report()];
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = next {
        texts.push(format!("{cause} {cause:?}"));
        next = cause.source();
    }
    texts
}

#[cfg(test)]
mod tests;
