//! `encode`: items into records, every part of the record written by a closure; and the stage that `serialize` shares with it.

use std::marker::PhantomData;

use millstream_engine::batch::RecordWriter;
use millstream_engine::error::{Code, codes};
use millstream_engine::stage::{
    CanFail, Chain, Cx, Emit, EmitRecord, Failure, Head, RecordChain, StepId, What, guard,
};
use millstream_engine::{BoxError, RecordStream, Stream};

use crate::to_topic::NoTopic;

/// `encode` on streams of items.
pub trait EncodeItems<'s, T: 'static, C: Chain<T>> {
    /// Writes every item as a record: key, value, headers, time, topic and partition are what `write` says, and absent where it
    /// says nothing.
    ///
    /// Order kept · emits at once · no state. The bytes go straight to the output's arena. Where `write` returns an error the
    /// record leaves no trace and the item is an error with code `E0304`; the stream can fail afterwards.
    ///
    /// # Examples
    /// ```
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
    ///             out.key(b"length");
    ///             out.value_buffer().extend_from_slice(length.to_string().as_bytes());
    ///             out.end_value().time(1_700_000_000_000).header("unit", Some(b"bytes"));
    ///             Ok::<_, std::num::TryFromIntError>(())
    ///         })
    ///         .errors_fail()
    ///         .sink("out", to.clone());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// assert_eq!(sink.texts(), ["3", "5"]);
    /// assert_eq!(sink.records()[0].key.as_deref(), Some(&b"length"[..]));
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn encode<
        X: Into<BoxError> + 'static,
        F: FnMut(&T, &mut RecordWriter<'_>) -> Result<(), X> + 'static,
    >(
        self,
        write: F,
    ) -> RecordStream<'s, Encode<C, Written<F, X>, T>>;
}

impl<'s, T: 'static, C: Chain<T>> EncodeItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn encode<
        X: Into<BoxError> + 'static,
        F: FnMut(&T, &mut RecordWriter<'_>) -> Result<(), X> + 'static,
    >(
        self,
        write: F,
    ) -> RecordStream<'s, Encode<C, Written<F, X>, T>> {
        self.record_stage("encode", |chain, step| {
            Encode::new(chain, Written(write, PhantomData), step)
        })
    }
}

/// What could not be written, to follow "failed to", and why.
pub type NotWritten = (What, BoxError);

/// Writes an item of type `T` as a record.
pub trait WriteItem<T>: 'static {
    /// Writes one item; `cx` has the record it came from, where that is at hand.
    ///
    /// # Errors
    /// Why the item cannot be written.
    fn write(&mut self, cx: Cx<'_>, item: &T, out: &mut RecordWriter<'_>)
    -> Result<(), NotWritten>;
}

/// Writes records as a closure says.
#[derive(Debug)]
pub struct Written<F, X>(F, PhantomData<fn() -> X>);

impl<T, X, F> WriteItem<T> for Written<F, X>
where
    X: Into<BoxError> + 'static,
    F: FnMut(&T, &mut RecordWriter<'_>) -> Result<(), X> + 'static,
{
    #[inline(always)]
    fn write(&mut self, _: Cx<'_>, item: &T, out: &mut RecordWriter<'_>) -> Result<(), NotWritten> {
        (self.0)(item, out).map_err(|error| ("encode an item".into(), error.into()))
    }
}

/// The stage that `encode`, `serialize` and its variants add to a chain of items.
#[derive(Debug)]
pub struct Encode<C, W, T> {
    chain: C,
    write: W,
    step: StepId,
    item: PhantomData<fn() -> T>,
}

impl<C, W, T> Encode<C, W, T> {
    pub(crate) fn new(chain: C, write: W, step: StepId) -> Self {
        Self { chain, write, step, item: PhantomData }
    }

    /// The same stage with another way to write, which `step` stands for.
    pub(crate) fn written_by<V>(self, step: StepId, by: impl FnOnce(W) -> V) -> Encode<C, V, T> {
        Encode::new(self.chain, by(self.write), step)
    }
}

struct EncodeEmit<'e, W, E> {
    write: &'e mut W,
    step: StepId,
    out: &'e mut E,
}

impl<T, W: WriteItem<T>, E: EmitRecord> Emit<T> for EncodeEmit<'_, W, E> {
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, item: T) {
        let (write, step) = (&mut *self.write, self.step);
        self.out.write(cx, |writer| {
            guard(step, || write.write(cx, &item, writer))
                .map_err(|(what, error)| Failure::with_code(step, code_of(&error), what, error))
        });
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

#[cold]
fn code_of(error: &BoxError) -> Code {
    if error.is::<NoTopic>() { codes::NO_TOPIC } else { codes::BAD_ENCODING }
}

impl<T: 'static, C: Chain<T>, W: WriteItem<T>> RecordChain for Encode<C, W, T> {
    type Head = C::Head;
    type Errors = CanFail;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: EmitRecord>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        self.chain.drive(batch, &mut EncodeEmit { write: &mut self.write, step: self.step, out });
    }
}
