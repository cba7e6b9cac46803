//! One record's place in the arena of its batch.
//!
//! Invariant: 32 bytes; what only some records have lies in side columns.

use serde::{Deserialize, Serialize};

/// Marks an absent key or value, which is not an empty one.
pub(super) const NONE: u32 = u32::MAX;

/// The time of a record that carries none.
pub const NO_TIME: i64 = i64::MIN;

/// One record's place in the arena: 32 bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub(super) offset: u32,
    pub(super) key_len: u32,
    pub(super) value_len: u32,
    pub(super) headers_len: u32,
    /// Event time in milliseconds since the Unix epoch, or [`NO_TIME`].
    pub time: i64,
    /// Where the record stands in its partition, in the connector's own numbering.
    pub position: u64,
}

impl Entry {
    #[inline]
    pub(super) fn key_bytes(self) -> usize {
        if self.key_len == NONE { 0 } else { self.key_len as usize }
    }

    #[inline]
    pub(super) fn value_bytes(self) -> usize {
        if self.value_len == NONE { 0 } else { self.value_len as usize }
    }

    /// Where the record's bytes end in the arena.
    pub(super) fn end(self) -> usize {
        self.offset as usize + self.key_bytes() + self.value_bytes() + self.headers_len as usize
    }

    #[inline]
    pub(super) fn has_key(self) -> bool {
        self.key_len != NONE
    }

    #[inline]
    pub(super) fn has_value(self) -> bool {
        self.value_len != NONE
    }
}
