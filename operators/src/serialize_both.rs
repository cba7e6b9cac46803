//! `serialize_both`: pairs into records, key and value each by a format of its own.

use millstream_engine::batch::RecordWriter;
use millstream_engine::format::{Presence, Serializer};
use millstream_engine::stage::{Chain, Cx};
use millstream_engine::{RecordStream, Stream};

use crate::encode::{Encode, NotWritten, WriteItem};
use crate::serialize::write_value;

/// `serialize_both` on streams of pairs.
pub trait SerializePairs<'s, K: 'static, V: 'static, C: Chain<(K, V)>> {
    /// Turns every pair into a record: its first half is the key, its second the value. The mirror of
    /// [`deserialize_both`](crate::DeserializeRecords::deserialize_both).
    ///
    /// Order kept · emits at once · no state. A half that its format writes as null is absent. A half that its format cannot
    /// write makes the pair an error with code `E0304`; the stream can fail afterwards. Works beyond boundaries too.
    ///
    /// # Examples
    /// ```
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
    /// let (source, sink) = (TestSource::new(["three"]), TestSink::new());
    /// let to = sink.clone();
    /// let flow = Dataflow::new("lengths", move |flow| {
    ///     flow.source("in", source.clone())
    ///         .map(|record| (record.value_or_empty().len(), 7))
    ///         .serialize_both(Decimal, Decimal)
    ///         .errors_fail()
    ///         .sink("out", to.clone());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// assert_eq!(sink.texts(), ["7"]);
    /// assert_eq!(sink.records()[0].key.as_deref(), Some(&b"5"[..]));
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn serialize_both<KeyFormat: Serializer<K>, ValueFormat: Serializer<V>>(
        self,
        key: KeyFormat,
        value: ValueFormat,
    ) -> SerializedBoth<'s, C, K, V, KeyFormat, ValueFormat>;
}

impl<'s, K: 'static, V: 'static, C: Chain<(K, V)>> SerializePairs<'s, K, V, C>
    for Stream<'s, (K, V), C>
{
    #[track_caller]
    fn serialize_both<KeyFormat: Serializer<K>, ValueFormat: Serializer<V>>(
        self,
        key: KeyFormat,
        value: ValueFormat,
    ) -> SerializedBoth<'s, C, K, V, KeyFormat, ValueFormat> {
        self.record_stage("serialize_both", |chain, step| {
            Encode::new(chain, BothWritten { key, value, scratch: Vec::new() }, step)
        })
    }
}

/// What `serialize_both` returns: a stream of records.
pub type SerializedBoth<'s, C, K, V, KeyFormat, ValueFormat> =
    RecordStream<'s, Encode<C, BothWritten<KeyFormat, ValueFormat>, (K, V)>>;

/// Writes key and value of a pair, each by a format.
#[derive(Debug)]
pub struct BothWritten<KeyFormat, ValueFormat> {
    key: KeyFormat,
    value: ValueFormat,
    /// The key at hand: a key that cannot be written must leave no bytes behind in the arena.
    scratch: Vec<u8>,
}

impl<K, V, KeyFormat, ValueFormat> WriteItem<(K, V)> for BothWritten<KeyFormat, ValueFormat>
where
    KeyFormat: Serializer<K>,
    ValueFormat: Serializer<V>,
{
    #[inline(always)]
    fn write(
        &mut self,
        _: Cx<'_>,
        (key, value): &(K, V),
        out: &mut RecordWriter<'_>,
    ) -> Result<(), NotWritten> {
        self.scratch.clear();
        match self.key.serialize(key, &mut self.scratch) {
            Ok(Presence::Present) => drop(out.key(&self.scratch)),
            Ok(Presence::Null) => {}
            Err(error) => return Err((["encode a key as ", self.key.format()].into(), error)),
        }
        write_value(&mut self.value, value, out)
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::testing::{Harness, TestSink, TestSource};
    use millstream_engine::{BoxError, Dataflow};

    use super::*;
    use crate::prelude::*;

    /// Writes text as it is, `null` as null, and refuses `bad` half way.
    struct Text;

    impl Serializer<&'static str> for Text {
        fn format(&self) -> &'static str {
            "text"
        }

        fn serialize(&mut self, item: &&str, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
            out.extend_from_slice(item.as_bytes());
            match *item {
                "null" => Ok(Presence::Null),
                "bad" => Err("it is bad".into()),
                _ => Ok(Presence::Present),
            }
        }
    }

    #[test]
    fn halves_are_written_and_null_is_not_empty() {
        let sink = TestSink::new();
        let to = sink.clone();
        let pairs = [("k", "v"), ("null", ""), ("", "null"), ("bad", "lost"), ("lost", "bad")];
        let flow = Dataflow::new("pairs", move |flow| {
            flow.source("in", TestSource::new(["x"]))
                .flat_map(move |_| pairs)
                .boxed()
                .serialize_both(Text, Text)
                .errors_drop()
                .sink("out", to.clone());
        });
        let mut harness = Harness::start(&flow).unwrap();
        harness.run_until_idle().unwrap();
        let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8(bytes).unwrap());
        let seen: Vec<_> =
            sink.records().into_iter().map(|r| [text(r.key), text(r.value)]).collect();
        let expected = [[Some("k"), Some("v")], [None, Some("")], [Some(""), None]];
        assert_eq!(seen, expected.map(|parts| parts.map(|part| part.map(str::to_owned))));
    }

    #[test]
    fn direct_style_names_the_half() {
        let stopped_by = |pair: (&'static str, &'static str)| {
            let flow = Dataflow::new("stops", move |flow| {
                flow.source("in", TestSource::new(["x"]))
                    .map(move |_| pair)
                    .serialize_both(Text, Text)
                    .errors_fail()
                    .sink("out", TestSink::new());
            });
            Harness::start(&flow).unwrap().run_until_idle().unwrap_err().to_string()
        };
        assert_eq!(stopped_by(("bad", "v")), "encode a key as text");
        assert_eq!(stopped_by(("k", "bad")), "encode an item as text");
    }
}
