//! How a client proves who it is, and how it knows whom it talks to: TLS, certificates, logins.
//!
//! Invariant: secrets are looked up when a client of librdkafka is made, or a connection of ours, and are kept nowhere else.

use std::path::PathBuf;

use millstream_engine::Secret;
use millstream_engine::error::{Error, Result};
use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};

use super::login::Login;
use super::tokens::Tokens;
use crate::certificate;

/// How to reach a cluster: in the clear (the default) or by TLS, without a login (the default) or with one.
///
/// # Examples
/// ```
/// use millstream_engine::Secret;
/// use millstream_kafka::{Login, Security, Source};
///
/// let login = Login::scram_sha_512("orders", Secret::from_env("ORDERS_PASSWORD"));
/// let security = Security::tls().with_login(login);
/// let orders = Source::new("kafka.example:9093", "orders").with_security(security);
/// assert!(!format!("{orders:?}").contains("swordfish"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    /// TLS. Default: none, so that everybody on the way can read and change what is sent.
    pub tls: Option<Tls>,
    /// The login. Default: none.
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
    /// A file, read each time a client or a connection is made.
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
    /// Its key, in the PEM form.
    pub key: Secret,
    /// What the key is locked with. Default: it is not.
    #[serde(default)]
    pub key_password: Option<Secret>,
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
        let Some(tls) = &self.tls else { return faults };
        if let Some(ca) = &tls.ca {
            faults
                .extend(ca.read("authorities").and_then(|pem| certificate::parse(&pem, ca)).err());
        }
        if let Some(identity) = &tls.identity {
            faults.extend(identity.faults());
        }
        faults
    }

    /// Whom the broker takes the client for, to read on in a sentence.
    pub(crate) fn user(&self) -> String {
        let identity = self.tls.as_ref().and_then(|tls| tls.identity.as_ref());
        match (&self.login, identity) {
            (Some(login), _) => match (login.credentials(), login.tokens()) {
                (Some(credentials), _) => format!("user \"{}\"", credentials.user),
                (None, tokens) => tokens.map(Tokens::user).unwrap_or_default(),
            },
            (None, Some(identity)) => {
                format!("the user of the certificate {}", identity.certificate.origin())
            }
            (None, None) => "a client without a login".to_owned(),
        }
    }

    /// Kafka's name for how a listener is reached.
    pub(crate) fn protocol(&self) -> &'static str {
        match (&self.tls, &self.login) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        }
    }

    /// Adds what librdkafka has to know. The secrets are in `config` from then on.
    pub(crate) fn apply(&self, config: &mut ClientConfig) -> Result<()> {
        config.set("security.protocol", self.protocol());
        if let Some(login) = &self.login {
            login.apply(config)?;
        }
        self.tls.as_ref().map_or(Ok(()), |tls| tls.apply(config))
    }
}

impl Tls {
    fn apply(&self, config: &mut ClientConfig) -> Result<()> {
        let verified = if self.danger_accept_any_certificate { "false" } else { "true" };
        config.set("enable.ssl.certificate.verification", verified);
        if let Some(ca) = &self.ca {
            config.set("ssl.ca.pem", ca.read("authorities")?);
        }
        let Some(identity) = &self.identity else { return Ok(()) };
        config.set("ssl.certificate.pem", identity.certificate.read("the certificate")?);
        config.set("ssl.key.pem", identity.key.reveal()?.as_str());
        if let Some(password) = &identity.key_password {
            config.set("ssl.key.password", password.reveal()?.as_str());
        }
        Ok(())
    }
}

impl Identity {
    /// A certificate, a PEM file, and its key.
    pub fn new(certificate: impl Into<PathBuf>, key: Secret) -> Self {
        Self { certificate: Pem::File(certificate.into()), key, key_password: None }
    }

    /// Sets what the key is locked with; [`Identity::key_password`].
    #[must_use]
    pub fn with_key_password(mut self, password: Secret) -> Self {
        self.key_password = Some(password);
        self
    }

    fn faults(&self) -> Vec<Error> {
        let certificates = self
            .certificate
            .read("the certificate")
            .and_then(|pem| certificate::parse(&pem, &self.certificate));
        let password = self.key_password.as_ref().map(Secret::reveal).transpose();
        match (certificates, self.key.reveal(), password) {
            (Ok(certificates), Ok(key), Ok(password)) => {
                certificate::check_key(&certificates, self, &key, password.as_ref())
                    .err()
                    .into_iter()
                    .collect()
            }
            (certificates, key, password) => {
                [certificates.err(), key.err(), password.err()].into_iter().flatten().collect()
            }
        }
    }
}

impl Pem {
    /// The text; `what` it is, for the error.
    pub(crate) fn read(&self, what: &str) -> Result<String> {
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
