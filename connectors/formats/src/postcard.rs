//! postcard: small, and made for serde.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use ::postcard::Error as Cause;
use millstream_engine::BoxError;
use millstream_engine::format::{Deserializer, Presence, Serializer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{FormatError, FormatErrorKind};
use crate::json_error::{short_type_name, without_quotes};

/// The format of items of type `T` in postcard; from [`postcard()`].
pub struct Postcard<T>(PhantomData<fn() -> T>);

/// Reads and writes items of type `T` in postcard: the smallest form, without names of fields.
///
/// Bytes say nothing of their own shape: readers and writers of a topic must agree on the type. A field may be added at the end
/// only when every reader knows it before the first writer does.
///
/// # Errors
/// [`FormatErrorKind::NotValid`] for bytes that end too soon or go on after the item, which it names the first byte of,
/// [`FormatErrorKind::WrongShape`] for bytes that do not fit `T`. Null is an error; [`crate::optional()`] reads it as `None`.
/// Values are never quoted.
///
/// # Examples
/// ```
/// use millstream_engine::format::{Deserializer, Serializer};
/// use millstream_formats::postcard;
///
/// let mut out = Vec::new();
/// postcard().serialize(&(7_u16, "ab".to_owned()), &mut out)?;
/// assert_eq!(out, [7, 2, b'a', b'b']);
/// let back: (u16, String) = postcard().deserialize(Some(&out))?;
/// assert_eq!(back, (7, "ab".to_owned()));
/// let error = postcard::<(u16, String)>().deserialize(Some(&out[..3])).unwrap_err();
/// assert_eq!(error.to_string(), "not valid postcard: it ends within an item of `(u16, String)` at byte 3");
/// # Ok::<_, millstream_engine::BoxError>(())
/// ```
pub fn postcard<T>() -> Postcard<T> {
    Postcard(PhantomData)
}

impl<T: DeserializeOwned + 'static> Deserializer<T> for Postcard<T> {
    fn format(&self) -> &'static str {
        "postcard"
    }

    #[inline]
    fn deserialize(&mut self, bytes: Option<&[u8]>) -> Result<T, BoxError> {
        let bytes = bytes.ok_or_else(FormatError::null)?;
        let (item, rest) = ::postcard::take_from_bytes(bytes)
            .map_err(|error| explain(bytes, &error, type_name::<T>()))?;
        if rest.is_empty() {
            return Ok(item);
        }
        let error = not_valid("it goes on after an item", type_name::<T>());
        Err(error.at(bytes.len() - rest.len()).into())
    }
}

impl<T: Serialize + 'static> Serializer<T> for Postcard<T> {
    fn format(&self) -> &'static str {
        "postcard"
    }

    #[inline]
    fn serialize(&mut self, item: &T, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
        ::postcard::to_io(item, out).map_err(|error| {
            let why = without_quotes(&error.to_string());
            FormatError::new(FormatErrorKind::NotWritable, why)
        })?;
        Ok(Presence::Present)
    }
}

fn not_valid(what: &str, type_name: &str) -> FormatError {
    let what = format!("not valid postcard: {what} of `{}`", short_type_name(type_name));
    FormatError::new(FormatErrorKind::NotValid, what)
}

#[cold]
fn explain(bytes: &[u8], error: &Cause, type_name: &str) -> FormatError {
    if *error == Cause::DeserializeUnexpectedEnd {
        return not_valid("it ends within an item", type_name).at(bytes.len());
    }
    let what = match error {
        Cause::DeserializeBadVarint => "a number that does not fit",
        Cause::DeserializeBadBool => "neither true nor false",
        Cause::DeserializeBadChar => "no character",
        Cause::DeserializeBadUtf8 => "text that is not UTF-8",
        Cause::DeserializeBadOption => "neither something nor nothing",
        Cause::DeserializeBadEnum => "an unknown variant",
        Cause::WontImplement => "a type that says itself what it is, which postcard cannot read",
        _ => "bytes that do not fit",
    };
    let what = format!("`{}`: {what}", short_type_name(type_name));
    FormatError::new(FormatErrorKind::WrongShape, what)
}

impl<T> Clone for Postcard<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Postcard<T> {}

impl<T> Default for Postcard<T> {
    fn default() -> Self {
        postcard()
    }
}

impl<T> fmt::Debug for Postcard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Postcard<{}>", short_type_name(type_name::<T>()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Order, error_of, orders};

    #[test]
    fn what_does_not_fit_is_told_apart() {
        let left_over = error_of(postcard::<u8>().deserialize(Some(&[1, 2])));
        assert_eq!(
            left_over.to_string(),
            "not valid postcard: it goes on after an item of `u8` at byte 1"
        );
        assert_eq!((left_over.kind(), left_over.position()), (FormatErrorKind::NotValid, Some(1)));
        let no_bool = error_of(postcard::<bool>().deserialize(Some(&[7])));
        assert_eq!(no_bool.to_string(), "`bool`: neither true nor false");
        assert_eq!(no_bool.kind(), FormatErrorKind::WrongShape);
        assert_eq!(error_of(postcard::<u8>().deserialize(None)).kind(), FormatErrorKind::Null);
    }

    #[test]
    fn length_from_the_wire_asks_for_no_memory() {
        let bytes = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        let error = error_of(postcard::<Vec<u64>>().deserialize(Some(&bytes)));
        assert_eq!(error.kind(), FormatErrorKind::NotValid);
    }

    proptest! {
        #[test]
        fn postcard_reads_what_it_wrote(order in orders()) {
            let mut out = b"before".to_vec();
            postcard().serialize(&order, &mut out).unwrap();
            prop_assert_eq!(postcard::<Order>().deserialize(Some(&out[6..])).unwrap(), order);
        }

        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            drop(postcard::<Order>().deserialize(Some(&bytes)));
        }
    }
}
