//! What is wrong with bytes or an item, in a form that programs can tell apart.
//!
//! Invariant: no error quotes a value; places stand in for it.

use std::fmt;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FormatErrorKind {
    /// The bytes are not of the format at all: broken JSON, text that is not UTF-8.
    NotValid,
    /// The bytes are of the format, and do not fit the type.
    WrongShape,
    /// There are no bytes: null, which this format has no item for.
    Null,
    /// The item cannot be written in this format.
    NotWritable,
}

/// An error of a format; `Display` is one line that says what is wrong and where in the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    kind: FormatErrorKind,
    what: String,
    position: Option<usize>,
}

impl FormatError {
    pub(crate) fn new(kind: FormatErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), position: None }
    }

    pub(crate) fn at(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }

    pub(crate) fn null() -> Self {
        Self::new(
            FormatErrorKind::Null,
            "null, where a value is needed; `optional(…)` around the format reads null as `None`",
        )
    }

    /// What is wrong.
    pub fn kind(&self) -> FormatErrorKind {
        self.kind
    }

    /// The byte at which it was noticed, counted from 0, where that is known.
    pub fn position(&self) -> Option<usize> {
        self.position
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match self.position {
            Some(position) => write!(f, " at byte {position}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FormatError {}
