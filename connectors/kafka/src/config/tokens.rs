//! Where the tokens of OAUTHBEARER come from.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::clock::SystemClock;
use millstream_engine::{BoxError, Secret};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::keeper::Keeper;
use crate::unsecured;

/// How long a token from a file counts as fresh: it is read again after four fifths of this.
const FILE_LIFETIME: Duration = Duration::from_mins(1);

/// Gives tokens, whenever one is needed; a closure is one.
///
/// # Blocking
/// May take its time: a thread of its own calls it, one for all clients that share the [`Tokens`]. The next call comes when four
/// fifths of the token's lifetime are over, but not before 1 s, or, after an error, in 1 s, then 2 s, up to 30 s, or, while the broker refuses the token, in 5 s.
///
pub trait TokenSupplier: Send + Sync + 'static {
    /// A token that is good from now on.
    ///
    /// # Errors
    /// Why there is none now. The text is logged and shown: no secrets in it.
    fn token(&self) -> Result<Token, BoxError>;
}

impl<F: Fn() -> Result<Token, BoxError> + Send + Sync + 'static> TokenSupplier for F {
    fn token(&self) -> Result<Token, BoxError> {
        self()
    }
}

/// A token, and how long it is good from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub(crate) value: Secret,
    pub(crate) lifetime: Duration,
}

impl Token {
    /// A token that expires in `lifetime`.
    pub fn new(value: impl Into<String>, lifetime: Duration) -> Self {
        Self { value: Secret::new(value), lifetime }
    }
}

/// Tokens for [`crate::Login::OAuthBearer`]. Clones share one supplier and its newest token.
///
/// In a configuration it is `{ "file": PATH }`, or `{ "danger_unsecured": … }` for tests.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use millstream_kafka::{Login, Security, Token, Tokens};
///
/// let tokens = Tokens::from_supplier(|| {
///     let fetched = "asked of the identity provider".to_owned();
///     Ok(Token::new(fetched, Duration::from_secs(3600)))
/// });
/// let security = Security::tls().with_login(Login::oauth_bearer(tokens));
/// assert!(security.login.is_some());
/// ```
#[derive(Clone)]
pub struct Tokens {
    origin: Origin,
    pub(crate) keeper: Arc<Keeper>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Origin {
    #[serde(skip)]
    Supplier,
    File(PathBuf),
    DangerUnsecured {
        principal: String,
        lifetime: Duration,
    },
}

impl Tokens {
    /// Tokens that the program fetches.
    pub fn from_supplier(supplier: impl TokenSupplier) -> Self {
        Self { origin: Origin::Supplier, keeper: Keeper::new(Box::new(supplier)) }
    }

    /// Tokens that something else writes to a file, which is read again every 48 s.
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self::of(Origin::File(path.into()))
    }

    /// Tokens that nobody has signed (JWS of the algorithm `none`): anybody can claim to be anybody, so for tests only.
    pub fn danger_unsecured(principal: impl Into<String>, lifetime: Duration) -> Self {
        Self::of(Origin::DangerUnsecured { principal: principal.into(), lifetime })
    }

    /// Whom the tokens are for, to read on in a sentence.
    pub(crate) fn user(&self) -> String {
        match &self.origin {
            Origin::DangerUnsecured { principal, .. } => format!("user \"{principal}\""),
            _ => format!("the user of the token {self}"),
        }
    }

    fn of(origin: Origin) -> Self {
        let supplier: Box<dyn TokenSupplier> = match origin.clone() {
            Origin::File(path) => {
                let file = Secret::from_file(path);
                Box::new(move || {
                    let value = file.reveal().map_err(|error| error.report())?;
                    Ok(Token::new(value.as_str(), FILE_LIFETIME))
                })
            }
            Origin::DangerUnsecured { principal, lifetime } => {
                let clock = SystemClock::new();
                Box::new(move || {
                    let value = unsecured::token(&principal, clock.unix_millis(), lifetime);
                    Ok(Token::new(value, lifetime))
                })
            }
            Origin::Supplier => Box::new(|| Err("no supplier was given".into())),
        };
        Self { origin, keeper: Keeper::new(supplier) }
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Supplier => f.write_str("from the program's supplier"),
            Origin::File(path) => write!(f, "from the file {}", path.display()),
            Origin::DangerUnsecured { principal, .. } => {
                write!(f, "unsecured, for \"{principal}\"")
            }
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
        match self.origin {
            Origin::Supplier => Arc::ptr_eq(&self.keeper, &other.keeper),
            _ => self.origin == other.origin,
        }
    }
}

impl Eq for Tokens {}

impl Serialize for Tokens {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.origin {
            Origin::Supplier => {
                Err(S::Error::custom("a supplier of tokens cannot be written down"))
            }
            origin => origin.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Origin::deserialize(from)? {
            Origin::Supplier => Err(D::Error::custom("a supplier of tokens is given in code")),
            origin => Ok(Self::of(origin)),
        }
    }
}
