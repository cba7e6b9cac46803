//! `dead_letters`: ends an error stream in a sink, in the one form that dead letters have on every connector.

use std::convert::Infallible;

use millstream_engine::sink::Sink;
use millstream_engine::stage::{Chain, ErrorsHandled};
use millstream_engine::{ErrorRecord, Stream};

use crate::EncodeItems;
use crate::shortening::Shortening;

/// `dead_letters` on error streams.
pub trait DeadLetters<'s, C: Chain<ErrorRecord>> {
    /// Writes every error as a dead letter to the sink named `name`: the record's key, value and headers as they came, then
    /// headers `millstream-…` that say what happened, where, and when: those of
    /// [`dead_letter_headers`](millstream_engine::flow::dead_letter_headers).
    ///
    /// The text of the error is at most 1024 bytes. A dead letter that the sink refuses as too large is tried once more without
    /// its value, with a header `millstream-value-left-out` that says how many bytes are missing; the record still lies at its
    /// origin. [`DeadLetter::read`](millstream_engine::DeadLetter::read) reads dead letters back.
    ///
    /// # Delivery
    /// As the sink's, direct style: a dead letter that cannot be delivered, even without its value, stops the dataflow. The record that failed counts as
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
        .sink(name, Shortening(sink));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millstream_engine::batch::{OwnedRecord, Record, RecordBatch};
    use millstream_engine::error::codes;
    use millstream_engine::flow::MAX_ERROR_BYTES;
    use millstream_engine::testing::{Harness, TestSink, TestSource};
    use millstream_engine::{Config, Dataflow, DeadLetter, ErrorKind};

    use crate::prelude::*;

    /// A dataflow that sets every record aside, started.
    fn set_aside(source: &TestSource, rejected: &TestSink, why: &'static str) -> Harness {
        let (source, to) = (source.clone(), rejected.clone());
        let flow = Dataflow::new("all bad", move |flow| {
            let refuse = move |_: Record<'_>| Err::<(), _>(why);
            let (good, errors) = flow.source("in", source.clone()).try_map(refuse).split_errors();
            good.discard();
            errors.dead_letters("rejected", to.clone());
        });
        let config = Config { commit_interval: Duration::from_millis(1), ..Config::default() };
        Harness::with_config(&flow, config).unwrap()
    }

    fn pass_epochs(harness: &mut Harness) {
        for _ in 0..4 {
            harness.advance(Config::default().epoch);
            harness.run_until_idle().unwrap();
        }
    }

    fn read(record: &OwnedRecord) -> DeadLetter {
        let mut batch = RecordBatch::default();
        batch.push_owned(record);
        DeadLetter::read(batch.get(0).unwrap()).unwrap()
    }

    fn letters(sink: &TestSink) -> Vec<DeadLetter> {
        sink.records().iter().map(read).collect()
    }

    #[test]
    fn unconfirmed_dead_letter_holds_positions_back() {
        let (source, rejected) = (TestSource::open_ended(), TestSink::new());
        let mut harness = set_aside(&source, &rejected, "bad");
        rejected.hold_confirmations();
        source.push("x");
        pass_epochs(&mut harness);
        assert_eq!(rejected.texts(), ["x"], "the dead letter was taken");
        assert_eq!(source.committed(), [0], "and is not confirmed, so nothing is");
        rejected.resume();
        pass_epochs(&mut harness);
        assert_eq!(source.committed(), [1]);
    }

    #[test]
    fn letter_too_large_is_tried_once_more_without_its_value() {
        let records =
            [OwnedRecord::of(vec![b'x'; 5000]).with_key("large"), OwnedRecord::of("small")];
        let (source, rejected) = (TestSource::new(records), TestSink::new());
        rejected.reject_larger_than(1000);
        let mut harness = set_aside(&source, &rejected, "bad");
        harness.run_until_idle().unwrap();
        let mut letters = letters(&rejected);
        letters.sort_by_key(|letter| letter.error.record.position);
        assert_eq!(letters.len(), 2);
        let [large, small] = [&letters[0], &letters[1]];
        assert_eq!(large.left_out_bytes, Some(5000));
        assert_eq!(large.error.record.value, None);
        assert_eq!(large.error.record.key.as_deref(), Some(&b"large"[..]));
        assert_eq!((small.left_out_bytes, small.error.record.text()), (None, Some("small")));
        harness.stop().unwrap();
        assert_eq!(source.committed(), [2]);
    }

    #[test]
    fn letter_too_large_without_its_value_stops() {
        let (source, rejected) = (TestSource::new(["x"]), TestSink::new());
        rejected.reject_larger_than(10);
        let error = set_aside(&source, &rejected, "bad").run_until_idle().unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::BadItem, codes::NOT_DELIVERED));
        let cause = error.cause().unwrap();
        assert!(cause.contains("Even without its value"), "{cause}");
        assert_eq!(source.committed(), [0]);
    }

    #[test]
    fn long_error_is_cut_at_a_character() {
        let (source, rejected) = (TestSource::new(["x"]), TestSink::new());
        let why: &'static str = Box::leak("ü".repeat(5000).into_boxed_str());
        set_aside(&source, &rejected, why).run_until_idle().unwrap();
        let text = &letters(&rejected)[0].error.error;
        assert!(text.len() <= MAX_ERROR_BYTES && text.len() > MAX_ERROR_BYTES - 4);
        assert!(text.starts_with("üü") && text.ends_with("ü…"));
    }
}
