//! `serialize`, `serialize_keyed`, `serialize_unkeyed`: items into records, the value by a format.
//!
//! Invariant: the program says where the key comes from; a key is never lost in silence.

use std::marker::PhantomData;

use millstream_engine::batch::{Record, RecordWriter};
use millstream_engine::format::{Presence, Serializer};
use millstream_engine::stage::{Chain, Cx, HasOrigin};
use millstream_engine::{RecordStream, Stream};

use crate::encode::{Encode, NotWritten, WriteItem};

/// `serialize` and its variants on streams of items.
pub trait SerializeItems<'s, T: 'static, C: Chain<T>> {
    /// Turns every item into a record: the value by `format`, the key of the record that the item came from.
    ///
    /// Order kept · emits at once · no state. Time and headers of the record it came from are not carried over; with
    /// [`encode`](crate::EncodeItems::encode) a program writes what its items carry. The value goes straight to the output's
    /// arena. An item that `format` cannot write is an error with code `E0304`; the stream can fail afterwards. Beyond a
    /// boundary an item no longer has a record it came from, and `serialize` does not compile: the variants say the key.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::batch::OwnedRecord;
    /// use millstream_engine::format::{Presence, Serializer};
    /// use millstream_engine::testing::{Harness, TestSink, TestSource};
    /// use millstream_engine::{BoxError, Dataflow};
    /// use millstream_operators::prelude::*;
    ///
    /// struct Decimal;
    ///
    /// impl Serializer<usize> for Decimal {
    ///     fn format(&self) -> &'static str {
    ///         "a decimal number"
    ///     }
    ///
    ///     fn serialize(&mut self, item: &usize, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
    ///         out.extend_from_slice(item.to_string().as_bytes());
    ///         Ok(Presence::Present)
    ///     }
    /// }
    ///
    /// let source = TestSource::new([OwnedRecord::of("three").with_key("k")]);
    /// let sink = TestSink::new();
    /// let to = sink.clone();
    /// let flow = Dataflow::new("lengths", move |flow| {
    ///     flow.source("in", source.clone())
    ///         .map(|record| record.value_or_empty().len())
    ///         .serialize(Decimal)
    ///         .errors_fail()
    ///         .sink("out", to.clone());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// assert_eq!(sink.texts(), ["5"]);
    /// assert_eq!(sink.records()[0].key.as_deref(), Some(&b"k"[..]));
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn serialize<S: Serializer<T>>(
        self,
        format: S,
    ) -> RecordStream<'s, Encode<C, OriginKeyed<S>, T>>
    where
        C::Origin: HasOrigin;

    /// Turns every item into a record: the value by `format`, the key as `key` says; `None` is a record without a key.
    ///
    /// Otherwise as [`serialize`](SerializeItems::serialize). The key is anything that owns bytes, such as `Vec<u8>`, `String`
    /// or `[u8; 8]`; to write a key borrowed from the item use [`encode`](crate::EncodeItems::encode).
    fn serialize_keyed<
        S: Serializer<T>,
        K: AsRef<[u8]> + 'static,
        F: FnMut(&T) -> Option<K> + 'static,
    >(
        self,
        format: S,
        key: F,
    ) -> RecordStream<'s, Encode<C, Keyed<S, F, K>, T>>;

    /// Turns every item into a record without a key: the value by `format`.
    ///
    /// Otherwise as [`serialize`](SerializeItems::serialize).
    fn serialize_unkeyed<S: Serializer<T>>(
        self,
        format: S,
    ) -> RecordStream<'s, Encode<C, Unkeyed<S>, T>>;
}

impl<'s, T: 'static, C: Chain<T>> SerializeItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn serialize<S: Serializer<T>>(
        self,
        format: S,
    ) -> RecordStream<'s, Encode<C, OriginKeyed<S>, T>>
    where
        C::Origin: HasOrigin,
    {
        self.record_stage("serialize", |chain, step| Encode::new(chain, OriginKeyed(format), step))
    }

    #[track_caller]
    fn serialize_keyed<
        S: Serializer<T>,
        K: AsRef<[u8]> + 'static,
        F: FnMut(&T) -> Option<K> + 'static,
    >(
        self,
        format: S,
        key: F,
    ) -> RecordStream<'s, Encode<C, Keyed<S, F, K>, T>> {
        self.record_stage("serialize_keyed", |chain, step| {
            Encode::new(chain, Keyed(format, key, PhantomData), step)
        })
    }

    #[track_caller]
    fn serialize_unkeyed<S: Serializer<T>>(
        self,
        format: S,
    ) -> RecordStream<'s, Encode<C, Unkeyed<S>, T>> {
        self.record_stage("serialize_unkeyed", |chain, step| {
            Encode::new(chain, Unkeyed(format), step)
        })
    }
}

/// Keeps the key of the record the item came from.
#[derive(Debug)]
pub struct OriginKeyed<S>(S);

/// Takes the key from a closure.
#[derive(Debug)]
pub struct Keyed<S, F, K>(S, F, PhantomData<fn() -> K>);

/// Writes no key.
#[derive(Debug)]
pub struct Unkeyed<S>(S);

impl<T, S: Serializer<T>> WriteItem<T> for OriginKeyed<S> {
    #[inline(always)]
    fn write(
        &mut self,
        cx: Cx<'_>,
        item: &T,
        out: &mut RecordWriter<'_>,
    ) -> Result<(), NotWritten> {
        if let Some(key) = cx.record().and_then(Record::key) {
            out.key(key);
        }
        write_value(&mut self.0, item, out)
    }
}

impl<T, S, F, K> WriteItem<T> for Keyed<S, F, K>
where
    S: Serializer<T>,
    K: AsRef<[u8]> + 'static,
    F: FnMut(&T) -> Option<K> + 'static,
{
    #[inline(always)]
    fn write(&mut self, _: Cx<'_>, item: &T, out: &mut RecordWriter<'_>) -> Result<(), NotWritten> {
        if let Some(key) = (self.1)(item) {
            out.key(key.as_ref());
        }
        write_value(&mut self.0, item, out)
    }
}

impl<T, S: Serializer<T>> WriteItem<T> for Unkeyed<S> {
    #[inline(always)]
    fn write(&mut self, _: Cx<'_>, item: &T, out: &mut RecordWriter<'_>) -> Result<(), NotWritten> {
        write_value(&mut self.0, item, out)
    }
}

#[inline(always)]
fn write_value<T>(
    format: &mut impl Serializer<T>,
    item: &T,
    out: &mut RecordWriter<'_>,
) -> Result<(), NotWritten> {
    match format.serialize(item, out.value_buffer()) {
        Ok(Presence::Present) => out.end_value(),
        Ok(Presence::Null) => out.null_value(),
        Err(error) => {
            let what = format!("encode an item as {}", format.format());
            return Err((what.into(), error));
        }
    };
    Ok(())
}
