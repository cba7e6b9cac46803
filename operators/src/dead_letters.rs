//! `dead_letters`: ends an error stream in a sink, in the one form that dead letters have on every connector.

use std::convert::Infallible;

use millstream_engine::sink::Sink;
use millstream_engine::stage::{Chain, ErrorsHandled};
use millstream_engine::{ErrorRecord, Stream};

use crate::EncodeItems;

/// `dead_letters` on error streams.
pub trait DeadLetters<'s, C: Chain<ErrorRecord>> {
    /// Writes every error as a dead letter to the sink named `name`: the record's key, value and headers as they came, then
    /// headers `millstream-…` that say what happened, where, and when.
    ///
    /// # Delivery
    /// As the sink's, direct style: a dead letter that cannot be delivered stops the dataflow. The record that failed counts as
    /// delivered only when its dead letter is durable.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::testing::{Harness, TestSink, TestSource};
    /// use millstream_engine::Dataflow;
    /// use millstream_operators::prelude::*;
    ///
    /// let (source, rejected) = (TestSource::new(["17", "x"]), TestSink::new());
    /// let to = rejected.clone();
    /// let flow = Dataflow::new("numbers", move |flow| {
    ///     let (numbers, errors) = flow
    ///         .source("in", source.clone())
    ///         .try_map(|record| String::from_utf8_lossy(record.value_or_empty()).parse::<i64>())
    ///         .named("parse")
    ///         .split_errors();
    ///     numbers.discard();
    ///     errors.dead_letters("rejected", to.clone());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// assert_eq!(rejected.texts(), ["x"]);
    /// let step = ("millstream-step".to_owned(), Some(b"parse".to_vec()));
    /// assert!(rejected.records()[0].headers.contains(&step));
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn dead_letters(self, name: &str, sink: impl Sink)
    where
        C::Errors: ErrorsHandled;
}

impl<'s, C: Chain<ErrorRecord>> DeadLetters<'s, C> for Stream<'s, ErrorRecord, C> {
    #[track_caller]
    fn dead_letters(self, name: &str, sink: impl Sink)
    where
        C::Errors: ErrorsHandled,
    {
        self.encode(|error, out| {
            error.write_dead_letter(out);
            Ok::<_, Infallible>(())
        })
        .errors_fail()
        .sink(name, sink);
    }
}
