//! The formats of millstream: how items become bytes, and bytes items.
//!
//! | format | bytes | items | null |
//! |---|---|---|---|
//! | [`raw()`] | as they are | `Vec<u8>` | an error |
//! | [`string()`] | UTF-8 | `String` | an error |
//! | [`json()`] | JSON without white space | any type of serde's | an error |
//! | [`optional()`] | those of another format | `Option` of its items | `None` |
//!
//! A null value is not an empty one: only [`optional()`] reads or writes it. Errors are [`FormatError`]s and never quote values.

mod error;
mod json;
mod json_error;
mod optional;
mod raw;
mod string;

pub use error::{FormatError, FormatErrorKind};
pub use json::{Json, json};
pub use optional::{Optional, optional};
pub use raw::{Raw, raw};
pub use string::{Text, string};
