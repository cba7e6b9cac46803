//! JSON for people: a member a line.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use millstream_engine::BoxError;
use millstream_engine::format::{Deserializer, Presence, Serializer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::json::{json, not_writable};
use crate::json_error::short_type_name;

/// The format of items of type `T` as JSON for people; from [`json_pretty()`].
pub struct JsonPretty<T>(PhantomData<fn() -> T>);

/// Writes items of type `T` as JSON with a member a line, indented by two spaces; reads any JSON, as [`crate::json()`] does.
///
/// # Errors
/// As [`crate::json()`].
///
/// # Examples
/// ```
/// use millstream_engine::format::Serializer;
/// use millstream_formats::json_pretty;
///
/// let mut out = Vec::new();
/// json_pretty().serialize(&std::collections::BTreeMap::from([("price", 3)]), &mut out)?;
/// assert_eq!(out, b"{\n  \"price\": 3\n}");
/// # Ok::<_, millstream_engine::BoxError>(())
/// ```
pub fn json_pretty<T>() -> JsonPretty<T> {
    JsonPretty(PhantomData)
}

impl<T: DeserializeOwned + 'static> Deserializer<T> for JsonPretty<T> {
    fn format(&self) -> &'static str {
        "JSON"
    }

    #[inline]
    fn deserialize(&mut self, bytes: Option<&[u8]>) -> Result<T, BoxError> {
        json().deserialize(bytes)
    }
}

impl<T: Serialize + 'static> Serializer<T> for JsonPretty<T> {
    fn format(&self) -> &'static str {
        "JSON"
    }

    #[inline]
    fn serialize(&mut self, item: &T, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
        serde_json::to_writer_pretty(out, item).map_err(|error| not_writable(&error))?;
        Ok(Presence::Present)
    }
}

impl<T> Clone for JsonPretty<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for JsonPretty<T> {}

impl<T> Default for JsonPretty<T> {
    fn default() -> Self {
        json_pretty()
    }
}

impl<T> fmt::Debug for JsonPretty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonPretty<{}>", short_type_name(type_name::<T>()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Order, error_of, orders};
    use crate::{FormatErrorKind, json};

    #[test]
    fn wrong_shape_is_told_by_its_place() {
        let error = error_of(json_pretty::<Order>().deserialize(Some(b"{\n  \"id\": \"x\"\n}")));
        assert_eq!(error.kind(), FormatErrorKind::WrongShape);
        assert_eq!(
            error.to_string(),
            "field `id` of `Order`: expected u32, found string at byte 12"
        );
        assert_eq!(error_of(json_pretty::<u8>().deserialize(None)).kind(), FormatErrorKind::Null);
    }

    proptest! {
        #[test]
        fn pretty_json_reads_what_it_wrote(order in orders()) {
            let mut out = Vec::new();
            json_pretty().serialize(&order, &mut out).unwrap();
            let in_lines = out.starts_with(b"{\n  \"id\": ");
            prop_assert!(in_lines);
            prop_assert_eq!(&json_pretty::<Order>().deserialize(Some(&out)).unwrap(), &order);
            prop_assert_eq!(json::<Order>().deserialize(Some(&out)).unwrap(), order);
        }

        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            drop(json_pretty::<Order>().deserialize(Some(&bytes)));
        }
    }
}
