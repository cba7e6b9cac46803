//! Tokens by OAuth 2.0, the grant of client credentials (RFC 6749, section 4.4).
//!
//! Invariant: a token is asked for again once four fifths of its life are over, so that none expires on the way to a broker.

use std::fmt;
use std::time::Duration;

use millstream_engine::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer};
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::revealed;
use crate::config::{OAuth2, OAuth2Client, Tls};
use crate::net::http::{Body, HttpRequest, Url};

/// The life of a token of which nothing is said.
const LIFETIME: Duration = Duration::from_mins(5);

/// Keeps the newest token.
#[derive(Default)]
pub(super) struct Issuer {
    held: Mutex<Option<Held>>,
}

struct Held {
    token: Zeroizing<String>,
    /// When the next one is asked for.
    until: Instant,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuer")
    }
}

/// What the identity provider says of itself.
#[derive(Deserialize)]
struct WellKnown {
    token_endpoint: String,
}

/// What it gives.
#[derive(Deserialize)]
struct Given {
    #[serde(deserialize_with = "wiped")]
    access_token: Zeroizing<String>,
    expires_in: Option<u64>,
}

/// Why it gives none.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
    error_description: String,
}

/// A key file of Pulsar's other clients.
#[derive(Deserialize)]
struct KeyFile {
    client_id: String,
    #[serde(deserialize_with = "wiped")]
    client_secret: Zeroizing<String>,
}

/// A text that is wiped from memory when dropped.
fn wiped<'de, D: Deserializer<'de>>(from: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(from).map(Zeroizing::new)
}

impl Issuer {
    /// A token that is good for a while.
    pub(super) async fn token(
        &self,
        oauth2: &OAuth2,
        limit: Duration,
    ) -> Result<Zeroizing<String>, String> {
        // those who come meanwhile wait and take the same one
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| Instant::now() < held.until) {
            return Ok(held.token.clone());
        }
        let asked_at = Instant::now();
        let given = ask(oauth2, limit).await?;
        let lifetime = given.expires_in.map_or(LIFETIME, Duration::from_secs);
        let until = asked_at + lifetime.min(Duration::from_hours(24)) / 5 * 4;
        *held = Some(Held { token: given.access_token.clone(), until });
        Ok(given.access_token)
    }

    /// The broker does not take the token any more.
    pub(super) async fn forget(&self) {
        *self.held.lock().await = None;
    }
}

async fn ask(oauth2: &OAuth2, limit: Duration) -> Result<Given, String> {
    let tls = Tls { ca: oauth2.ca.clone(), ..Tls::default() };
    let endpoint = endpoint(oauth2, &tls, limit).await?;
    let request = HttpRequest::post(endpoint.clone(), Body::Form(form(oauth2).await?));
    let answer = request.send(&tls, limit).await.map_err(|trouble| trouble.words())?;
    if answer.status != 200 {
        let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
        let words = format!("{} {} {}", answer.status, refusal.error, refusal.error_description);
        let words: String = words.trim().chars().take(500).collect();
        return Err(format!("{endpoint} answers {words}"));
    }
    // an error of the parser might quote the token
    let given = serde_json::from_slice(&answer.body).ok();
    given.ok_or_else(|| format!("{endpoint} answers without a token"))
}

/// Where the identity provider gives tokens.
async fn endpoint(oauth2: &OAuth2, tls: &Tls, limit: Duration) -> Result<Url, String> {
    let base = oauth2.issuer_url.trim_end_matches('/');
    let at = Url::parse(&format!("{base}/.well-known/openid-configuration"))?;
    let answer = HttpRequest::get(at).send(tls, limit).await.map_err(|trouble| trouble.words())?;
    if answer.status != 200 {
        return Err(format!("{base} answers {} when asked where it gives tokens", answer.status));
    }
    let known: WellKnown = serde_json::from_slice(&answer.body)
        .map_err(|error| format!("{base} does not say where it gives tokens: {error}"))?;
    let endpoint = Url::parse(&known.token_endpoint)?;
    if base.starts_with("https://") && !endpoint.is_tls() {
        return Err(format!("{base} wants the secret in the clear, at {endpoint}"));
    }
    Ok(endpoint)
}

/// The body of a request for a token.
async fn form(oauth2: &OAuth2) -> Result<Zeroizing<String>, String> {
    let (client_id, client_secret) = match &oauth2.client {
        OAuth2Client::Secret { client_id, client_secret } => {
            let secret = revealed(client_secret.clone()).await?;
            (client_id.clone(), Zeroizing::new(secret.as_str().to_owned()))
        }
        OAuth2Client::KeyFile(path) => {
            let text = revealed(Secret::from_file(path)).await?;
            let key = serde_json::from_str::<KeyFile>(text.as_str()).ok().ok_or_else(|| {
                format!("the key file {} has no client_id and client_secret", path.display())
            })?;
            (key.client_id, key.client_secret)
        }
    };
    let fields = [
        ("grant_type", Some("client_credentials")),
        ("client_id", Some(&client_id)),
        ("client_secret", Some(&client_secret)),
        ("audience", oauth2.audience.as_deref()),
        ("scope", oauth2.scope.as_deref()),
    ];
    let given = fields.iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    let pairs = given.map(|(name, value)| {
        Zeroizing::new(format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
    });
    let mut form = Zeroizing::new(String::with_capacity(4 << 10));
    for pair in pairs {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(&pair);
    }
    Ok(form)
}
