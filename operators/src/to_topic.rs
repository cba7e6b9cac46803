//! `to_topic`, `to_topic_by`: say which topic a record is to go to, for sinks that route.
//!
//! Invariant: a record leaves with a topic or as an error, and the buffer for names is one per stage, not one per record.

use std::fmt;

use millstream_engine::RecordStream;
use millstream_engine::batch::{Record, RecordBatch, RecordWriter};
use millstream_engine::error::codes;
use millstream_engine::stage::{
    CanFail, Chain, Cx, EmitRecord, Failure, Head, Look, Looking, RecordChain, StepId, guard,
};

use crate::encode::{Encode, NotWritten, WriteItem};

/// `to_topic` on streams of records.
pub trait ToTopicRecords<'s, C: RecordChain> {
    /// Says for every record which topic it is to go to: `topic` appends the name to an empty buffer.
    ///
    /// Order kept · emits at once · no state. The record is copied as it is, a partition it says included; a topic said before is
    /// replaced. Where `topic` leaves the buffer empty the record is an error with code `E0118`; the stream can fail afterwards.
    /// Ends in a sink that routes: which names are allowed, that says.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::batch::OwnedRecord;
    /// use millstream_engine::testing::{Harness, TestSink, TestSource};
    /// use millstream_engine::Dataflow;
    /// use millstream_operators::prelude::*;
    ///
    /// let order = |tenant| OwnedRecord::of("4 apples").with_header("tenant", tenant);
    /// let source = TestSource::new([order("anna"), order("ben")]);
    /// let sink = TestSink::new();
    /// let to = sink.clone();
    /// let flow = Dataflow::new("tenants", move |flow| {
    ///     flow.source("in", source.clone())
    ///         .to_topic(|record, topic| {
    ///             if let Some(Some(tenant)) = record.headers().get("tenant") {
    ///                 topic.push_str("orders.");
    ///                 topic.push_str(&String::from_utf8_lossy(tenant));
    ///             }
    ///         })
    ///         .errors_fail()
    ///         .sink("out", to.clone());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// let topics: Vec<_> = sink.records().into_iter().map(|r| r.destination.topic).collect();
    /// assert_eq!(topics, [Some("orders.anna".to_owned()), Some("orders.ben".to_owned())]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn to_topic<F: for<'a> FnMut(Record<'a>, &mut String) + 'static>(
        self,
        topic: F,
    ) -> RecordStream<'s, ToTopic<C, F>>;
}

impl<'s, C: RecordChain> ToTopicRecords<'s, C> for RecordStream<'s, C> {
    #[track_caller]
    fn to_topic<F: for<'a> FnMut(Record<'a>, &mut String) + 'static>(
        self,
        topic: F,
    ) -> RecordStream<'s, ToTopic<C, F>> {
        self.record_stage("to_topic", |chain, step| ToTopic {
            chain,
            topic,
            step,
            name: String::new(),
            scratch: RecordBatch::default(),
        })
    }
}

/// The stage that `to_topic` adds to a chain of records.
#[derive(Debug)]
pub struct ToTopic<C, F> {
    chain: C,
    topic: F,
    step: StepId,
    name: String,
    scratch: RecordBatch,
}

struct ToTopicLook<'e, F, E> {
    topic: &'e mut F,
    step: StepId,
    name: &'e mut String,
    out: &'e mut E,
}

impl<F: for<'a> FnMut(Record<'a>, &mut String), E: EmitRecord> Look for ToTopicLook<'_, F, E> {
    #[inline(always)]
    fn look(&mut self, cx: Cx<'_>, record: Record<'_>) {
        let name = &mut *self.name;
        name.clear();
        guard(self.step, || (self.topic)(record, name));
        if name.is_empty() {
            self.out.err(cx, no_topic(self.step));
        } else {
            self.out.write(cx, |out| {
                out.copy(record).topic(name);
                Ok(())
            });
        }
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

#[cold]
fn no_topic(step: StepId) -> Failure {
    Failure::with_code(step, codes::NO_TOPIC, "route a record", NoTopic)
}

impl<C: RecordChain, F: for<'a> FnMut(Record<'a>, &mut String) + 'static> RecordChain
    for ToTopic<C, F>
{
    type Head = C::Head;
    type Errors = CanFail;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: EmitRecord>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        let Self { chain, topic, step, name, scratch } = self;
        let look = ToTopicLook { topic, step: *step, name, out };
        chain.drive(batch, &mut Looking::new(look, scratch));
    }
}

