//! How a client proves who it is, and how it knows whom it talks to: TLS, certificates, logins.
//!
//! Invariant: secrets are looked up when a connection is made or a broker asks again, and are kept nowhere else.

use std::path::PathBuf;

use millstream_engine::Secret;
use millstream_engine::error::{Error, Result};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use super::login::Login;

/// How to reach a cluster: in the clear (the default) or by TLS, without a login (the default) or with one.
///
/// # Examples
/// ```
/// use millstream_engine::Secret;
/// use millstream_pulsar::{Login, Security};
///
/// let login = Login::token(Secret::from_env("PULSAR_TOKEN"));
/// let security = Security::tls().with_login(login);
/// assert!(format!("{security:?}").contains("PULSAR_TOKEN"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    /// TLS. Default: none, so that everybody on the way can read and change what is sent.
    pub tls: Option<Tls>,
    /// The login. Default: none; with [`Tls::identity`] the certificate is the login.
    pub login: Option<Login>,
}

/// TLS, which always checks the broker's certificate and that it is made for the host of the address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The authorities that the broker's certificate may be signed by. Default: those of the operating system.
    pub ca: Option<Pem>,
    /// The certificate to show to the broker (mutual TLS). Default: none.
    pub identity: Option<Identity>,
    /// Believes every broker, so that anybody can be one: for experiments only. Default: no.
    pub danger_accept_any_certificate: bool,
}

/// Certificates in the PEM form, which are no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pem {
    /// A file, read each time a connection is made.
    File(PathBuf),
    /// The text itself.
    Text(String),
}

/// A certificate of the program with its key, for mutual TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The certificate, with those that lead to an authority that the broker knows.
    pub certificate: Pem,
    /// Its key, in the PEM form and not locked with a password.
    pub key: Secret,
}

impl Security {
    /// TLS with the authorities of the operating system, and no login.
    pub fn tls() -> Self {
        Self { tls: Some(Tls::default()), login: None }
    }

    /// Uses TLS and believes only brokers whose certificate these authorities signed, a PEM file; [`Tls::ca`].
    #[must_use]
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.get_or_insert_default().ca = Some(Pem::File(path.into()));
        self
    }

    /// As [`Security::with_ca_file`], from a text.
    #[must_use]
    pub fn with_ca_pem(mut self, text: impl Into<String>) -> Self {
        self.tls.get_or_insert_default().ca = Some(Pem::Text(text.into()));
        self
    }

    /// Uses TLS and shows a certificate to the broker; [`Tls::identity`].
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.tls.get_or_insert_default().identity = Some(identity);
        self
    }

    /// Logs in; [`Security::login`].
    #[must_use]
    pub fn with_login(mut self, login: Login) -> Self {
        self.login = Some(login);
        self
    }

    /// Uses TLS and believes every broker; [`Tls::danger_accept_any_certificate`].
    #[must_use]
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.tls.get_or_insert_default().danger_accept_any_certificate = true;
        self
    }

    /// All faults that can be found without the network: secrets that are not there, files that are not what they should be.
    pub(crate) fn faults(&self) -> Vec<Error> {
        let mut faults = self.login.as_ref().map(Login::faults).unwrap_or_default();
        faults.extend(self.tls.iter().flat_map(Tls::faults));
        faults
    }

    /// Whom the broker takes the client for, to read on in a sentence.
    pub(crate) fn user(&self) -> String {
        match (&self.login, self.identity()) {
            (Some(login), _) => login.user(),
            (None, Some(identity)) => {
                format!("the user of the certificate {}", identity.certificate.origin())
            }
            (None, None) => "a client without a login".to_owned(),
        }
    }

    /// The certificate of the program, where it has one.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.tls.as_ref()?.identity.as_ref()
    }
}

impl Tls {
    pub(crate) fn faults(&self) -> Vec<Error> {
        let ca = self.ca.iter().filter_map(|ca| ca.certificates("authorities").err());
        ca.chain(self.identity.iter().flat_map(Identity::faults)).collect()
    }
}

impl Identity {
    /// A certificate, a PEM file, and its key.
    pub fn new(certificate: impl Into<PathBuf>, key: Secret) -> Self {
        Self { certificate: Pem::File(certificate.into()), key }
    }

    /// The certificates.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>> {
        self.certificate.certificates("the certificate")
    }

    /// The key.
    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>> {
        let pem = self.key.reveal()?;
        let key = PrivateKeyDer::from_pem_slice(pem.as_str().as_bytes());
        // what the parser says of a key is not shown: it may quote it
        key.ok().ok_or_else(|| {
            let locked = pem.as_str().contains("ENCRYPTED");
            let reason = if locked { "it is locked with a password" } else { "it is no key" };
            Error::config(format!("use the key {}", self.key))
                .with_source(reason)
                .with_hint("It must be in the PEM form, and not locked.")
        })
    }

    fn faults(&self) -> Vec<Error> {
        match (self.certificates(), self.key()) {
            (Ok(certificates), Ok(key)) => {
                self.check_pair(certificates, key).err().into_iter().collect()
            }
            (certificates, key) => [certificates.err(), key.err()].into_iter().flatten().collect(),
        }
    }

    fn check_pair(
        &self,
        certificates: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<()> {
        let provider = rustls::crypto::ring::default_provider();
        let pair = rustls::sign::CertifiedKey::from_der(certificates, key, &provider);
        pair.map(drop).map_err(|error| {
            let reason = match error {
                rustls::Error::InconsistentKeys(_) => {
                    "it does not belong to the certificate".to_owned()
                }
                other => other.to_string(),
            };
            Error::config(format!("use the key {}", self.key)).with_source(reason)
        })
    }
}

impl Pem {
    /// The certificates, at least one; `what` they are, for the error.
    pub(crate) fn certificates(&self, what: &str) -> Result<Vec<CertificateDer<'static>>> {
        let text = self.read(what)?;
        let unusable = |reason: String| {
            Error::config(format!("use certificates {}", self.origin()))
                .with_source(reason)
                .with_hint("They must be in the PEM form.")
        };
        let found: std::result::Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        let found = found.map_err(|error| unusable(error.to_string()))?;
        if found.is_empty() { Err(unusable("there is none in it".to_owned())) } else { Ok(found) }
    }

    fn read(&self, what: &str) -> Result<String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => std::fs::read_to_string(path).map_err(|error| {
                Error::config(format!("read {what} from the file {}", path.display()))
                    .with_source(error)
            }),
        }
    }

    /// Where it comes from.
    pub(crate) fn origin(&self) -> String {
        match self {
            Self::Text(_) => "given by the program".to_owned(),
            Self::File(path) => format!("from the file {}", path.display()),
        }
    }
}
