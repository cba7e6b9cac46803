//! Where messages stand, and where reading resumes.
//!
//! Invariant: a resume position says how far everything is done, never what comes next: only the broker knows which entry follows
//! another, because each may be the last of its ledger.

use std::fmt;
use std::str::FromStr;

use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::source::{Partition, ResumePosition};
use serde::{Deserialize, Serialize};

use crate::wire::proto::MessageIdData;

/// Bits of a record's position that are the message's place in its batch, …
const INDEX_BITS: u32 = 14;
/// … and those that are the number of its entry; the rest are the number of the ledger.
const ENTRY_BITS: u32 = 22;

/// Where a message stands in its partition, as Pulsar names it: ledger, entry, and the place within a batch.
///
/// Written `LEDGER:ENTRY`, or `LEDGER:ENTRY:INDEX` for a message of a batch.
///
/// # Examples
/// ```
/// use millstream_pulsar::MessageId;
///
/// let id: MessageId = "12:5:3".parse()?;
/// assert_eq!(id, MessageId { ledger: 12, entry: 5, index: Some(3) });
/// assert_eq!(id.to_string(), "12:5:3");
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageId {
    /// The ledger.
    pub ledger: u64,
    /// The entry of the ledger.
    pub entry: u64,
    /// The place in the batch that the entry is; absent: the whole entry.
    pub index: Option<u32>,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ledger, self.entry)?;
        self.index.map_or(Ok(()), |index| write!(f, ":{index}"))
    }
}

impl FromStr for MessageId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::config(format!("read the message id \"{text}\""))
                .with_hint("It is `LEDGER:ENTRY` or `LEDGER:ENTRY:INDEX`, all of them numbers.")
        };
        let mut parts = text.splitn(3, ':');
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
        let (ledger, entry) = (number().ok_or_else(bad)?, number().ok_or_else(bad)?);
        let index = parts.next().map(|index| index.parse().ok().ok_or_else(bad)).transpose()?;
        Ok(Self { ledger, entry, index })
    }
}

/// An entry of a partition, in the order of the partition. Entry -1 stands before the first of its ledger, ledger -1 before all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EntryId {
    pub(crate) ledger: i64,
    pub(crate) entry: i64,
}

impl EntryId {
    /// Before everything.
    pub(crate) const START: Self = Self { ledger: -1, entry: -1 };

    pub(crate) fn of(id: &MessageIdData) -> Self {
        Self { ledger: id.ledger_id.cast_signed(), entry: id.entry_id.cast_signed() }
    }

    /// As the protocol has it.
    pub(crate) fn to_proto(self) -> MessageIdData {
        MessageIdData {
            ledger_id: self.ledger.cast_unsigned(),
            entry_id: self.entry.cast_unsigned(),
            ..MessageIdData::default()
        }
    }

    /// The position of a record, in one number: it grows along a partition. Of ledger, entry and index the lowest 28, 22 and 14 bits
    /// are kept: enough to tell records apart for people; what reading resumes by is [`Position`].
    #[inline]
    pub(crate) fn number_of(self, index: u32) -> u64 {
        let ledger = self.ledger.cast_unsigned() << (ENTRY_BITS + INDEX_BITS);
        let entry = self.entry.cast_unsigned() & ((1 << ENTRY_BITS) - 1);
        ledger | entry << INDEX_BITS | u64::from(index) & ((1 << INDEX_BITS) - 1)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ledger, self.entry)
    }
}

/// How far a partition is done: everything up to this entry, of which only a part where there is an index, that one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) entry: EntryId,
    pub(crate) index: Option<u32>,
}

impl Position {
    /// Nothing is done yet.
    pub(crate) const START: Self = Self { entry: EntryId::START, index: None };

    /// Everything up to an entry is done.
    pub(crate) fn behind(entry: EntryId) -> Self {
        Self { entry, index: None }
    }

    /// Everything before a message is done.
    pub(crate) fn before(id: MessageId) -> Self {
        let (ledger, entry) = (id.ledger.cast_signed(), id.entry.cast_signed());
        match id.index.and_then(|index| index.checked_sub(1)) {
            Some(last) => Self { entry: EntryId { ledger, entry }, index: Some(last) },
            None => Self::behind(EntryId { ledger, entry: entry - 1 }),
        }
    }

    /// Whether everything that `other` says is done.
    pub(crate) fn covers(self, other: Self) -> bool {
        let whole = |index: Option<u32>| index.unwrap_or(u32::MAX);
        (self.entry, whole(self.index)) >= (other.entry, whole(other.index))
    }

    /// Reads a resume position of ours.
    ///
    /// # Errors
    /// *Corrupt* where it is none.
    pub(crate) fn parse(partition: &Partition, position: &ResumePosition) -> Result<Self> {
        if position.0 == "earliest" {
            return Ok(Self::START);
        }
        let mut parts = position.0.splitn(3, ':');
        let mut number = || parts.next().and_then(|part| part.parse::<i64>().ok());
        let entry = number().zip(number()).map(|(ledger, entry)| EntryId { ledger, entry });
        let index = parts.next().map(str::parse::<u32>).transpose().ok();
        entry.zip(index).map(|(entry, index)| Self { entry, index }).ok_or_else(|| {
            let what = format!("read the stored position \"{position}\"");
            Error::new(ErrorKind::Corrupt, codes::EXPIRED_POSITION, what)
                .at_partition(&partition.topic, partition.index)
                .with_source("it is not one of a Pulsar source")
        })
    }

    pub(crate) fn to_resume(self) -> ResumePosition {
        ResumePosition(self.to_string())
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::START {
            return f.write_str("earliest");
        }
        write!(f, "{}", self.entry)?;
        self.index.map_or(Ok(()), |index| write!(f, ":{index}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_written() {
        let partition = Partition::new("orders", 0);
        let behind = |ledger, entry| Position::behind(EntryId { ledger, entry });
        let part = Position { index: Some(4), ..behind(7, 3) };
        for position in [Position::START, behind(7, 3), behind(7, -1), part] {
            let read = Position::parse(&partition, &position.to_resume()).expect("one of ours");
            assert_eq!(read, position, "{position}");
        }
        for text in ["", "7", "7:x", "7:3:x", "7:3:-1"] {
            Position::parse(&partition, &ResumePosition(text.to_owned())).expect_err(text);
        }
    }

    #[test]
    fn reading_starts_at_the_message_that_is_named() {
        let before = |text: &str| {
            let id: MessageId = text.parse().expect("an id");
            Position::before(id).to_string()
        };
        assert_eq!(["7:3", "7:3:0", "7:0", "7:3:5"].map(before), ["7:2", "7:2", "7:-1", "7:3:4"]);
    }

    #[test]
    fn numbers_grow_along_a_partition() {
        let at = |ledger, entry, index| EntryId { ledger, entry }.number_of(index);
        let numbers = [at(7, 0, 0), at(7, 0, 9_999), at(7, 1, 0), at(7, 49_999, 3), at(8, 0, 0)];
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }
}
