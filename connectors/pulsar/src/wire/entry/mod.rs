//! Entries: what one message of the protocol carries, which is a batch of records or a single one.
//!
//! ```text
//! [metadata length u32][SingleMessageMetadata][value]     a record of a batch, as often as there are records
//! ```
//! A record that is no part of a batch has the same fields in the `MessageMetadata` before the payload, and the payload is its
//! value. Both are read and written by hand, straight from and to the arena of a record batch: nothing is allocated per record.
//! Invariant: what is read was compared with the bytes that are there; what is written is whole records.

pub(crate) mod keys;
pub(crate) mod read;
#[cfg(test)]
mod tests;
pub(crate) mod write;
