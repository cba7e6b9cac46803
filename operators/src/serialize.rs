//! `serialize`, `serialize_keyed`, `serialize_unkeyed`: items into records, the value by a format. `serialize_both` for pairs is in
//! a file of its own.
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
pub(crate) fn write_value<T>(
    format: &mut impl Serializer<T>,
    item: &T,
    out: &mut RecordWriter<'_>,
) -> Result<(), NotWritten> {
    match format.serialize(item, out.value_buffer()) {
        Ok(Presence::Present) => out.end_value(),
        Ok(Presence::Null) => out.null_value(),
        Err(error) => return Err((["encode an item as ", format.format()].into(), error)),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use millstream_engine::batch::OwnedRecord;
    use millstream_engine::testing::{Harness, TestSink, TestSource};
    use millstream_engine::{BoxError, Dataflow, ErrorKind, ErrorRecord};

    use super::*;
    use crate::prelude::*;

    /// Writes text as it is, `null` as a null value, and refuses `bad` half way.
    struct Text;

    impl Serializer<String> for Text {
        fn format(&self) -> &'static str {
            "text"
        }

        fn serialize(&mut self, item: &String, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
            out.extend_from_slice(item.as_bytes());
            match item.as_str() {
                "null" => Ok(Presence::Null),
                "bad" => Err("it is bad".into()),
                _ => Ok(Presence::Present),
            }
        }
    }

    fn source() -> TestSource {
        TestSource::new([
            OwnedRecord::of("a").with_key("k").with_header("h", "lost"),
            OwnedRecord::of("bad").with_key("k"),
            OwnedRecord::of("null").with_key(""),
            OwnedRecord::of(""),
        ])
    }

    fn text(record: Record<'_>) -> String {
        String::from_utf8_lossy(record.value_or_empty()).into_owned()
    }

    fn written(build: impl Fn(&TestSink) -> Dataflow) -> Vec<[Option<String>; 2]> {
        let sink = TestSink::new();
        let mut harness = Harness::start(&build(&sink)).unwrap();
        harness.run_until_idle().unwrap();
        let records = sink.records();
        assert!(records.iter().all(|r| r.headers.is_empty()));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let parts = records.into_iter().map(|r| [r.key, r.value]);
        parts.map(|parts| parts.map(|part| part.map(text))).collect()
    }

    #[test]
    fn origin_key_null_and_empty_are_kept_apart() {
        let seen = written(|sink| {
            let sink = sink.clone();
            Dataflow::new("kept", move |flow| {
                flow.source("in", source())
                    .map(text)
                    .serialize(Text)
                    .errors_drop()
                    .sink("out", sink.clone());
            })
        });
        let expected = [[Some("k"), Some("a")], [Some(""), None], [None, Some("")]];
        assert_eq!(seen, expected.map(|parts| parts.map(|part| part.map(str::to_owned))));
    }

    #[test]
    fn key_comes_from_where_the_program_says() {
        let seen = written(|sink| {
            let sink = sink.clone();
            Dataflow::new("keyed", move |flow| {
                let (keyed, unkeyed) = flow.source("in", source()).map(text).fork();
                keyed
                    .serialize_keyed(Text, |item| (item != "null").then(|| item.to_uppercase()))
                    .errors_drop()
                    .sink("keyed", sink.clone());
                unkeyed
                    .filter(|item| item == "a")
                    .serialize_unkeyed(Text)
                    .errors_drop()
                    .sink("unkeyed", sink.clone());
            })
        });
        let expected =
            [[Some("A"), Some("a")], [None, None], [Some(""), Some("")], [None, Some("a")]];
        assert_eq!(seen, expected.map(|parts| parts.map(|part| part.map(str::to_owned))));
    }

    #[test]
    fn item_that_cannot_be_written_is_an_error_with_its_record() {
        let sink = TestSink::new();
        let to = sink.clone();
        let flow = Dataflow::new("bad", move |flow| {
            let (good, errors) =
                flow.source("in", source()).map(text).serialize(Text).named("write").split_errors();
            good.map(text).discard();
            errors
                .inspect(|error: &ErrorRecord| {
                    assert_eq!((&*error.code, &*error.step), ("E0304", "write"));
                })
                .dead_letters("rejected", to.clone());
        });
        Harness::start(&flow).unwrap().run_until_idle().unwrap();
        let rejected = sink.records();
        assert_eq!(sink.texts(), ["bad"]);
        assert_eq!(rejected[0].key.as_deref(), Some(&b"k"[..]));
        let header = |name: &str| {
            let found = rejected[0].headers.iter().find(|(n, _)| n == name);
            found.and_then(|(_, value)| String::from_utf8(value.clone()?).ok())
        };
        assert_eq!(header("millstream-error").as_deref(), Some("it is bad"));
        assert_eq!(header("millstream-position").as_deref(), Some("1"));
    }

    #[test]
    fn direct_style_names_the_format() {
        let flow = Dataflow::new("stops", move |flow| {
            flow.source("in", source())
                .map(text)
                .serialize(Text)
                .errors_fail()
                .sink("out", TestSink::new());
        });
        let error = Harness::start(&flow).unwrap().run_until_idle().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadItem);
        assert_eq!(error.to_string(), "encode an item as text");
        assert_eq!(error.place().position.as_deref(), Some("1"));
    }
}
