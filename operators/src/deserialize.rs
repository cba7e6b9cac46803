//! `deserialize`, `deserialize_key`, `deserialize_both`: records into items of the program's own type, by a format.

use std::marker::PhantomData;

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::error::codes;
use millstream_engine::format::Deserializer;
use millstream_engine::stage::{
    CanFail, Chain, Cx, Emit, Failure, Head, Look, Looking, RecordChain, StepId, What, guard,
};
use millstream_engine::{BoxError, RecordStream, Stream};

/// `deserialize` and its variants on streams of records.
pub trait DeserializeRecords<'s, C: RecordChain> {
    /// Turns every record's value into an item.
    ///
    /// Order kept · emits at once · no state. A record whose value does not decode, or is null where the format takes no null,
    /// is an error with code `E0301`, the record's bytes and its origin; the stream can fail afterwards.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::format::Deserializer;
    /// use millstream_engine::testing::{Harness, TestSource};
    /// use millstream_engine::{BoxError, Dataflow};
    /// use millstream_operators::prelude::*;
    /// use std::sync::mpsc;
    ///
    /// struct Decimal;
    ///
    /// impl Deserializer<i64> for Decimal {
    ///     fn format(&self) -> &'static str {
    ///         "a decimal number"
    ///     }
    ///
    ///     fn deserialize(&mut self, bytes: Option<&[u8]>) -> Result<i64, BoxError> {
    ///         Ok(std::str::from_utf8(bytes.ok_or("the value is null")?)?.parse()?)
    ///     }
    /// }
    ///
    /// let source = TestSource::new(["17", "x"]);
    /// let (send, seen) = mpsc::channel();
    /// let flow = Dataflow::new("numbers", move |flow| {
    ///     let (good, bad) = (send.clone(), send.clone());
    ///     let (numbers, errors) = flow.source("in", source.clone()).deserialize(Decimal).split_errors();
    ///     numbers.for_each(move |n| good.send(n.to_string()).unwrap());
    ///     errors.for_each(move |e| bad.send(format!("{} {}", e.code, e.error)).unwrap());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// let mut seen: Vec<_> = seen.try_iter().collect();
    /// seen.sort();
    /// assert_eq!(seen, ["17", "E0301 invalid digit found in string"]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn deserialize<T: 'static, D: Deserializer<T>>(
        self,
        format: D,
    ) -> Stream<'s, T, Deserialize<C, FromValue<D>, T>>;

    /// Turns every record's key into an item; the value is not looked at.
    ///
    /// Otherwise as [`deserialize`](DeserializeRecords::deserialize).
    fn deserialize_key<T: 'static, D: Deserializer<T>>(
        self,
        format: D,
    ) -> Stream<'s, T, Deserialize<C, FromKey<D>, T>>;

    /// Turns every record into its key and its value, each by a format of its own.
    ///
    /// Otherwise as [`deserialize`](DeserializeRecords::deserialize).
    fn deserialize_both<
        K: 'static,
        V: 'static,
        KeyFormat: Deserializer<K>,
        ValueFormat: Deserializer<V>,
    >(
        self,
        key: KeyFormat,
        value: ValueFormat,
    ) -> DeserializedBoth<'s, C, K, V, KeyFormat, ValueFormat>;
}

impl<'s, C: RecordChain> DeserializeRecords<'s, C> for RecordStream<'s, C> {
    #[track_caller]
    fn deserialize<T: 'static, D: Deserializer<T>>(
        self,
        format: D,
    ) -> Stream<'s, T, Deserialize<C, FromValue<D>, T>> {
        self.stage("deserialize", |chain, step| Deserialize::new(chain, FromValue(format), step))
    }

    #[track_caller]
    fn deserialize_key<T: 'static, D: Deserializer<T>>(
        self,
        format: D,
    ) -> Stream<'s, T, Deserialize<C, FromKey<D>, T>> {
        self.stage("deserialize_key", |chain, step| Deserialize::new(chain, FromKey(format), step))
    }

    #[track_caller]
    fn deserialize_both<
        K: 'static,
        V: 'static,
        KeyFormat: Deserializer<K>,
        ValueFormat: Deserializer<V>,
    >(
        self,
        key: KeyFormat,
        value: ValueFormat,
    ) -> DeserializedBoth<'s, C, K, V, KeyFormat, ValueFormat> {
        self.stage("deserialize_both", |chain, step| {
            Deserialize::new(chain, FromBoth(key, value), step)
        })
    }
}

/// What `deserialize_both` returns: a stream of pairs.
pub type DeserializedBoth<'s, C, K, V, KeyFormat, ValueFormat> =
    Stream<'s, (K, V), Deserialize<C, FromBoth<KeyFormat, ValueFormat>, (K, V)>>;

/// What could not be read, to follow "failed to", and why.
pub type NotRead = (What, BoxError);

/// Reads an item of type `T` from the parts of a record.
pub trait FromRecord<T>: 'static {
    /// Reads one item.
    ///
    /// # Errors
    /// What could not be read, to follow "failed to", and why.
    fn read(&mut self, record: Record<'_>) -> Result<T, NotRead>;
}

/// Reads an item from the value.
#[derive(Debug)]
pub struct FromValue<D>(D);

/// Reads an item from the key.
#[derive(Debug)]
pub struct FromKey<D>(D);

/// Reads an item from key and value.
#[derive(Debug)]
pub struct FromBoth<K, V>(K, V);

