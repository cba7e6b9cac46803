//! Bytes as they are.

use millstream_engine::BoxError;
use millstream_engine::format::{Deserializer, Presence, Serializer};

use crate::error::FormatError;

/// The format of bytes as they are; from [`raw()`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

/// Reads and writes bytes as they are.
///
/// # Errors
/// Null is an error; [`crate::optional()`] reads it as `None`.
///
/// # Examples
/// ```
/// use millstream_engine::format::Deserializer;
///
/// let bytes: Vec<u8> = millstream_formats::raw().deserialize(Some(&[0, 255]))?;
/// assert_eq!(bytes, [0, 255]);
/// # Ok::<_, millstream_engine::BoxError>(())
/// ```
pub fn raw() -> Raw {
    Raw
}

impl Deserializer<Vec<u8>> for Raw {
    fn format(&self) -> &'static str {
        "raw bytes"
    }

    fn deserialize(&mut self, bytes: Option<&[u8]>) -> Result<Vec<u8>, BoxError> {
        Ok(bytes.ok_or_else(FormatError::null)?.to_vec())
    }
}

impl<B: AsRef<[u8]> + ?Sized> Serializer<B> for Raw {
    fn format(&self) -> &'static str {
        "raw bytes"
    }

    fn serialize(&mut self, item: &B, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
        out.extend_from_slice(item.as_ref());
        Ok(Presence::Present)
    }
}
