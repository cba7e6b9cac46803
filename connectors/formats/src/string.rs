//! Text in UTF-8.

use millstream_engine::BoxError;
use millstream_engine::format::{Deserializer, Presence, Serializer};

use crate::error::{FormatError, FormatErrorKind};

/// The format of text in UTF-8; from [`string()`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Text;

/// Reads and writes text in UTF-8.
///
/// # Errors
/// [`FormatErrorKind::NotValid`] names the first byte that is not UTF-8. Null is an error; [`crate::optional()`] reads it as
/// `None`.
///
/// # Examples
/// ```
/// use millstream_engine::format::Deserializer;
///
/// let text = millstream_formats::string().deserialize(Some(b"hello"))?;
/// assert_eq!(text, "hello");
/// let error = millstream_formats::string().deserialize(Some(b"hell\xff")).unwrap_err();
/// assert_eq!(error.to_string(), "not UTF-8 at byte 4");
/// # Ok::<_, millstream_engine::BoxError>(())
/// ```
pub fn string() -> Text {
    Text
}

impl Deserializer<String> for Text {
    fn format(&self) -> &'static str {
        "UTF-8 text"
    }

    fn deserialize(&mut self, bytes: Option<&[u8]>) -> Result<String, BoxError> {
        let text = str::from_utf8(bytes.ok_or_else(FormatError::null)?).map_err(|error| {
            FormatError::new(FormatErrorKind::NotValid, "not UTF-8").at(error.valid_up_to())
        })?;
        Ok(text.to_owned())
    }
}

impl<S: AsRef<str> + ?Sized> Serializer<S> for Text {
    fn format(&self) -> &'static str {
        "UTF-8 text"
    }

    fn serialize(&mut self, item: &S, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
        out.extend_from_slice(item.as_ref().as_bytes());
        Ok(Presence::Present)
    }
}
