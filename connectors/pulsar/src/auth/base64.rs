//! Base 64: as HTTP has it in headers, and as JSON web tokens have it.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// `bytes` as letters, filled up to a multiple of four with `=`.
pub(crate) fn encode(bytes: &[u8]) -> Zeroizing<String> {
    // of its whole size at once: growing would leave copies of a secret behind
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]);
            text.push(if at <= group.len() { letter } else { '=' });
        }
    }
    text
}

/// The bytes of a part of a JSON web token: the letters of URLs, not filled up.
pub(super) fn decode_url(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 2));
    let (mut bits, mut n_bits) = (0_u32, 0);
    for letter in text.bytes() {
        let letter = match letter {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        };
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push((bits >> n_bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_those_of_the_standard() {
        let pairs: [(&[u8], &str); 5] =
            [(b"", ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (&[0xfb, 0xff], "+/8=")];
        for (bytes, text) in pairs {
            assert_eq!(encode(bytes).as_str(), text);
        }
    }

    #[test]
    fn parts_of_tokens_are_read() {
        assert_eq!(decode_url("-_8").as_deref().map(Vec::as_slice), Some(&[0xfb, 0xff][..]));
        assert_eq!(decode_url("Zm9v").as_deref().map(Vec::as_slice), Some(&b"foo"[..]));
        assert!(decode_url("Zm9v=").is_none());
    }
}
