//! JSON, compact.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use millstream_engine::BoxError;
use millstream_engine::format::{Deserializer, Presence, Serializer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{FormatError, FormatErrorKind};
use crate::json_error;

/// The format of items of type `T` as JSON; from [`json()`].
pub struct Json<T>(PhantomData<fn() -> T>);

/// Reads and writes items of type `T` as JSON, without white space.
///
/// # Errors
/// [`FormatErrorKind::NotValid`] for what is no JSON, [`FormatErrorKind::WrongShape`] for JSON that does not fit `T`: it
/// names the field and the type. Values are never quoted; names of fields are, so far as they look like names. Null is an
/// error; [`crate::optional()`] reads it as `None`.
///
/// # Examples
/// ```
/// use millstream_engine::format::{Deserializer, Serializer};
/// use millstream_formats::json;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Order {
///     item: String,
///     price: u32,
/// }
///
/// let order: Order = json().deserialize(Some(br#"{"item": "apple", "price": 3}"#))?;
/// let mut out = Vec::new();
/// json().serialize(&order, &mut out)?;
/// assert_eq!(out, br#"{"item":"apple","price":3}"#);
///
/// let error = json::<Order>().deserialize(Some(br#"{"item": "apple", "price": "3"}"#)).err().unwrap();
/// assert_eq!(error.to_string(), "field `price` of `Order`: expected u32, found string at byte 29");
/// # Ok::<_, millstream_engine::BoxError>(())
/// ```
pub fn json<T>() -> Json<T> {
    Json(PhantomData)
}

impl<T: DeserializeOwned + 'static> Deserializer<T> for Json<T> {
    fn format(&self) -> &'static str {
        "JSON"
    }

    #[inline]
    fn deserialize(&mut self, bytes: Option<&[u8]>) -> Result<T, BoxError> {
        let bytes = bytes.ok_or_else(FormatError::null)?;
        serde_json::from_slice(bytes)
            .map_err(|error| json_error::explain(bytes, &error, type_name::<T>()).into())
    }
}

impl<T: Serialize + 'static> Serializer<T> for Json<T> {
    fn format(&self) -> &'static str {
        "JSON"
    }

    #[inline]
    fn serialize(&mut self, item: &T, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
        serde_json::to_writer(out, item).map_err(|error| not_writable(&error))?;
        Ok(Presence::Present)
    }
}

/// Why an item cannot be written.
#[cold]
pub(crate) fn not_writable(error: &serde_json::Error) -> FormatError {
    let why = json_error::without_quotes(&error.to_string());
    FormatError::new(FormatErrorKind::NotWritable, why)
}

impl<T> Clone for Json<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Json<T> {}

impl<T> Default for Json<T> {
    fn default() -> Self {
        json()
    }
}

impl<T> fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json<{}>", json_error::short_type_name(type_name::<T>()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Line {
        name: String,
        price: f64,
        tags: Vec<Option<i64>>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        id: u32,
        lines: Vec<Line>,
        kind: Option<Kind>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Retail,
    }

    fn error_of<T: DeserializeOwned + 'static>(text: &str) -> FormatError {
        let error = json::<T>().deserialize(Some(text.as_bytes())).err().expect("it does not read");
        error.downcast_ref::<FormatError>().expect("formats give their own error").clone()
    }

    #[test]
    fn broken_json_is_told_by_position() {
        let error = error_of::<Order>("{\"id\": 1,\n \"lines\" []}");
        assert_eq!(error.to_string(), "not valid JSON: expected `:` at byte 19");
        assert_eq!(error.kind(), FormatErrorKind::NotValid);
        assert_eq!(
            error_of::<Order>("").to_string(),
            "not valid JSON: EOF while parsing a value at byte 0"
        );
        assert_eq!(error_of::<u32>("1 2").kind(), FormatErrorKind::NotValid);
    }

    #[test]
    fn wrong_shape_names_field_and_type() {
        let cases = [
            (r#"{"id": 1}"#, "missing field `lines` of `Order` at byte 8"),
            (
                r#"{"id": "x, expected y", "lines": []}"#,
                "field `id` of `Order`: expected u32, found string at byte 21",
            ),
            (
                r#"{"id": 1, "lines": [{"name": "secret", "price": [1], "tags": []}]}"#,
                "field `lines[0].price` of `Order`: expected f64, found sequence at byte 47",
            ),
            (
                r#"{"id": -5, "lines": []}"#,
                "field `id` of `Order`: expected u32, found integer out of range at byte 8",
            ),
            (
                r#"{"id": 1, "lines": [], "kind": "Secret"}"#,
                "field `kind` of `Order`: unknown variant, expected `Retail` at byte 38",
            ),
            (
                r#"{"id": 1, "secret": []}"#,
                "unknown field of `Order`, expected one of `id`, `lines`, `kind` at byte 17",
            ),
            ("[]", "expected struct Order with 3 elements"),
        ];
        for (text, expected) in cases {
            let error = error_of::<Order>(text);
            assert_eq!(error.kind(), FormatErrorKind::WrongShape, "{text}");
            assert!(error.to_string().contains(expected), "{text}\n got {error}\nwant {expected}");
            assert!(!error.to_string().to_lowercase().contains("secret"), "{error}");
        }
    }

    #[test]
    fn keys_that_are_no_names_stay_hidden() {
        let error = error_of::<BTreeMap<String, u8>>(r#"{"anna@example.org": "x"}"#);
        assert_eq!(
            error.to_string(),
            "field `…` of `BTreeMap<String, u8>`: expected u8, found string at byte 23"
        );
    }

    #[test]
    fn null_is_not_an_item() {
        let error = json::<u8>().deserialize(None).unwrap_err();
        assert_eq!(
            error.downcast_ref::<FormatError>().map(FormatError::kind),
            Some(FormatErrorKind::Null)
        );
    }

    #[test]
    fn what_json_has_no_form_for_is_an_error() {
        let map = BTreeMap::from([((1, 2), 3)]);
        let error = json().serialize(&map, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "key must be a string");
    }

    proptest! {
        #[test]
        fn json_reads_what_it_wrote(id: u32, name: String, price in -1e9..1e9f64, tags: Vec<Option<i64>>) {
            let order = Order { id, lines: vec![Line { name, price, tags }], kind: None };
            let mut out = Vec::new();
            json().serialize(&order, &mut out).unwrap();
            prop_assert_eq!(json::<Order>().deserialize(Some(&out)).unwrap(), order);
        }

        #[test]
        fn no_input_panics_or_is_quoted(bytes: Vec<u8>, mut text in r#"[\[\]{}:," a-z0-9\\\\]{0,40}"#) {
            drop(json::<Order>().deserialize(Some(&bytes)));
            text.push_str("zzzz");
            let error = json::<Order>().deserialize(Some(text.as_bytes())).unwrap_err();
            prop_assert!(!error.to_string().contains("zzzz"));
        }
    }
}
