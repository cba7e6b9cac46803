//! What is wrong with a certificate, the other side's or ours, or with TLS altogether.

use std::fmt;
use std::io;

use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::certificate::{Signer, date, expired, signer};
use crate::config::Tls;

/// Why there is no TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsFault {
    /// The certificate is for these hosts.
    WrongHost(Vec<String>),
    Expired(String),
    NotYetValid(String),
    /// Signed by this one, whom nobody named as an authority.
    UnknownAuthority(String),
    SelfSigned,
    /// The certificate is refused for another reason.
    Distrusted(String),
    /// The other side refuses our certificate, or wants one: its own words.
    OwnCertificate(String),
    /// It refuses the one that is from here.
    Refused {
        reason: String,
        origin: String,
    },
    /// Ours has expired.
    OwnExpired {
        end: String,
        origin: String,
    },
    /// The other side ended the handshake, or the connection after it: its own words.
    Alert(String),
    /// We spoke in the clear, and the other side wants TLS.
    Wanted,
    /// A setting cannot be used any more: a file or a secret is gone.
    Setting(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for TlsFault {}

impl TlsFault {
    /// What made a handshake or a connection fail, where it was TLS.
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        let error: &TlsError = error.get_ref()?.downcast_ref()?;
        Some(match error {
            TlsError::InvalidCertificate(CertificateError::Other(other)) => {
                match other.0.downcast_ref::<Self>() {
                    Some(fault) => fault.clone(),
                    None => Self::Distrusted(other.to_string()),
                }
            }
            TlsError::InvalidCertificate(other) => Self::Distrusted(other.to_string()),
            TlsError::AlertReceived(alert) if is_of_certificate(*alert) => {
                Self::OwnCertificate(words(*alert))
            }
            TlsError::AlertReceived(alert) => Self::Alert(words(*alert)),
            TlsError::InvalidMessage(_) => {
                Self::Other("what the broker answers is not TLS".to_owned())
            }
            other => Self::Other(other.to_string()),
        })
    }

    /// With what is known of our own certificate, where it may be that. Reads files.
    pub(crate) fn with_own(self, tls: &Tls) -> Self {
        let (Self::OwnCertificate(reason) | Self::Alert(reason), Some(identity)) =
            (&self, &tls.identity)
        else {
            return self;
        };
        let origin = identity.certificate.origin();
        let certificates = identity.certificates().unwrap_or_default();
        match certificates.first().and_then(|first| expired(first)) {
            Some(end) => Self::OwnExpired { end, origin },
            None => Self::Refused { reason: reason.clone(), origin },
        }
    }

    /// Why a certificate was refused.
    pub(super) fn of_certificate(error: &TlsError, certificate: &CertificateDer<'_>) -> Self {
        let TlsError::InvalidCertificate(error) = error else {
            return Self::Other(error.to_string());
        };
        match error {
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::WrongHost(presented.iter().map(|name| bare(name)).collect())
            }
            CertificateError::ExpiredContext { not_after, .. } => {
                Self::Expired(date(not_after.as_secs()))
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid(date(not_before.as_secs()))
            }
            other => match (signer(certificate), other) {
                (Some(Signer::Itself), _) => Self::SelfSigned,
                (Some(Signer::Authority(name)), CertificateError::UnknownIssuer) => {
                    Self::UnknownAuthority(name)
                }
                _ => Self::Distrusted(other.to_string()),
            },
        }
    }
}

/// Whether an alert is about our certificate.
fn is_of_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired
    )
}

/// `BadCertificate` as people read it: "bad certificate".
fn words(alert: AlertDescription) -> String {
    let mut words = String::new();
    for letter in format!("{alert:?}").replace("CA", " authority").chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// The name within `DnsName("a.example")`.
fn bare(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner.trim_end_matches(')'));
    inner.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_read_as_words() {
        assert_eq!(words(AlertDescription::BadCertificate), "bad certificate");
        assert_eq!(words(AlertDescription::UnknownCA), "unknown authority");
    }

    #[test]
    fn names_are_bare() {
        assert_eq!(bare("DnsName(\"a.example\")"), "a.example");
        assert_eq!(bare("IpAddress(127.0.0.1)"), "127.0.0.1");
    }
}
