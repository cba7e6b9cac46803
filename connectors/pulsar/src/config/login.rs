//! The logins that Pulsar brokers know, and where their secrets come from.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use millstream_engine::error::Error;
use millstream_engine::{BoxError, Secret};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Pem;
use crate::net::http::Url;

/// A login, by the method that the broker asks for. A certificate as the login is [`Tls::identity`](super::Tls::identity), without one
/// of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// A JSON web token, or what else the broker takes as a token: only with TLS, or everybody on the way can use it.
    Token(Tokens),
    /// User and password as they are: only with TLS, or everybody on the way can read them.
    Basic(Credentials),
    /// Tokens of an identity provider, asked for with the program's own id and secret, and renewed before they expire.
    #[serde(rename = "oauth2")]
    OAuth2(OAuth2),
}

/// A user and the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The name, as the broker knows it.
    pub user: String,
    /// The password, looked up each time a connection is made.
    pub password: Secret,
}

/// The grant of client credentials: the program itself is the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// The base of the identity provider, which says at `/.well-known/openid-configuration` where it gives tokens.
    pub issuer_url: String,
    /// Who the program is.
    pub client: OAuth2Client,
    /// For whom the tokens are, as the broker is set up. Default: none.
    #[serde(default)]
    pub audience: Option<String>,
    /// What the tokens are for, as the identity provider has it. Default: none.
    #[serde(default)]
    pub scope: Option<String>,
    /// The authorities that the identity provider's certificate may be signed by. Default: those of the operating system.
    #[serde(default)]
    pub ca: Option<Pem>,
}

/// Who a program is for its identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OAuth2Client {
    /// An id and its secret.
    Secret {
        /// The id.
        client_id: String,
        /// Its secret, looked up each time a token is asked for.
        client_secret: Secret,
    },
    /// A key file as Pulsar's other clients have it: JSON with `client_id` and `client_secret`, read each time a token is asked for.
    KeyFile(PathBuf),
}

impl Login {
    /// [`Login::Token`] with one token, looked up each time a connection is made and each time that the broker asks for a fresh one.
    pub fn token(token: Secret) -> Self {
        Self::Token(Tokens::from(token))
    }

    /// [`Login::Token`] with tokens that the program fetches.
    pub fn token_from(supplier: impl TokenSupplier) -> Self {
        Self::Token(Tokens::from_supplier(supplier))
    }

    /// [`Login::Basic`].
    pub fn basic(user: impl Into<String>, password: Secret) -> Self {
        Self::Basic(Credentials { user: user.into(), password })
    }

    /// [`Login::OAuth2`].
    pub fn oauth2(issuer_url: impl Into<String>, client: OAuth2Client) -> Self {
        Self::OAuth2(OAuth2::new(issuer_url, client))
    }

    pub(super) fn faults(&self) -> Vec<Error> {
        match self {
            Self::Token(Tokens(Origin::Secret(token))) => {
                token.reveal().err().into_iter().collect()
            }
            Self::Token(_) => Vec::new(),
            Self::Basic(Credentials { user, password }) => {
                let nameless = (user.is_empty() || user.contains(':')).then(|| {
                    Error::config("log in to Pulsar: the name of the user is empty, or has a colon")
                        .with_hint("Name the user in `Login`.")
                });
                nameless.into_iter().chain(password.reveal().err()).collect()
            }
            Self::OAuth2(oauth2) => oauth2.faults(),
        }
    }

    /// Whom the broker takes the client for, to read on in a sentence.
    pub(crate) fn user(&self) -> String {
        match self {
            Self::Token(tokens) => format!("the user of the token {tokens}"),
            Self::Basic(credentials) => format!("user \"{}\"", credentials.user),
            Self::OAuth2(oauth2) => match &oauth2.client {
                OAuth2Client::Secret { client_id, .. } => format!("the client \"{client_id}\""),
                OAuth2Client::KeyFile(path) => {
                    format!("the client of the key file {}", path.display())
                }
            },
        }
    }

    /// Who logs in, to read on in a sentence.
    pub(crate) fn who(&self) -> String {
        match self {
            Self::Token(_) => "by a token".to_owned(),
            Self::Basic(_) | Self::OAuth2(_) => format!("as {}", self.user()),
        }
    }

