//! The payload of an entry into a record batch.

use std::borrow::Cow;

use millstream_engine::batch::RecordWriter;

use super::super::protobuf::{Fields, Malformed, Value};
use super::keys::{self, BadKey};

/// The numbers of the fields that say a record, which differ between the two kinds of metadata.
#[derive(Debug)]
struct Numbers {
    properties: u32,
    partition_key: u32,
    event_time: u32,
    key_is_base64: u32,
    ordering_key: u32,
    null_value: u32,
    null_key: u32,
}

/// Those of `SingleMessageMetadata`, …
const BATCHED: Numbers = Numbers {
    properties: 1,
    partition_key: 2,
    event_time: 5,
    key_is_base64: 6,
    ordering_key: 7,
    null_value: 9,
    null_key: 10,
};
/// … which has these besides.
const PAYLOAD_SIZE: u32 = 3;
const COMPACTED_OUT: u32 = 4;

/// Those of `MessageMetadata`.
const UNBATCHED: Numbers = Numbers {
    properties: 4,
    partition_key: 6,
    event_time: 12,
    key_is_base64: 17,
    ordering_key: 18,
    null_value: 25,
    null_key: 30,
};

/// A record as it lies in an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'p> {
    /// Its place in the batch, acknowledged and compacted ones counted; 0 where there is no batch.
    pub(crate) index: u32,
    /// By which `Key_Shared` subscriptions chose the consumer, in place of the key.
    pub(crate) ordering_key: Option<&'p [u8]>,
    /// None is a null value, which is not an empty one.
    pub(crate) value: Option<&'p [u8]>,
    /// As it lies there: perhaps in base64.
    key: Option<&'p [u8]>,
    key_is_base64: bool,
    time: Option<i64>,
    has_properties: bool,
    metadata: &'p [u8],
    numbers: &'static Numbers,
}

impl<'p> Message<'p> {
    #[inline]
    fn new(metadata: &'p [u8], numbers: &'static Numbers) -> Self {
        Self {
            index: 0,
            ordering_key: None,
            value: None,
            key: None,
            key_is_base64: false,
            time: None,
            has_properties: false,
            metadata,
            numbers,
        }
    }

    /// Takes a field in; those that say nothing of a record are passed over.
    #[inline(always)]
    fn take(&mut self, number: u32, value: Value<'p>, flags: &mut Nulls) -> Result<(), Malformed> {
        let numbers = self.numbers;
        if number == numbers.properties {
            self.has_properties = value.bytes().and_then(property).map(|_| true)?;
        } else if number == numbers.partition_key {
            self.key = Some(value.bytes()?);
        } else if number == numbers.event_time {
            self.time = Some(value.number()?.cast_signed());
        } else if number == numbers.key_is_base64 {
            self.key_is_base64 = value.number()? != 0;
        } else if number == numbers.ordering_key {
            self.ordering_key = Some(value.bytes()?);
        } else if number == numbers.null_value {
            flags.value = value.number()? != 0;
        } else if number == numbers.null_key {
            flags.key = value.number()? != 0;
        }
        Ok(())
    }

    /// Gives it its value, and makes null what says so.
    #[inline]
    fn with_value(mut self, value: &'p [u8], nulls: Nulls) -> Self {
        self.value = (!nulls.value).then_some(value);
        self.key = self.key.filter(|_| !nulls.key);
        self
    }

    /// Writes key, value, headers and event time; `scratch` is memory for a key in base64, used again for the next one.
    ///
    /// # Errors
    /// [`BadKey`]; the record must not be finished then.
    #[inline]
    pub(crate) fn write_to(
        &self,
        writer: &mut RecordWriter<'_>,
        scratch: &mut Vec<u8>,
    ) -> Result<(), BadKey> {
        match self.key {
            Some(text) if self.key_is_base64 => {
                writer.key(keys::decode(text, scratch)?);
            }
            Some(key) => {
                writer.key(key);
            }
            None => {}
        }
        if let Some(value) = self.value {
            writer.value(value);
        }
        if let Some(time) = self.time {
            writer.time(time);
        }
        if self.has_properties {
            self.write_properties(writer);
        }
        Ok(())
    }

    fn write_properties(&self, writer: &mut RecordWriter<'_>) {
        let mut fields = Fields::new(self.metadata);
        // All of it was read once already, so that nothing is malformed.
        while let Ok(Some((number, value))) = fields.next() {
            if number != self.numbers.properties {
                continue;
            }
            if let Ok((name, text)) = value.bytes().and_then(property) {
                writer.header(&name, Some(text));
            }
        }
    }
}

/// What says of itself that it is null.
#[derive(Clone, Copy, Debug, Default)]
struct Nulls {
    value: bool,
    key: bool,
}

/// Name and value; a name that is not UTF-8 is made so, as Java does it.
fn property(message: &[u8]) -> Result<(Cow<'_, str>, &[u8]), Malformed> {
    let (mut name, mut text) = (&[][..], &[][..]);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => name = value.bytes()?,
            2 => text = value.bytes()?,
            _ => {}
        }
    }
    Ok((String::from_utf8_lossy(name), text))
}

