//! The logins that Kafka knows as SASL mechanisms.

use millstream_engine::Secret;
use millstream_engine::error::{Error, Result};
use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};

use super::tokens::Tokens;

/// A login, by the mechanism that the broker asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// User and password as they are: only with TLS, or everybody on the way can read them.
    Plain(Credentials),
    /// User and password, of which nothing is sent that could be used again.
    #[serde(rename = "scram_sha_256")]
    ScramSha256(Credentials),
    /// As [`Login::ScramSha256`], with the longer hash.
    #[serde(rename = "scram_sha_512")]
    ScramSha512(Credentials),
    /// Tokens, which are renewed before they expire.
    #[serde(rename = "oauthbearer")]
    OAuthBearer(Tokens),
}

/// A user and the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The name, as the broker knows it.
    pub user: String,
    /// The password, looked up each time a client or a connection is made.
    pub password: Secret,
}

impl Login {
    /// [`Login::Plain`].
    pub fn plain(user: impl Into<String>, password: Secret) -> Self {
        Self::Plain(Credentials { user: user.into(), password })
    }

    /// [`Login::ScramSha256`].
    pub fn scram_sha_256(user: impl Into<String>, password: Secret) -> Self {
        Self::ScramSha256(Credentials { user: user.into(), password })
    }

    /// [`Login::ScramSha512`].
    pub fn scram_sha_512(user: impl Into<String>, password: Secret) -> Self {
        Self::ScramSha512(Credentials { user: user.into(), password })
    }

    /// [`Login::OAuthBearer`].
    pub fn oauth_bearer(tokens: Tokens) -> Self {
        Self::OAuthBearer(tokens)
    }

    /// Kafka's name for the mechanism.
    pub(crate) fn mechanism(&self) -> &'static str {
        match self {
            Self::Plain(_) => "PLAIN",
            Self::ScramSha256(_) => "SCRAM-SHA-256",
            Self::ScramSha512(_) => "SCRAM-SHA-512",
            Self::OAuthBearer(_) => "OAUTHBEARER",
        }
    }

    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        match self {
            Self::Plain(credentials)
            | Self::ScramSha256(credentials)
            | Self::ScramSha512(credentials) => Some(credentials),
            Self::OAuthBearer(_) => None,
        }
    }

    pub(crate) fn tokens(&self) -> Option<&Tokens> {
        match self {
            Self::OAuthBearer(tokens) => Some(tokens),
            _ => None,
        }
    }

    pub(super) fn faults(&self) -> Vec<Error> {
        let Some(Credentials { user, password }) = self.credentials() else { return Vec::new() };
        let nameless = user.is_empty().then(|| {
            Error::config("log in to Kafka: the name of the user is empty")
                .with_hint("Name the user in `Login`.")
        });
        nameless.into_iter().chain(password.reveal().err()).collect()
    }

    pub(super) fn apply(&self, config: &mut ClientConfig) -> Result<()> {
        config.set("sasl.mechanisms", self.mechanism());
        if let Some(Credentials { user, password }) = self.credentials() {
            config.set("sasl.username", user).set("sasl.password", password.reveal()?.as_str());
        }
        Ok(())
    }
}
