//! Keys, which the protocol has as text: those that are not UTF-8 are written in base64, as Java does it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The usual alphabet with padding, read with or without it, as Java reads it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key that says it is base64 and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadKey;

/// Bytes that a key takes in base64.
pub(super) fn encoded_len(n_bytes: usize) -> usize {
    n_bytes.div_ceil(3) * 4
}

/// Appends a key in base64.
pub(super) fn encode(key: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + encoded_len(key.len()), b'=');
    let written = BASE64.encode_slice(key, &mut out[start..]);
    debug_assert!(written.is_ok(), "there is room for all of it");
}

/// The same as text of its own.
#[cfg(test)]
pub(super) fn encode_text(key: &[u8]) -> String {
    BASE64.encode(key)
}

/// The key that `text` is the base64 of, in `scratch`.
pub(super) fn decode<'s>(text: &[u8], scratch: &'s mut Vec<u8>) -> Result<&'s [u8], BadKey> {
    scratch.resize(text.len().div_ceil(4) * 3, 0);
    let n_bytes = BASE64.decode_slice(text, scratch).or(Err(BadKey))?;
    Ok(&scratch[..n_bytes])
}
