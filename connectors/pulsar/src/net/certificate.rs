//! Reads from certificates what rustls does not say of them: who signed one, and when one expires.
//!
//! Nothing here decides whether a certificate is good: it is for the words of an error alone.

use millstream_engine::clock::SystemClock;
use rustls::pki_types::CertificateDer;

/// Who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signer {
    Itself,
    /// By the common name, empty where there is none.
    Authority(String),
}

pub(super) fn signer(certificate: &CertificateDer<'_>) -> Option<Signer> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    if parsed.issuer() == parsed.subject() {
        return Some(Signer::Itself);
    }
    Some(Signer::Authority(common_name(parsed.issuer()).unwrap_or_default()))
}

/// When it expired, if it did.
pub(super) fn expired(certificate: &CertificateDer<'_>) -> Option<String> {
    let now = SystemClock::new().unix_millis() / 1000;
    let end = end(certificate)?;
    (end < date(u64::try_from(now).ok()?)).then_some(end)
}

/// Seconds since 1970 as people read them.
pub(crate) fn date(unix_seconds: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(unix_seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// When it ends. In a certificate the two dates follow the name of the issuer: a list of two texts, such as `240201000000Z`, or with
/// the century from 2050 on.
fn end(certificate: &CertificateDer<'_>) -> Option<String> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    let issuer = parsed.issuer();
    let at = certificate.windows(issuer.len()).position(|bytes| bytes == issuer)? + issuer.len();
    let [0x30, _, _, n_begin, rest @ ..] = certificate.get(at..)? else { return None };
    let [_, n_end, rest @ ..] = rest.get(usize::from(*n_begin)..)? else { return None };
    let digits = std::str::from_utf8(rest.get(..usize::from(*n_end))?).ok()?.trim_end_matches('Z');
    let digits = match digits.len() {
        12 if digits < "50" => format!("20{digits}"),
        12 => format!("19{digits}"),
        _ => digits.to_owned(),
    };
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| &digits[from..to];
    Some(format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    ))
}

/// The common name within a distinguished name, as certificates write it (DER, attribute 2.5.4.3).
fn common_name(name: &[u8]) -> Option<String> {
    const COMMON_NAME: [u8; 5] = [6, 3, 0x55, 4, 3];
    let at = name.windows(COMMON_NAME.len()).position(|bytes| bytes == COMMON_NAME)?;
    // behind it: the kind of text, its length (a single byte below 128), the text
    let [_kind, n_bytes, text @ ..] = &name[at + COMMON_NAME.len()..] else { return None };
    let text = text.get(..usize::from(*n_bytes)).filter(|_| *n_bytes < 128)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_what_certificates_say() {
        let name = [&[0x31, 9, 0x30, 7, 6, 3, 0x55, 4, 3, 0x0c, 2][..], b"ca"].concat();
        assert_eq!(common_name(&name).as_deref(), Some("ca"));
        assert_eq!(common_name(&name[..name.len() - 1]), None);
        assert_eq!(common_name(b"\x31\x00"), None);
    }
}
