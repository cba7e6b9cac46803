//! Tokens that nobody has signed, as brokers accept them that are set up for tests.

use std::time::Duration;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A JWS of the algorithm `none` for `principal`, good from now on.
pub(crate) fn token(principal: &str, unix_millis: i64, lifetime: Duration) -> String {
    let now = unix_millis / 1000;
    let end = now.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX));
    let principal = principal.replace('\\', r"\\").replace('"', r#"\""#);
    let principal = principal.replace(char::is_control, "");
    let claims = format!(r#"{{"sub":"{principal}","iat":{now},"exp":{end}}}"#);
    format!("{}.{}.", base64url(br#"{"alg":"none"}"#), base64url(claims.as_bytes()))
}

/// Base 64 for URLs, without padding.
fn base64url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=group.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_two_parts_and_no_signature() {
        assert_eq!(base64url(b""), "");
        assert_eq!(base64url(b"f"), "Zg");
        assert_eq!(base64url(b"fo"), "Zm8");
        assert_eq!(base64url(b"foo"), "Zm9v");
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
        let odd = token("a\"b\\\u{e9}\n", 0, Duration::ZERO);
        let claims = base64url(r#"{"sub":"a\"b\\é","iat":0,"exp":0}"#.as_bytes());
        assert_eq!(odd.split('.').nth(1), Some(claims.as_str()));
        let token = token("svc", 1_000_000, Duration::from_secs(7));
        assert_eq!(token, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzdmMiLCJpYXQiOjEwMDAsImV4cCI6MTAwN30.");
    }
}
