//! The format contract: how items become bytes, and bytes items.
//!
//! Formats live in `millstream-formats`; the steps `deserialize` and `serialize` use them.

use crate::error::BoxError;

/// Reads items of type `T` from bytes.
///
/// The engine hands over the value (or key) of one record; `None` is a null value, which is not an empty one. A deserializer
/// returns an error for what it cannot read, and never panics on any input.
pub trait Deserializer<T>: 'static {
    /// The format's name, for errors: `JSON`.
    fn format(&self) -> &'static str;

    /// Reads one item.
    ///
    /// # Errors
    /// What is wrong with the bytes, without quoting them.
    fn deserialize(&mut self, bytes: Option<&[u8]>) -> Result<T, BoxError>;
}

/// What a serializer made of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The bytes appended are the value; none appended is an empty value.
    Present,
    /// The value is null, whatever was appended.
    Null,
}

/// Writes items of type `T` as bytes.
pub trait Serializer<T: ?Sized>: 'static {
    /// The format's name, for errors: `JSON`.
    fn format(&self) -> &'static str;

    /// Appends one item to `out`. What an error leaves behind in `out` is taken back by the caller.
    ///
    /// # Errors
    /// Why the item cannot be written in this format.
    fn serialize(&mut self, item: &T, out: &mut Vec<u8>) -> Result<Presence, BoxError>;
}
