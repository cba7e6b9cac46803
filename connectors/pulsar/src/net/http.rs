//! One request by HTTP, over the same streams as brokers are spoken to: the admin API, and identity providers.
//!
//! Invariant: an answer has a largest size and a deadline, and nothing secret is sent on in the clear where it was to be encrypted.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::Trouble;
use super::dial::{Stream, dial};
use crate::config::Tls;

/// Bytes of an answer at most: statistics of a topic of many partitions have room.
const MAX_BYTES: usize = 16 << 20;

/// Brokers that may send us on to another one before we give up.
const MAX_REDIRECTS: usize = 10;

/// `http://HOST:PORT/PATH` or `https://HOST:PORT/PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url(Uri);

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// That it is none, as a reason.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let uri = text.parse::<Uri>().ok();
        let good = uri.filter(|uri| {
            let scheme = uri.scheme_str();
            let has_user =
                uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
            matches!(scheme, Some("http" | "https")) && uri.host().is_some() && !has_user
        });
        // one with a user may have a password
        let shown = if text.contains('@') { "a URL with a user" } else { text };
        good.map(Self).ok_or_else(|| format!("\"{shown}\" is not `http://HOST` or `https://HOST`"))
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// `HOST:PORT`.
    pub(crate) fn address(&self) -> String {
        let port = self.0.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 });
        format!("{}:{port}", self.0.host().unwrap_or_default())
    }

    fn path(&self) -> &str {
        self.0.path_and_query().map_or("/", |path| path.as_str())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is sent.
#[derive(Clone)]
pub(crate) enum Body {
    Nothing,
    Json(String),
    Form(Zeroizing<String>),
}

/// A request.
#[derive(Clone)]
pub(crate) struct HttpRequest {
    method: Method,
    url: Url,
    body: Body,
    authorization: Option<Zeroizing<String>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl From<Response<Bytes>> for Answer {
    fn from(answer: Response<Bytes>) -> Self {
        Self { status: answer.status().as_u16(), body: answer.into_body() }
    }
}

impl HttpRequest {
    pub(crate) fn new(method: Method, url: Url, body: Body) -> Self {
        Self { method, url, body, authorization: None }
    }

    pub(crate) fn get(url: Url) -> Self {
        Self::new(Method::GET, url, Body::Nothing)
    }

    pub(crate) fn post(url: Url, body: Body) -> Self {
        Self::new(Method::POST, url, body)
    }

    /// Sets the header `Authorization`.
    pub(crate) fn authorized(mut self, by: Option<Zeroizing<String>>) -> Self {
        self.authorization = by;
        self
    }

    /// Sends it; waits at most `limit`.
    pub(crate) async fn send(&self, tls: &Tls, limit: Duration) -> Result<Answer, Trouble> {
        self.once(tls, Instant::now() + limit).await.map(Answer::from)
    }

    /// As [`HttpRequest::send`], and once more wherever a broker sends us on: the one that serves the topic.
    pub(crate) async fn send_on(mut self, tls: &Tls, limit: Duration) -> Result<Answer, Trouble> {
        let deadline = Instant::now() + limit;
        for _ in 0..MAX_REDIRECTS {
            let answer = self.once(tls, deadline).await?;
            if !matches!(answer.status().as_u16(), 307 | 308) {
                return Ok(answer.into());
            }
            self.url = self.sent_on(&answer)?;
        }
        Err(self.protocol(format!("sent on {MAX_REDIRECTS} times")))
    }

    /// Where we are sent on to.
    fn sent_on(&self, answer: &Response<Bytes>) -> Result<Url, Trouble> {
        let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let location = location.ok_or_else(|| self.protocol("sent on to nowhere"))?;
        let next = Url::parse(location).map_err(|why| self.protocol(why))?;
        if self.url.is_tls() && !next.is_tls() {
            return Err(self.protocol(format!("sent on to {next}, in the clear")));
        }
        Ok(next)
    }

    async fn once(&self, tls: &Tls, deadline: Instant) -> Result<Response<Bytes>, Trouble> {
        let address = self.url.address();
        let tls = self.url.is_tls().then_some(tls);
        let exchange = async {
            match dial(&address, tls, deadline).await? {
                Stream::Plain(stream) => self.exchange(stream).await,
                Stream::Tls(stream) => self.exchange(stream).await,
            }
        };
        let silent = || Trouble::Silent { broker: address.clone(), what: "a page" };
        timeout_at(deadline, exchange).await.unwrap_or_else(|_| Err(silent()))
    }

    async fn exchange<S>(&self, stream: S) -> Result<Response<Bytes>, Trouble>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let request = self.request()?;
        let failed = |error: hyper::Error| self.failed(&error);
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(failed)?;
        let answered = async {
            let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
            let body = Limited::new(body, MAX_BYTES).collect().await;
            let body = body.map_err(|error| self.protocol(error.to_string()))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::pin!(answered);
        // the connection moves the bytes, and may end as soon as it has moved them all
        tokio::select! {
            biased;
            answer = &mut answered => answer,
            _ = connection => answered.await,
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, Trouble> {
        let (body, content_type) = match &self.body {
            Body::Nothing => (Bytes::new(), "application/json"),
            Body::Json(text) => (Bytes::copy_from_slice(text.as_bytes()), "application/json"),
            Body::Form(text) => {
                (Bytes::copy_from_slice(text.as_bytes()), "application/x-www-form-urlencoded")
            }
        };
        let host = self.url.0.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.url.path())
            .header(HOST, host)
            .header(CONNECTION, "close")
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, content_type);
        if let Some(by) = &self.authorization {
            let value = HeaderValue::from_str(by).ok();
            let value = value.ok_or_else(|| self.protocol("HTTP cannot carry the login"))?;
            request = request.header(AUTHORIZATION, secret(value));
        }
        request.body(Full::new(body)).map_err(|error| self.protocol(error.to_string()))
    }

    /// What hyper says; TLS below it may have more to say.
    fn failed(&self, error: &hyper::Error) -> Trouble {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(cause) = next {
            if let Some(of_socket) = cause.downcast_ref::<std::io::Error>() {
                return Trouble::io(&self.url.address(), of_socket);
            }
            next = cause.source();
        }
        self.protocol(error.to_string())
    }

    fn protocol(&self, why: impl Into<String>) -> Trouble {
        Trouble::Protocol { broker: self.url.address(), why: why.into() }
    }
}

/// Keeps a value out of what is logged.
fn secret(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_where_and_how() {
        let url = Url::parse("https://pulsar.example/admin?x=1").expect("a URL");
        assert_eq!((url.address().as_str(), url.path()), ("pulsar.example:443", "/admin?x=1"));
        assert!(url.is_tls());
        let bare = Url::parse("http://[::1]:8080").expect("a URL");
        assert_eq!((bare.address().as_str(), bare.path()), ("[::1]:8080", "/"));
        for bad in ["", "pulsar://a:1", "a:8080", "http://", "http://user:canary@a", "/admin"] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nobody_is_sent_on_into_the_clear() {
        let sent_on = |from: &str, to: &'static str| {
            let request = HttpRequest::get(Url::parse(from).expect("a URL"));
            let mut answer = Response::new(Bytes::new());
            answer.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
            request.sent_on(&answer).map(|url| url.to_string())
        };
        let next = sent_on("https://a:1/x", "https://b:2/x").expect("it is as safe");
        assert_eq!(next, "https://b:2/x");
        sent_on("http://a:1/x", "http://b:2/x").expect("it is as safe");
        sent_on("https://a:1/x", "http://b:2/x").expect_err("it is in the clear");
        sent_on("https://a:1/x", "nowhere").expect_err("it is no URL");
    }
}
