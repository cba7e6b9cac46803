//! A record of its own, for tests, dead letters and whoever keeps one.

use serde::{Deserialize, Serialize};

use super::{Origin, OwnedDestination, OwnedEnvelope};

/// A record that owns its bytes. For the hot path there is [`super::Record`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedRecord {
    /// The key; `None` is no key.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a null value.
    pub value: Option<Vec<u8>>,
    /// Names and values, in order; a value may be null.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Event time in milliseconds since the Unix epoch.
    pub time: Option<i64>,
    /// Where the record stands in its partition; readers set it, writers ignore it.
    pub position: u64,
    /// Where it came from.
    pub origin: Option<Origin>,
    /// Where it is to go, where it says so.
    pub destination: OwnedDestination,
    /// What only some brokers say of it; readers set it, writers may ignore it.
    pub envelope: Option<Box<OwnedEnvelope>>,
}

impl OwnedRecord {
    /// A record with a value and nothing else.
    pub fn of(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    /// The same with a key.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The same with one header more.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), Some(value.into())));
        self
    }

    /// The same, to go to `topic`.
    #[must_use]
    pub fn with_topic(mut self, topic: impl Into<String>) -> Self {
        self.destination.topic = Some(topic.into());
        self
    }

    /// The same, to go to this partition of its topic.
    #[must_use]
    pub fn with_partition(mut self, partition: u32) -> Self {
        self.destination.partition = Some(partition);
        self
    }

    /// The same, standing at a position that was written as text: a number, or else the broker's own id of the record.
    pub(crate) fn at(mut self, position: &str) -> Self {
        match position.parse() {
            Ok(number) => self.position = number,
            Err(_no_number) => {
                self.envelope.get_or_insert_default().id = Some(position.to_owned());
            }
        }
        self
    }

    /// The value as text, where it is present and UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.value.as_deref()?).ok()
    }
}

/// A value.
impl From<&str> for OwnedRecord {
    fn from(value: &str) -> Self {
        Self::of(value)
    }
}

/// A value.
impl From<String> for OwnedRecord {
    fn from(value: String) -> Self {
        Self::of(value)
    }
}

/// A value.
impl From<&[u8]> for OwnedRecord {
    fn from(value: &[u8]) -> Self {
        Self::of(value)
    }
}

/// A value.
impl From<Vec<u8>> for OwnedRecord {
    fn from(value: Vec<u8>) -> Self {
        Self::of(value)
    }
}

/// A key and a value.
impl<K: Into<Vec<u8>>, V: Into<Vec<u8>>> From<(K, V)> for OwnedRecord {
    fn from((key, value): (K, V)) -> Self {
        Self::of(value).with_key(key)
    }
}
