//! Null as an item of its own.

use millstream_engine::BoxError;
use millstream_engine::format::{Deserializer, Presence, Serializer};

/// Another format, and null; from [`optional()`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Optional<F> {
    format: F,
}

/// Reads null as `None` and writes `None` as null, and everything else in `format`.
///
/// On a compacted topic a null value is a tombstone: the key is to be forgotten.
///
/// # Examples
/// ```
/// use millstream_engine::format::{Deserializer, Presence, Serializer};
/// use millstream_formats::{optional, string};
///
/// let mut format = optional(string());
/// let nothing: Option<String> = format.deserialize(None)?;
/// let empty: Option<String> = format.deserialize(Some(b""))?;
/// assert_eq!((nothing, empty), (None, Some(String::new())));
/// assert_eq!(format.serialize(&None::<String>, &mut Vec::new())?, Presence::Null);
/// # Ok::<_, millstream_engine::BoxError>(())
/// ```
pub fn optional<F>(format: F) -> Optional<F> {
    Optional { format }
}

impl<T, F: Deserializer<T>> Deserializer<Option<T>> for Optional<F> {
    fn format(&self) -> &'static str {
        self.format.format()
    }

    fn deserialize(&mut self, bytes: Option<&[u8]>) -> Result<Option<T>, BoxError> {
        bytes.map(|present| self.format.deserialize(Some(present))).transpose()
    }
}

impl<T, F: Serializer<T>> Serializer<Option<T>> for Optional<F> {
    fn format(&self) -> &'static str {
        self.format.format()
    }

    fn serialize(&mut self, item: &Option<T>, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
        match item {
            Some(item) => self.format.serialize(item, out),
            None => Ok(Presence::Null),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{FormatError, FormatErrorKind, raw, string};

    #[test]
    fn null_and_empty_stay_apart() {
        for bytes in [None, Some(&b""[..]), Some(b"x")] {
            let item: Option<Vec<u8>> = optional(raw()).deserialize(bytes).unwrap();
            assert_eq!(item.as_deref(), bytes);
            let mut out = Vec::new();
            let presence = optional(raw()).serialize(&item, &mut out).unwrap();
            assert_eq!((presence == Presence::Present).then_some(&out[..]), bytes);
        }
    }

    #[test]
    fn null_is_an_error_without_it() {
        let errors = [string().deserialize(None).err(), raw().deserialize(None).err()];
        for error in errors {
            let error = error.expect("null is no item");
            let error = error.downcast_ref::<FormatError>().expect("formats give their own error");
            assert_eq!(error.kind(), FormatErrorKind::Null);
            assert!(error.to_string().contains("optional"));
        }
    }

    proptest! {
        #[test]
        fn optional_text_reads_what_it_wrote(text: Option<String>) {
            let mut out = Vec::new();
            let presence = optional(string()).serialize(&text, &mut out).unwrap();
            let bytes = (presence == Presence::Present).then_some(&out[..]);
            prop_assert_eq!(optional(string()).deserialize(bytes).unwrap(), text);
        }
    }
}
