//! Records into the payload of an entry.

use millstream_engine::batch::{Headers, Record};

#[cfg(test)]
use super::super::proto::{KeyValue, MessageMetadata};
use super::super::protobuf::{MAX_VARINT, put_bytes, put_number, put_sized, sized_size};
use super::keys;

/// The fields of `SingleMessageMetadata`, in the order in which they are written.
const PROPERTIES: u32 = 1;
const PARTITION_KEY: u32 = 2;
const PAYLOAD_SIZE: u32 = 3;
const EVENT_TIME: u32 = 5;
const KEY_IS_BASE64: u32 = 6;
const ORDERING_KEY: u32 = 7;
const NULL_VALUE: u32 = 9;

/// Of `KeyValue`.
const NAME: u32 = 1;
const VALUE: u32 = 2;

/// The metadata's length before it.
const LENGTH: usize = 4;

/// What of a record is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'r> {
    pub(crate) key: Option<&'r [u8]>,
    /// None is a null value, which is not an empty one.
    pub(crate) value: Option<&'r [u8]>,
    pub(crate) headers: Headers<'r>,
    /// Event time in milliseconds since the Unix epoch.
    pub(crate) time: Option<i64>,
    /// By which `Key_Shared` subscriptions choose the consumer, in place of the key.
    pub(crate) ordering_key: Option<&'r [u8]>,
}

impl<'r> From<Record<'r>> for Fields<'r> {
    #[inline]
    fn from(record: Record<'r>) -> Self {
        Self {
            key: record.key(),
            value: record.value(),
            headers: record.headers(),
            time: record.time(),
            ordering_key: record.ordering_key(),
        }
    }
}

/// What Pulsar cannot carry: its properties are text, and never null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unwritable {
    /// The header of this name is not UTF-8.
    HeaderIsNotText(String),
    /// The header of this name has no value.
    HeaderIsNull(String),
}

/// Bytes that a record takes in a batch at most.
#[cfg(test)]
pub(crate) fn size_of(record: &Fields<'_>) -> usize {
    let n_value = record.value.unwrap_or_default().len();
    // A key in base64 takes a third more and two bytes that say so; numbers take less than their maximum and two bytes of names.
    let bytes = |bytes: Option<&[u8]>| bytes.map_or(0, |b| keys::encoded_len(b.len()) + 6 + 2);
    // A header's own two lengths take 6 bytes in the engine's form; here up to 3 names and 3 lengths of 5 bytes.
    let n_headers = record.headers.clone().raw().count();
    let headers = record.headers.encoded().len() + n_headers * (3 + 3 * 5 - 6);
    LENGTH
        + 2 * (1 + MAX_VARINT)
        + 2
        + n_value
        + headers
        + bytes(record.key)
        + bytes(record.ordering_key)
}

/// Appends a record to the payload of a batch.
///
/// The payload stays below 2 GiB: that is the caller's bound to keep.
///
/// # Errors
/// [`Unwritable`]; `out` is then as it was.
#[inline]
pub(crate) fn append(out: &mut Vec<u8>, record: &Fields<'_>) -> Result<(), Unwritable> {
    let value = record.value.unwrap_or_default();
    out.reserve(LENGTH + 2 + MAX_VARINT + value.len());
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    let has_more = record.key.is_some()
        || record.time.is_some()
        || record.ordering_key.is_some()
        || !record.headers.is_empty();
    if has_more {
        if let Err(why) = put_headers(out, &record.headers) {
            out.truncate(start);
            return Err(why);
        }
        put_keys_and_time(out, record, value.len());
    } else {
        put_number(out, PAYLOAD_SIZE, value.len() as u64);
    }
    if record.value.is_none() {
        put_number(out, NULL_VALUE, 1);
    }
    let n_metadata = u32::try_from(out.len() - start - LENGTH).unwrap_or(u32::MAX);
    out[start..start + LENGTH].copy_from_slice(&n_metadata.to_be_bytes());
    out.extend_from_slice(value);
    Ok(())
}

/// What stands behind the properties, up to the flag of the null value.
fn put_keys_and_time(out: &mut Vec<u8>, record: &Fields<'_>, n_value: usize) {
    let is_text = record.key.is_none_or(|key| std::str::from_utf8(key).is_ok());
    match record.key {
        Some(key) if is_text => put_bytes(out, PARTITION_KEY, key),
        Some(key) => {
            put_sized(out, PARTITION_KEY, keys::encoded_len(key.len()));
            keys::encode(key, out);
        }
        None => {}
    }
    put_number(out, PAYLOAD_SIZE, n_value as u64);
    if let Some(time) = record.time {
        put_number(out, EVENT_TIME, time.cast_unsigned());
    }
    if !is_text {
        put_number(out, KEY_IS_BASE64, 1);
    }
    if let Some(ordering_key) = record.ordering_key {
        put_bytes(out, ORDERING_KEY, ordering_key);
    }
}

fn put_headers(out: &mut Vec<u8>, headers: &Headers<'_>) -> Result<(), Unwritable> {
    for (name, value) in headers.clone().raw() {
        let value = text(name, value)?;
        put_sized(out, PROPERTIES, sized_size(name.len()) + sized_size(value.len()));
        put_bytes(out, NAME, name);
        put_bytes(out, VALUE, value.as_bytes());
    }
    Ok(())
}

/// A header's value as a property has it.
#[inline]
fn text<'v>(name: &[u8], value: Option<&'v [u8]>) -> Result<&'v str, Unwritable> {
    let name = || String::from_utf8_lossy(name).into_owned();
    let value = value.ok_or_else(|| Unwritable::HeaderIsNull(name()))?;
    std::str::from_utf8(value).map_err(|_not_text| Unwritable::HeaderIsNotText(name()))
}

/// Puts what of a record is not its value into the metadata of an entry that is this record alone; the payload is its value.
///
/// # Errors
/// [`Unwritable`]; `metadata` is then as it was.
#[cfg(test)]
pub(crate) fn into_metadata(
    record: &Fields<'_>,
    metadata: &mut MessageMetadata,
) -> Result<(), Unwritable> {
    let property = |(name, value): (&[u8], Option<&[u8]>)| {
        let value = text(name, value)?.to_owned();
        Ok(KeyValue { key: String::from_utf8_lossy(name).into_owned(), value })
    };
    metadata.properties = record.headers.clone().raw().map(property).collect::<Result<_, _>>()?;
    let text = record.key.map(|key| str::from_utf8(key).map_err(|_not_text| key));
    metadata.partition_key_b64_encoded = matches!(text, Some(Err(_))).then_some(true);
    metadata.partition_key = text.map(|text| text.map_or_else(keys::encode_text, str::to_owned));
    metadata.event_time = record.time.map(i64::cast_unsigned);
    metadata.ordering_key = record.ordering_key.map(<[u8]>::to_vec);
    metadata.null_value = record.value.is_none().then_some(true);
    Ok(())
}