/// `to_topic_by` on records that were just written from items.
pub trait ToTopicItems<'s, T: 'static, C: Chain<T>, W: WriteItem<T>> {
    /// Says for every item which topic its record is to go to: `topic` appends the name to an empty buffer. It follows directly
    /// on `serialize`, its variants or `encode`.
    ///
    /// Otherwise as [`to_topic`](ToTopicRecords::to_topic), which sees the record instead.
    ///
    /// # Examples
    /// ```
    /// use std::fmt::Write as _;
    /// use millstream_engine::testing::{Harness, TestSink, TestSource};
    /// use millstream_engine::Dataflow;
    /// use millstream_operators::prelude::*;
    ///
    /// let (source, sink) = (TestSource::new(["one", "three"]), TestSink::new());
    /// let to = sink.clone();
    /// let flow = Dataflow::new("lengths", move |flow| {
    ///     flow.source("in", source.clone())
    ///         .map(|record| record.value_or_empty().len())
    ///         .encode(|length, out| {
    ///             out.value(length.to_string().as_bytes());
    ///             Ok::<_, std::num::TryFromIntError>(())
    ///         })
    ///         .to_topic_by(|length, topic| write!(topic, "of-length-{length}").unwrap_or_default())
    ///         .errors_fail()
    ///         .sink("out", to.clone());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// assert_eq!(sink.records()[1].destination.topic.as_deref(), Some("of-length-5"));
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn to_topic_by<F: FnMut(&T, &mut String) + 'static>(
        self,
        topic: F,
    ) -> RecordStream<'s, Encode<C, ByItem<W, F>, T>>;
}

impl<'s, T: 'static, C: Chain<T>, W: WriteItem<T>> ToTopicItems<'s, T, C, W>
    for RecordStream<'s, Encode<C, W, T>>
{
    #[track_caller]
    fn to_topic_by<F: FnMut(&T, &mut String) + 'static>(
        self,
        topic: F,
    ) -> RecordStream<'s, Encode<C, ByItem<W, F>, T>> {
        self.record_stage("to_topic_by", |encode, step| {
            encode.written_by(step, |write| ByItem { write, topic, name: String::new() })
        })
    }
}

/// Writes records as `W` does, with a topic from a closure.
#[derive(Debug)]
pub struct ByItem<W, F> {
    write: W,
    topic: F,
    name: String,
}

impl<T, W: WriteItem<T>, F: FnMut(&T, &mut String) + 'static> WriteItem<T> for ByItem<W, F> {
    #[inline(always)]
    fn write(
        &mut self,
        cx: Cx<'_>,
        item: &T,
        out: &mut RecordWriter<'_>,
    ) -> Result<(), NotWritten> {
        self.name.clear();
        (self.topic)(item, &mut self.name);
        if self.name.is_empty() {
            return Err(("route a record".into(), NoTopic.into()));
        }
        out.topic(&self.name);
        self.write.write(cx, item, out)
    }
}

/// The closure appended nothing to the buffer.
#[derive(Debug)]
pub(crate) struct NoTopic;

impl fmt::Display for NoTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the closure gives no topic")
    }
}

