//! bincode 1.3, for topics that already speak it.
//!
//! bincode is no longer maintained, and its bytes say nothing of their own shape. Nothing that millstream keeps is written in it.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use bincode::{ErrorKind, Options};
use millstream_engine::BoxError;
use millstream_engine::format::{Deserializer, Presence, Serializer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{FormatError, FormatErrorKind};
use crate::json_error::{short_type_name, without_quotes};

/// The format of items of type `T` in bincode 1.3; from [`bincode()`].
pub struct Bincode<T> {
    max_bytes: u64,
    item: PhantomData<fn() -> T>,
}

/// Reads and writes items of type `T` in bincode 1.3, as its functions `serialize` and `deserialize` do: numbers of fixed size,
/// little endian, lengths of eight bytes.
///
/// For topics that already speak it, alone: the crate is no longer maintained, and a field that is added or moved makes old bytes
/// unreadable, or worse, readable as something else. For topics of your own take [`crate::postcard()`] or [`crate::json()`].
///
/// An item has 16 MiB at most, or what [`Bincode::with_max_bytes`] says. A length that was read is not believed beyond the bytes
/// that are there, so no input can make a program ask for more memory.
///
/// # Errors
/// [`FormatErrorKind::NotValid`] for bytes that end too soon or go on after the item, [`FormatErrorKind::WrongShape`] for bytes
/// that do not fit `T`, [`FormatErrorKind::NotWritable`] for an item that is too large. Null is an error;
/// [`crate::optional()`] reads it as `None`. Values are never quoted.
///
/// # Examples
/// ```
/// use millstream_engine::format::{Deserializer, Serializer};
/// use millstream_formats::bincode;
///
/// let mut out = Vec::new();
/// bincode().serialize(&(7_u16, "ab".to_owned()), &mut out)?;
/// assert_eq!(out, [7, 0, 2, 0, 0, 0, 0, 0, 0, 0, b'a', b'b']);
/// let back: (u16, String) = bincode().deserialize(Some(&out))?;
/// assert_eq!(back, (7, "ab".to_owned()));
/// let error = bincode::<(u16, String)>().deserialize(Some(&out[..11])).unwrap_err();
/// assert_eq!(error.to_string(), "not valid bincode: it ends within an item of `(u16, String)`");
/// # Ok::<_, millstream_engine::BoxError>(())
/// ```
pub fn bincode<T>() -> Bincode<T> {
    Bincode { max_bytes: 16 << 20, item: PhantomData }
}

impl<T> Bincode<T> {
    /// Bytes of an item at most; 16 MiB unless set. Too low, and large items are errors; too high, and one item may
    /// take that much memory.
    #[must_use]
    pub fn with_max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    fn options(&self) -> impl Options {
        ::bincode::DefaultOptions::new().with_fixint_encoding().with_limit(self.max_bytes)
    }
}

impl<T: DeserializeOwned + 'static> Deserializer<T> for Bincode<T> {
    fn format(&self) -> &'static str {
        "bincode"
    }

    #[inline]
    fn deserialize(&mut self, bytes: Option<&[u8]>) -> Result<T, BoxError> {
        let bytes = bytes.ok_or_else(FormatError::null)?;
        // The crate limits what it reads from a stream; from a slice it believes no length beyond the end of the slice.
        if bytes.len() as u64 > self.max_bytes {
            let what = format!("not valid bincode: it has more than {} bytes", self.max_bytes);
            return Err(FormatError::new(FormatErrorKind::NotValid, what).into());
        }
        let read = self.options().deserialize(bytes);
        read.map_err(|error| explain(&error, type_name::<T>()).into())
    }
}

impl<T: Serialize + 'static> Serializer<T> for Bincode<T> {
    fn format(&self) -> &'static str {
        "bincode"
    }

    #[inline]
    fn serialize(&mut self, item: &T, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
        self.options().serialize_into(out, item).map_err(|error| {
            let why = match *error {
                ErrorKind::SizeLimit => format!("it has more than {} bytes", self.max_bytes),
                other => without_quotes(&other.to_string()),
            };
            FormatError::new(FormatErrorKind::NotWritable, why)
        })?;
        Ok(Presence::Present)
    }
}

#[cold]
fn explain(error: &ErrorKind, type_name: &str) -> FormatError {
    let owner = short_type_name(type_name);
    let not_valid = |what: &str| {
        let what = format!("not valid bincode: {what} of `{owner}`");
        FormatError::new(FormatErrorKind::NotValid, what)
    };
    match error {
        ErrorKind::Io(_) | ErrorKind::SizeLimit => not_valid("it ends within an item"),
        // The one text that the crate has for bytes that are left over.
        ErrorKind::Custom(text) if text.starts_with("Slice had bytes remaining") => {
            not_valid("it goes on after an item")
        }
        other => {
            let what = format!("`{owner}`: {}", without_quotes(&other.to_string()));
            FormatError::new(FormatErrorKind::WrongShape, what)
        }
    }
}

impl<T> Clone for Bincode<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Bincode<T> {}

impl<T> Default for Bincode<T> {
    fn default() -> Self {
        bincode()
    }
}

impl<T> fmt::Debug for Bincode<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bincode<{}>", short_type_name(type_name::<T>()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Order, error_of, orders};

    #[test]
    fn length_from_the_wire_asks_for_no_memory() {
        let mut bytes = vec![0xff; 7];
        bytes.push(0x0f);
        let error = error_of(bincode::<String>().deserialize(Some(&bytes)));
        assert_eq!(error.kind(), FormatErrorKind::NotValid);
        let ends = "not valid bincode: it ends within an item of `String`";
        assert_eq!(error.to_string(), ends);
        let two_letters = [2, 0, 0, 0, 0, 0, 0, 0, b'a', b'b'];
        let small = error_of(bincode::<String>().with_max_bytes(9).deserialize(Some(&two_letters)));
        let limit = "not valid bincode: it has more than 9 bytes";
        assert_eq!(small.to_string(), limit);
        assert_eq!(small.kind(), FormatErrorKind::NotValid);
    }

    #[test]
    fn what_does_not_fit_is_told_apart() {
        let left_over = error_of(bincode::<u8>().deserialize(Some(&[1, 2])));
        assert_eq!(left_over.to_string(), "not valid bincode: it goes on after an item of `u8`");
        let no_bool = error_of(bincode::<bool>().deserialize(Some(&[7])));
        assert_eq!(no_bool.kind(), FormatErrorKind::WrongShape);
        let too_large = error_of(bincode().with_max_bytes(3).serialize(&7_u32, &mut Vec::new()));
        assert_eq!(too_large.to_string(), "it has more than 3 bytes");
        assert_eq!(error_of(bincode::<u8>().deserialize(None)).kind(), FormatErrorKind::Null);
    }

    proptest! {
        #[test]
        fn bincode_reads_what_it_wrote(order in orders()) {
            let mut out = b"before".to_vec();
            bincode().serialize(&order, &mut out).unwrap();
            prop_assert_eq!(&out[6..], ::bincode::serialize(&order).unwrap());
            prop_assert_eq!(bincode::<Order>().deserialize(Some(&out[6..])).unwrap(), order);
        }

        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            drop(bincode::<Order>().deserialize(Some(&bytes)));
        }
    }
}