/// The record of an entry that is no batch, of its metadata and its payload.
///
/// # Errors
/// [`Malformed`].
pub(crate) fn unbatched<'p>(
    metadata: &'p [u8],
    payload: &'p [u8],
) -> Result<Message<'p>, Malformed> {
    let mut message = Message::new(metadata, &UNBATCHED);
    let mut nulls = Nulls::default();
    let mut fields = Fields::new(metadata);
    while let Some((number, value)) = fields.next()? {
        message.take(number, value, &mut nulls)?;
    }
    Ok(message.with_value(payload, nulls))
}

/// A batch that cannot be read from some record on; those before it were good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadBatch {
    /// The first record that cannot be read.
    pub(crate) index: u32,
    /// The record's first byte in the payload.
    pub(crate) at: usize,
    pub(crate) why: &'static str,
}

/// Where reading a batch stands. It borrows nothing, so that a reader whose own batch is full goes on later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchCursor {
    index: u32,
    at: usize,
    n_messages: u32,
}

impl BatchCursor {
    /// At the first record of a batch whose metadata says that it has `n_messages`.
    pub(crate) fn new(n_messages: i32) -> Self {
        Self { index: 0, at: 0, n_messages: u32::try_from(n_messages).unwrap_or(0) }
    }

    /// The record that is read next: its place in the batch.
    #[cfg(test)]
    pub(crate) fn index(self) -> u32 {
        self.index
    }

    /// The next record that is neither acknowledged nor compacted out; none at the end.
    ///
    /// `payload` is that of the batch, decompressed. `ack_set` has a bit per record, set where it is not acknowledged yet; empty:
    /// none is.
    ///
    /// # Errors
    /// [`BadBatch`], for a record that is not whole, for one that the metadata counts and that is not there, and for bytes behind
    /// the last. The cursor stays where it is.
    #[inline]
    pub(crate) fn next<'p>(
        &mut self,
        payload: &'p [u8],
        ack_set: &[i64],
    ) -> Result<Option<Message<'p>>, BadBatch> {
        let bad = |cursor: Self, why| BadBatch { index: cursor.index, at: cursor.at, why };
        loop {
            let rest = payload.get(self.at..).unwrap_or_default();
            if self.index == self.n_messages {
                let is_all = rest.is_empty();
                return if is_all { Ok(None) } else { Err(bad(*self, "there is more behind it")) };
            }
            let read = read_one(rest).map_err(|why| bad(*self, why))?;
            let index = self.index;
            self.index += 1;
            self.at += read.n_bytes;
            if !read.is_compacted_out && is_wanted(ack_set, index) {
                return Ok(Some(Message { index, ..read.message }));
            }
        }
    }
}

#[inline]
fn is_wanted(ack_set: &[i64], index: u32) -> bool {
    let bit =
        |words: &[i64]| words.get(index as usize / 64).is_some_and(|w| w >> (index % 64) & 1 == 1);
    ack_set.is_empty() || bit(ack_set)
}

struct ReadOne<'p> {
    message: Message<'p>,
    is_compacted_out: bool,
    n_bytes: usize,
}

/// The record at the front of what is left of a payload.
#[inline]
fn read_one(rest: &[u8]) -> Result<ReadOne<'_>, &'static str> {
    const TRUNCATED: &str = "it ends before its last record does";
    let (length, behind) = rest.split_first_chunk::<4>().ok_or(TRUNCATED)?;
    let n_metadata = u32::from_be_bytes(*length) as usize;
    let (metadata, behind) = behind.split_at_checked(n_metadata).ok_or(TRUNCATED)?;
    let parsed =
        parse(metadata).or(Err("the metadata of a record is not what Pulsar's protocol says"))?;
    let value = behind.get(..parsed.n_value).ok_or(TRUNCATED)?;
    Ok(ReadOne {
        message: parsed.message.with_value(value, parsed.nulls),
        is_compacted_out: parsed.is_compacted_out,
        n_bytes: 4 + n_metadata + parsed.n_value,
    })
}

struct Parsed<'p> {
    message: Message<'p>,
    nulls: Nulls,
    n_value: usize,
    is_compacted_out: bool,
}

#[inline]
fn parse(metadata: &[u8]) -> Result<Parsed<'_>, Malformed> {
    let mut message = Message::new(metadata, &BATCHED);
    let (mut nulls, mut n_value, mut is_compacted_out) = (Nulls::default(), None, false);
    let mut fields = Fields::new(metadata);
    while let Some((number, value)) = fields.next()? {
        match number {
            PAYLOAD_SIZE => n_value = usize::try_from(value.number()?).ok(),
            COMPACTED_OUT => is_compacted_out = value.number()? != 0,
            _ => message.take(number, value, &mut nulls)?,
        }
    }
    let n_value = n_value.ok_or(Malformed)?;
    Ok(Parsed { message, nulls, n_value, is_compacted_out })
}
