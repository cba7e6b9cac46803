//! The least that whoever takes a batch does with it: looks at every record.

use millstream::batch::Record;

/// The length and the first byte of a record, so that its entry and its bytes are both fetched.
#[inline]
pub(crate) fn touch(record: Record<'_>) -> u64 {
    let value = record.value_or_empty();
    value.len() as u64 + u64::from(value.first().copied().unwrap_or_default())
}