    /// Where the secret comes from, as one sentence.
    pub(crate) fn origin(&self) -> String {
        match self {
            Self::Token(tokens) => format!("The token is {tokens}."),
            Self::Basic(credentials) => format!("The password is {}.", credentials.password),
            Self::OAuth2(oauth2) => format!("The token is from {}.", oauth2.issuer_url),
        }
    }
}

impl OAuth2 {
    /// Tokens of the identity provider at `issuer_url`, without audience and scope.
    pub fn new(issuer_url: impl Into<String>, client: OAuth2Client) -> Self {
        Self { issuer_url: issuer_url.into(), client, audience: None, scope: None, ca: None }
    }

    /// Sets for whom the tokens are; [`OAuth2::audience`].
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Sets what the tokens are for; [`OAuth2::scope`].
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Sets who may sign the identity provider's certificate, a PEM file; [`OAuth2::ca`].
    #[must_use]
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(Pem::File(path.into()));
        self
    }

    fn faults(&self) -> Vec<Error> {
        let client = match &self.client {
            OAuth2Client::Secret { client_secret, .. } => client_secret.reveal().err(),
            OAuth2Client::KeyFile(path) => Secret::from_file(path).reveal().err(),
        };
        let url = Url::parse(&self.issuer_url)
            .err()
            .map(|why| Error::config("use the issuer URL").with_source(why));
        let ca = self.ca.as_ref().and_then(|ca| ca.certificates("authorities").err());
        [client, url, ca].into_iter().flatten().collect()
    }
}

impl From<OAuth2> for Login {
    fn from(oauth2: OAuth2) -> Self {
        Self::OAuth2(oauth2)
    }
}

/// Gives tokens, whenever one is needed; a closure is one.
///
/// # Blocking
/// May take its time: a thread of its own calls it, one call at a time, when a connection is made and when the broker says that the
/// last token has expired.
pub trait TokenSupplier: Send + Sync + 'static {
    /// A token that is good from now on.
    ///
    /// # Errors
    /// Why there is none now. The text is logged and shown: no secrets in it.
    fn token(&self) -> Result<Secret, BoxError>;
}

impl<F: Fn() -> Result<Secret, BoxError> + Send + Sync + 'static> TokenSupplier for F {
    fn token(&self) -> Result<Secret, BoxError> {
        self()
    }
}

/// Tokens for [`Login::Token`]: one [`Secret`], or a supplier. In a configuration it is the secret.
///
/// # Examples
/// ```
/// use millstream_engine::Secret;
/// use millstream_pulsar::{Login, Security};
///
/// let login = Login::token_from(|| Ok(Secret::new("asked of the identity provider".to_owned())));
/// let security = Security::tls().with_login(login);
/// assert!(!format!("{security:?}").contains("asked"));
/// ```
#[derive(Clone)]
pub struct Tokens(Origin);

#[derive(Clone)]
enum Origin {
    Secret(Secret),
    Supplier(Arc<dyn TokenSupplier>),
}

impl Tokens {
    /// Tokens that the program fetches.
    pub fn from_supplier(supplier: impl TokenSupplier) -> Self {
        Self(Origin::Supplier(Arc::new(supplier)))
    }

    /// The token to use now; may block.
    pub(crate) fn token(&self) -> Result<Secret, BoxError> {
        match &self.0 {
            Origin::Secret(secret) => Ok(secret.clone()),
            Origin::Supplier(supplier) => supplier.token(),
        }
    }
}

impl From<Secret> for Tokens {
    fn from(secret: Secret) -> Self {
        Self(Origin::Secret(secret))
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Origin::Secret(secret) => secret.fmt(f),
            Origin::Supplier(_) => f.write_str("from the program's supplier"),
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({self})")
    }
}

impl PartialEq for Tokens {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Origin::Secret(one), Origin::Secret(other)) => one == other,
            (Origin::Supplier(one), Origin::Supplier(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Tokens {}

impl Serialize for Tokens {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Origin::Secret(secret) => secret.serialize(to),
            Origin::Supplier(_) => {
                Err(S::Error::custom("a supplier of tokens cannot be written down"))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Secret::deserialize(from).map(Self::from).map_err(D::Error::custom)
    }
}
