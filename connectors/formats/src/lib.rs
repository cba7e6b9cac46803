//! The formats of millstream: how items become bytes, and bytes items.
//!
//! | format | bytes | items | null |
//! |---|---|---|---|
//! | [`raw()`] | as they are | `Vec<u8>` | an error |
//! | [`string()`] | UTF-8 | `String` | an error |
//! | [`json()`] | JSON without white space | any type of serde's | an error |
//! | [`json_pretty()`] | JSON, a member a line; reads any JSON | any type of serde's | an error |
//! | [`postcard()`] | postcard: small, without names | types of serde's that do not say themselves what they are | an error |
//! | `bincode()`, feature `bincode` | bincode 1.3, for topics that already speak it | as postcard | an error |
//! | [`optional()`] | those of another format | `Option` of its items | `None` |
//!
//! A null value is not an empty one: only [`optional()`] reads or writes it. Errors are [`FormatError`]s and never quote values.

#[cfg(feature = "bincode")]
mod bincode;
mod error;
mod json;
mod json_error;
mod json_pretty;
mod optional;
mod postcard;
mod raw;
mod string;
#[cfg(test)]
mod testing;

#[cfg(feature = "bincode")]
pub use bincode::{Bincode, bincode};
pub use error::{FormatError, FormatErrorKind};
pub use json::{Json, json};
pub use json_pretty::{JsonPretty, json_pretty};
pub use optional::{Optional, optional};
pub use postcard::{Postcard, postcard};
pub use raw::{Raw, raw};
pub use string::{Text, string};