impl std::error::Error for NoTopic {}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use millstream_engine::batch::OwnedRecord;
    use millstream_engine::testing::{Harness, TestSink, TestSource};
    use millstream_engine::{Dataflow, ErrorRecord};

    use crate::prelude::*;

    /// No name where there is no text.
    fn name_by(text: &str, topic: &mut String) {
        if !text.is_empty() {
            topic.push_str("to-");
            topic.push_str(text);
        }
    }

    /// Runs a flow with a sink that routes and one for errors; returns what both got.
    fn run(build: impl Fn(&TestSource, &TestSink, &TestSink) -> Dataflow) -> [Vec<OwnedRecord>; 2] {
        let source = TestSource::new(
            ["a", "", "b"].map(|value| OwnedRecord::of(value).with_key("k").with_header("h", "v")),
        );
        let (sink, errors) = (TestSink::new(), TestSink::new());
        Harness::start(&build(&source, &sink, &errors)).unwrap().run_until_idle().unwrap();
        [sink.records(), errors.records()]
    }

    fn check([routed, errors]: &[Vec<OwnedRecord>; 2]) {
        let seen: Vec<_> =
            routed.iter().map(|r| (r.text(), r.destination.topic.as_deref())).collect();
        assert_eq!(seen, [(Some("a"), Some("to-a")), (Some("b"), Some("to-b"))]);
        assert_eq!(errors.len(), 1);
        let header = |name: &str| errors[0].headers.iter().find(|(n, _)| n == name).cloned();
        let code = header("millstream-error-code").and_then(|(_, value)| value);
        assert_eq!(code.as_deref(), Some(&b"E0118"[..]));
        assert_eq!((errors[0].text(), errors[0].key.as_deref()), (Some(""), Some(&b"k"[..])));
        assert_eq!(errors[0].destination.topic, None, "a dead letter goes where its sink writes");
    }

    #[test]
    fn record_without_a_topic_is_an_error() {
        let got = run(|source, sink, rejected| {
            let (source, sink, rejected) = (source.clone(), sink.clone(), rejected.clone());
            Dataflow::new("records", move |flow| {
                let (routed, errors) = flow
                    .source("in", source.clone())
                    .to_topic(|record, topic| {
                        name_by(&String::from_utf8_lossy(record.value_or_empty()), topic);
                    })
                    .named("choose")
                    .split_errors();
                routed.sink("out", sink.clone());
                errors
                    .inspect(|error: &ErrorRecord| assert_eq!(&*error.step, "choose"))
                    .dead_letters("rejected", rejected.clone());
            })
        });
        check(&got);
        assert!(got[0].iter().all(|record| record.key.is_some() && record.headers.len() == 1));
    }

    #[test]
    fn item_without_a_topic_is_an_error() {
        let got = run(|source, sink, rejected| {
            let (source, sink, rejected) = (source.clone(), sink.clone(), rejected.clone());
            Dataflow::new("items", move |flow| {
                let (routed, errors) = flow
                    .source("in", source.clone())
                    .map(|record| String::from_utf8_lossy(record.value_or_empty()).into_owned())
                    .encode(|text, out| {
                        out.value(text.as_bytes());
                        Ok::<_, Infallible>(())
                    })
                    .to_topic_by(|text, topic| name_by(text, topic))
                    .split_errors();
                routed.sink("out", sink.clone());
                errors.dead_letters("rejected", rejected.clone());
            })
        });
        check(&got);
    }

    #[test]
    fn topic_of_its_own_stops_before_a_sink_to_one() {
        let broker = |routes: bool| {
            let source = TestSource::new(["a"]);
            let sink = if routes { TestSink::new() } else { TestSink::new().to_one_topic() };
            let to = sink.clone();
            let flow = Dataflow::new("refused", move |flow| {
                let to_topic = flow.source("in", source.clone()).to_topic(|_, t| t.push('x'));
                to_topic.errors_fail().sink("out", to.clone());
            });
            let outcome = Harness::start(&flow).and_then(|mut harness| harness.run_until_idle());
            (outcome.map_err(|error| error.report()), sink.records().len())
        };
        assert!(matches!(broker(true), (Ok(()), 1)));
        let (outcome, n_written) = broker(false);
        assert_eq!(n_written, 0);
        let told = outcome.err().unwrap();
        assert!(told.contains("it is to go to a topic of its own"), "{told}");
        assert!(told.contains("End the stream in a sink that routes"), "{told}");
    }
}