impl<T, D: Deserializer<T>> FromRecord<T> for FromValue<D> {
    #[inline(always)]
    fn read(&mut self, record: Record<'_>) -> Result<T, NotRead> {
        decode("decode a record as ", &mut self.0, record.value())
    }
}

impl<T, D: Deserializer<T>> FromRecord<T> for FromKey<D> {
    #[inline(always)]
    fn read(&mut self, record: Record<'_>) -> Result<T, NotRead> {
        decode("decode a key as ", &mut self.0, record.key())
    }
}

impl<K, V, KeyFormat, ValueFormat> FromRecord<(K, V)> for FromBoth<KeyFormat, ValueFormat>
where
    KeyFormat: Deserializer<K>,
    ValueFormat: Deserializer<V>,
{
    #[inline(always)]
    fn read(&mut self, record: Record<'_>) -> Result<(K, V), NotRead> {
        let key = decode("decode a key as ", &mut self.0, record.key())?;
        Ok((key, decode("decode a record as ", &mut self.1, record.value())?))
    }
}

#[inline(always)]
fn decode<T>(
    what: &'static str,
    format: &mut impl Deserializer<T>,
    bytes: Option<&[u8]>,
) -> Result<T, NotRead> {
    format.deserialize(bytes).map_err(|error| ([what, format.format()].into(), error))
}

/// The stage that `deserialize` and its variants add to a chain of records.
#[derive(Debug)]
pub struct Deserialize<C, D, T> {
    chain: C,
    from: D,
    step: StepId,
    scratch: RecordBatch,
    item: PhantomData<fn() -> T>,
}

impl<C, D, T> Deserialize<C, D, T> {
    fn new(chain: C, from: D, step: StepId) -> Self {
        Self { chain, from, step, scratch: RecordBatch::default(), item: PhantomData }
    }
}

struct DeserializeLook<'e, D, E, T> {
    from: &'e mut D,
    step: StepId,
    out: &'e mut E,
    item: PhantomData<fn() -> T>,
}

impl<T, D: FromRecord<T>, E: Emit<T>> Look for DeserializeLook<'_, D, E, T> {
    #[inline(always)]
    fn look(&mut self, cx: Cx<'_>, record: Record<'_>) {
        match guard(self.step, || self.from.read(record)) {
            Ok(item) => self.out.ok(cx, item),
            Err((what, error)) => {
                let failure = Failure::with_code(self.step, codes::BAD_RECORD, what, error);
                self.out.err(cx, failure);
            }
        }
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

impl<T: 'static, C: RecordChain, D: FromRecord<T>> Chain<T> for Deserialize<C, D, T> {
    type Head = C::Head;
    type Errors = CanFail;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: Emit<T>>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        let look =
            DeserializeLook { from: &mut self.from, step: self.step, out, item: PhantomData };
        let mut looking = Looking::new(look, &mut self.scratch);
        self.chain.drive(batch, &mut looking);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use millstream_engine::batch::OwnedRecord;
    use millstream_engine::testing::{Harness, TestSource};
    use millstream_engine::{Dataflow, ErrorKind};

    use super::*;

    /// The length of what is present; bytes that are no text are refused.
    struct Length;

    impl Deserializer<Option<usize>> for Length {
        fn format(&self) -> &'static str {
            "text"
        }

        fn deserialize(&mut self, bytes: Option<&[u8]>) -> Result<Option<usize>, BoxError> {
            let text = bytes.map(std::str::from_utf8).transpose()?;
            Ok(text.map(str::len))
        }
    }

    #[test]
    fn key_and_value_are_read_and_null_is_not_empty() {
        let source = TestSource::new([OwnedRecord::of("abc").with_key(""), OwnedRecord::default()]);
        let (send, seen) = channel();
        let flow = Dataflow::new("lengths", move |flow| {
            let (keys, pairs) = (send.clone(), send.clone());
            let source = source.clone();
            flow.source("keys", source.clone())
                .deserialize_key(Length)
                .errors_fail()
                .for_each(move |key| keys.send((key, None)).unwrap());
            flow.source("pairs", source)
                .deserialize_both(Length, Length)
                .errors_fail()
                .for_each(move |pair| pairs.send(pair).unwrap());
        });
        Harness::start(&flow).unwrap().run_until_idle().unwrap();
        let mut seen: Vec<_> = seen.try_iter().collect();
        seen.sort_unstable();
        let expected = [(None, None), (None, None), (Some(0), None), (Some(0), Some(3))];
        assert_eq!(seen, expected);
    }

    #[test]
    fn direct_style_names_part_and_format() {
        let stopped_by = |record: OwnedRecord| {
            let flow = Dataflow::new("stops", move |flow| {
                flow.source("in", TestSource::new([OwnedRecord::of("fine"), record.clone()]))
                    .deserialize_both(Length, Length)
                    .named("parse")
                    .errors_fail()
                    .discard();
            });
            Harness::start(&flow).unwrap().run_until_idle().unwrap_err()
        };
        let error = stopped_by(OwnedRecord::of([0xff]));
        assert_eq!(error.kind(), ErrorKind::BadItem);
        assert_eq!(error.code(), codes::BAD_RECORD);
        assert_eq!(error.to_string(), "decode a record as text");
        assert_eq!(error.place().step.as_deref(), Some("parse"));
        assert_eq!(error.place().position.as_deref(), Some("1"));
        let of_key = stopped_by(OwnedRecord::of("fine").with_key([0xff]));
        assert_eq!(of_key.to_string(), "decode a key as text");
    }
}
