//! What only some brokers say of a record beside its content: how often it came, when it was published, by whom, under which id.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a broker says of a run of neighbouring records. All of it is absent where the broker, or its connector, does not say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// How often the broker has handed the record out before; 0 the first time.
    pub redelivery_count: u32,
    /// When the producer handed it to the broker, in milliseconds since the Unix epoch; the record's own time is its event time.
    pub publish_time: Option<i64>,
    /// The producer's name.
    pub producer_name: Option<&'a str>,
    /// Where the broker keeps it.
    pub entry: Option<EntryId<'a>>,
}

impl Envelope<'_> {
    /// Whether the broker says nothing.
    pub fn is_none(&self) -> bool {
        *self == Envelope::default()
    }
}

/// The broker's own id of what holds a run of records, such as an entry of Pulsar's ledgers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryId<'a> {
    /// The id as the broker writes it, such as `12:7`.
    pub text: &'a str,
    /// Where the entry holds many records: the position that its first record has or would have. A record is then named by its
    /// distance from it, so positions in an entry must follow one another.
    pub first_position: Option<u64>,
}

/// The broker's own id of one record, for people who look for it at the broker: `12:7`, or `12:7:3` for the fourth record of an
/// entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordId<'a> {
    entry: &'a str,
    index: Option<u64>,
}

impl<'a> RecordId<'a> {
    pub(super) fn new(entry: EntryId<'a>, position: u64) -> Self {
        let index = entry.first_position.map(|first| position.saturating_sub(first));
        Self { entry: entry.text, index }
    }
}

impl fmt::Display for RecordId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "{}:{index}", self.entry),
            None => f.write_str(self.entry),
        }
    }
}

/// An [`Envelope`] of one record, with its ordering key, that owns its texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedEnvelope {
    /// How often the broker has handed the record out before; 0 the first time.
    pub redelivery_count: u32,
    /// When the producer handed it to the broker, in milliseconds since the Unix epoch.
    pub publish_time: Option<i64>,
    /// The producer's name.
    pub producer_name: Option<String>,
    /// What the broker orders and deals out by, where that is not the key.
    pub ordering_key: Option<Vec<u8>>,
    /// The broker's own id of the record.
    pub id: Option<String>,
}

impl OwnedEnvelope {
    /// The same, borrowed; the ordering key, which is the record's alone, is left out.
    pub fn as_ref(&self) -> Envelope<'_> {
        let entry = self.id.as_deref().map(|text| EntryId { text, first_position: None });
        Envelope {
            redelivery_count: self.redelivery_count,
            publish_time: self.publish_time,
            producer_name: self.producer_name.as_deref(),
            entry,
        }
    }
}
