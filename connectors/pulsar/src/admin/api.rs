//! One call of the admin API, and what its answers mean.

use std::time::Duration;

use hyper::Method;
use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::io;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::auth::{Pass, Passes};
use crate::config::{ClusterConfig, Security};
use crate::error::error_of;
use crate::net::Trouble;
use crate::net::http::{Answer, Body, HttpRequest, Url};

/// How long the cluster may take, unless said otherwise.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// What may stand in a path as it is.
const AS_IS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The admin API of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Api {
    url: String,
    security: Security,
    timeout: Duration,
}

/// Why the API refused.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    reason: String,
}

impl Api {
    pub(super) fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), security: Security::default(), timeout: TIMEOUT }
    }

    /// The API of a cluster whose settings name it.
    pub(super) fn of(config: &ClusterConfig) -> Result<Self> {
        let url = config.admin_url.clone().ok_or_else(|| {
            Error::config("use the admin API: the setting `admin_url` is not there")
                .with_hint("It is `http://HOST:8080`, or `https://HOST:8443`.")
        })?;
        Ok(Self { url, security: config.security.clone(), timeout: config.operation_timeout })
    }

    pub(super) fn with_security(self, security: Security) -> Self {
        Self { security, ..self }
    }

    pub(super) fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Asks for `path`, which is below `admin/v2`; `what` reads on after "failed to".
    pub(super) fn call(
        &self,
        method: Method,
        path: &str,
        body: Body,
        what: &str,
    ) -> Result<Answer> {
        let url = format!("{}/admin/v2/{path}", self.url.trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|why| Error::config(what).with_source(why))?;
        if self.security.tls.is_some() && !url.is_tls() {
            return Err(Error::config(what)
                .with_source(format!("TLS is set, and {url} is in the clear"))
                .with_hint("Write the URL as `https://HOST:PORT`."));
        }
        let address = url.address();
        let api = self.clone();
        let asked = async move {
            let passes = Passes::new(&api.security, api.timeout);
            let pass = passes.current().await;
            let pass = pass.map_err(|why| Trouble::NoPass { broker: address, why })?;
            let header = pass.as_ref().and_then(Pass::header);
            let tls = api.security.tls.unwrap_or_default();
            let request = HttpRequest::new(method, url, body).authorized(header);
            let answer = request.send_on(&tls, api.timeout).await?;
            // the API does not say so, nor anything else
            let expired = pass.as_ref().and_then(Pass::expired);
            Ok((answer, expired.map(|end| format!("the token expired on {end}"))))
        };
        let runtime = io::handle()?;
        // spawned, so that the calling thread only waits
        let asked = runtime.block_on(runtime.spawn(asked));
        let answer = asked.map_err(|panic| Error::config(what).with_source(panic))?;
        let (answer, expired) = answer.map_err(|trouble| error_of(&trouble, what))?;
        match (answer.status, reason(&answer)) {
            // whoever is let in and lacks a permission is told a reason
            (401 | 403, Some(reason)) => Err(self.denied(&reason, what)),
            (401 | 403, None) => Err(self.not_let_in(expired, what)),
            _ => Ok(answer),
        }
    }

    /// As [`Api::call`], for what is there or not: `None` where it is not.
    pub(super) fn find<T: DeserializeOwned>(&self, path: &str, what: &str) -> Result<Option<T>> {
        let answer = self.call(Method::GET, path, Body::Nothing, what)?;
        match answer.status {
            200 => serde_json::from_slice(&answer.body)
                .map(Some)
                .map_err(|error| unavailable(what).with_source(error)),
            404 => Ok(None),
            _ => Err(refused(&answer, what)),
        }
    }

    /// As [`Api::call`], for a change; says whether there was something to change: `nothing` is the status that says no.
    pub(super) fn change(
        &self,
        method: Method,
        path: &str,
        body: Body,
        (nothing, what): (u16, &str),
    ) -> Result<bool> {
        let answer = self.call(method, path, body, what)?;
        match answer.status {
            200..=299 => Ok(true),
            status if status == nothing => Ok(false),
            _ => Err(refused(&answer, what)),
        }
    }

    fn not_let_in(&self, expired: Option<String>, what: &str) -> Error {
        let hint = match &self.security.login {
            Some(login) => login.origin(),
            None => "Set a login with `with_security`.".to_owned(),
        };
        let refused = format!("the admin API refuses {}", self.security.user());
        Error::new(ErrorKind::Denied, codes::BAD_LOGIN, what)
            .with_source(expired.unwrap_or(refused))
            .with_hint(hint)
    }

    fn denied(&self, reason: &str, what: &str) -> Error {
        Error::new(ErrorKind::Denied, codes::NOT_AUTHORISED, what)
            .with_source(format!("{reason} ({})", self.security.user()))
            .with_hint("Needed: the role of an admin of the tenant, or of the whole cluster.")
    }
}

fn unavailable(what: &str) -> Error {
    Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what)
}

/// What the API does not do, as one of our errors.
pub(super) fn refused(answer: &Answer, what: &str) -> Error {
    let reason = reason(answer).unwrap_or_else(|| "no reason given".to_owned());
    let reason = format!("the admin API answers {}: {reason}", answer.status);
    let error = match answer.status {
        404 => Error::new(ErrorKind::Config, codes::UNKNOWN_TOPIC, what),
        400..=499 => Error::config(what),
        _ => unavailable(what),
    };
    error.with_source(reason)
}

/// The API's own words, where it is the API that answers: a page for people has none.
fn reason(answer: &Answer) -> Option<String> {
    let refusal: Refusal = serde_json::from_slice(&answer.body).ok()?;
    let line = refusal.reason.lines().next()?;
    (!line.is_empty()).then(|| line.chars().take(500).collect())
}

/// A name as it stands in a path.
pub(super) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, AS_IS).to_string()
}
