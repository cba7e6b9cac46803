//! What a client shows to be let in: made anew for each connection, and when a broker asks for a fresh one.
//!
//! Invariant: passes are wiped from memory when dropped, and neither `Debug` nor an error shows one.

pub(crate) mod base64;
mod oauth2;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::Secret;
use millstream_engine::clock::SystemClock;
use millstream_engine::error::Error;
use millstream_engine::secret::Revealed;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::timeout;
use zeroize::Zeroizing;

use self::oauth2::Issuer;
use crate::config::{Credentials, Login, Security, Tokens};
use crate::net::{LoginTold, date};

/// What is shown.
pub(crate) struct Pass {
    method: Method,
    value: Zeroizing<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Token,
    Basic,
    /// The certificate says it all.
    Certificate,
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pass({:?})", self.method)
    }
}

impl Pass {
    /// Pulsar's name for how the client logs in.
    pub(crate) fn method(&self) -> &'static str {
        match self.method {
            Method::Token => "token",
            Method::Basic => "basic",
            Method::Certificate => "tls",
        }
    }

    /// What the binary protocol carries.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.value.as_bytes()
    }

    /// When a JSON web token expired, if it is one and did; brokers do not tell.
    pub(crate) fn expired(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Claims {
            exp: u64,
        }
        let claims = base64::decode_url(self.value.split('.').nth(1)?)?;
        let Claims { exp } = serde_json::from_slice(&claims).ok()?;
        let now = u64::try_from(SystemClock::new().unix_millis() / 1000).ok()?;
        (exp <= now).then(|| date(exp))
    }

    /// What the admin API takes as `Authorization`, where it takes one.
    pub(crate) fn header(&self) -> Option<Zeroizing<String>> {
        match self.method {
            Method::Token => Some(Zeroizing::new(format!("Bearer {}", self.value.as_str()))),
            Method::Basic => {
                let encoded = base64::encode(self.value.as_bytes());
                Some(Zeroizing::new(format!("Basic {}", encoded.as_str())))
            }
            Method::Certificate => None,
        }
    }
}

/// Makes passes, by the settings of one source, one sink or one admin.
#[derive(Debug)]
pub(crate) struct Passes {
    security: Security,
    /// Held while a supplier is asked, so that one that hangs holds one thread and not more with each try.
    asking: Arc<Mutex<()>>,
    issuer: Issuer,
    /// The longest that a supplier or an identity provider may take.
    limit: Duration,
}

impl Passes {
    pub(crate) fn new(security: &Security, limit: Duration) -> Self {
        let security = security.clone();
        Self { security, asking: Arc::default(), issuer: Issuer::default(), limit }
    }

    /// A pass that is good now; none where there is no login.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub(crate) async fn current(&self) -> Result<Option<Pass>, String> {
        let made = async {
            match &self.security.login {
                None => Ok(self.security.identity().map(|_| Pass::of_certificate())),
                Some(Login::Basic(credentials)) => basic(credentials.clone()).await.map(Some),
                Some(Login::Token(tokens)) => self.supplied(tokens.clone()).await.map(Some),
                Some(Login::OAuth2(oauth2)) => {
                    let token = self.issuer.token(oauth2, self.limit).await?;
                    Ok(Some(Pass { method: Method::Token, value: token }))
                }
            }
        };
        let made = timeout(self.limit, made).await;
        made.unwrap_or_else(|_| Err("the supplier has not answered yet".to_owned()))
    }

    /// A pass in the place of one that the broker takes no more.
    ///
    /// # Errors
    /// As [`Passes::current`].
    pub(crate) async fn renewed(&self) -> Result<Option<Pass>, String> {
        self.forget().await;
        self.current().await
    }

    /// The broker does not take the newest pass: the next one is made anew.
    pub(crate) async fn forget(&self) {
        self.issuer.forget().await;
    }

    /// Whom the broker takes the client for, to read on in a sentence.
    pub(crate) fn user(&self) -> String {
        self.security.user()
    }

    /// Who logs in, where somebody does.
    pub(crate) fn told(&self) -> Option<LoginTold> {
        match (&self.security.login, self.security.identity()) {
            (Some(login), _) => Some(LoginTold { who: login.who(), origin: login.origin() }),
            (None, Some(identity)) => {
                let origin = format!("The certificate is {}.", identity.certificate.origin());
                Some(LoginTold { who: "by a certificate".to_owned(), origin })
            }
            (None, None) => None,
        }
    }

    async fn supplied(&self, tokens: Tokens) -> Result<Pass, String> {
        let turn = Arc::clone(&self.asking).lock_owned().await;
        let supplied = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let token = tokens.token().map_err(|error| error.to_string())?;
            reveal(&token)
        });
        let token = supplied.await.map_err(|_panic| "the supplier panicked".to_owned())??;
        // brokers and HTTP take nothing else, and would show it in their complaint
        let is_token = token.as_str().bytes().all(|byte| byte.is_ascii_graphic());
        if !is_token {
            return Err("the token has other letters than tokens have".to_owned());
        }
        Ok(Pass { method: Method::Token, value: Zeroizing::new(token.as_str().to_owned()) })
    }
}

impl Pass {
    fn of_certificate() -> Self {
        Self { method: Method::Certificate, value: Zeroizing::default() }
    }
}

async fn basic(credentials: Credentials) -> Result<Pass, String> {
    let password = revealed(credentials.password).await?;
    let value = Zeroizing::new(format!("{}:{}", credentials.user, password.as_str()));
    Ok(Pass { method: Method::Basic, value })
}

/// Looks a secret up, where that may block.
async fn revealed(secret: Secret) -> Result<Revealed, String> {
    let found = tokio::task::spawn_blocking(move || reveal(&secret)).await;
    found.map_err(|_panic| "looking it up panicked".to_owned())?
}

fn reveal(secret: &Secret) -> Result<Revealed, String> {
    secret.reveal().map_err(|error| reason_of(&error))
}

/// An error of settings, as a reason.
fn reason_of(error: &Error) -> String {
    let cause = error.cause().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("failed to {error}{cause}")
}

#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;
