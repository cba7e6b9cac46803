//! Why a cluster does not let a client in: read from what librdkafka says by the way, told as one of our errors.

use std::time::Duration;

use millstream_engine::error::{Code, Error, ErrorKind, codes};

use crate::certificate::{self, Fault};
use crate::config::{Login, Security, Tls};
use crate::error::{WRONG_ADVERTISED, lower_first};

/// How long a broker may take for each step of the handshake that tells what is wrong with its certificate.
const INSPECTION: Duration = Duration::from_secs(2);

/// Why the brokers could not be reached, as last heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) cause: Cause,
    /// The reason, such as "connection refused".
    pub(crate) reason: String,
    /// The broker's address, as the client knows it.
    pub(crate) address: String,
    /// Whether that address is one that the cluster told us.
    pub(crate) is_told: bool,
}

/// Where it went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// On the way there, or after all went well.
    Connection,
    /// The broker refused the login.
    Login,
    /// We refuse the broker's certificate.
    BrokersCertificate,
    /// The broker refuses ours, or wants one.
    OwnCertificate,
    /// TLS went wrong in another way.
    Tls,
}

impl Trouble {
    /// Takes the reason out of a line such as
    /// `ssl://127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)`.
    /// A line that names no broker, such as "1/1 brokers are down", tells no reason.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let broker_end = text.find("://").map_or(0, |at| at + 3);
        let start = broker_end + text[broker_end..].find(": ")?;
        let (address, id) = text[broker_end..start].rsplit_once('/')?;
        let rest = &text[start + 2..];
        let rest = rest.split(" (add ").next().unwrap_or(rest);
        let (rest, state) = rest.split_once(" (after ").unwrap_or((rest, ""));
        let (cause, reason) = classify(rest, state.contains("in state SSL_HANDSHAKE"));
        Some(Self {
            cause,
            reason: lower_first(reason),
            address: address.to_owned(),
            is_told: id != "bootstrap",
        })
    }

    /// Whether trying again changes nothing until somebody has changed something.
    pub(crate) fn is_lasting(&self) -> bool {
        matches!(self.cause, Cause::Login | Cause::BrokersCertificate | Cause::OwnCertificate)
    }

    /// The error that a program gets.
    ///
    /// # Blocking
    /// Where the broker's certificate is refused: shakes hands once more, a few seconds at most.
    pub(crate) fn error(self, brokers: &str, security: &Security) -> Error {
        let is_distrust = self.cause == Cause::BrokersCertificate;
        let tls = security.tls.as_ref().filter(|_| is_distrust);
        let fault = tls.and_then(|tls| certificate::inspect(&self.address, tls, INSPECTION));
        self.told(brokers, security, fault)
    }

    /// The error that a program gets, without a look at the broker's certificate and so without waiting.
    pub(crate) fn error_at_once(self, brokers: &str, security: &Security) -> Error {
        self.told(brokers, security, None)
    }

    fn told(self, brokers: &str, security: &Security, fault: Option<Fault>) -> Error {
        match self.cause {
            Cause::Connection => self.unreachable(brokers),
            Cause::Login => self.bad_login(security),
            Cause::BrokersCertificate => self.distrusted(fault),
            Cause::OwnCertificate => self.own_certificate(security.tls.as_ref()),
            Cause::Tls => Error::new(
                ErrorKind::Unavailable,
                codes::NO_TLS,
                format!("agree on TLS with Kafka at {}", self.address),
            )
            .with_source(self.reason)
            .with_hint("Does the broker speak TLS on that port, and is nothing in between?"),
        }
    }

    fn unreachable(self, brokers: &str) -> Error {
        let Self { address, reason, .. } = self;
        if self.is_told && !brokers.contains(address.as_str()) {
            let what = format!(
                "reach Kafka at \"{address}\", the address that the broker at {brokers} tells clients to use"
            );
            return Error::new(ErrorKind::Unavailable, WRONG_ADVERTISED, what)
                .with_source(reason)
                .with_hint("Set `advertised.listeners` on the broker, or make the name known on this host.");
        }
        let what = format!("reach Kafka at {brokers}");
        Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what)
            .with_source(reason)
            .with_hint("Is a broker listening there? The address is the first argument of `new`.")
    }

    fn bad_login(self, security: &Security) -> Error {
        let Some(login) = &security.login else {
            return self.denied(
                codes::BAD_LOGIN,
                "log in to Kafka",
                "Set a login with `with_security`.",
            );
        };
        let what = format!("log in to Kafka at {} {}", self.address, who(login));
        let hint = match (login.credentials(), login.tokens()) {
            (Some(credentials), _) => format!("The password is {}.", credentials.password),
            (None, Some(tokens)) => format!("The tokens are {tokens}."),
            (None, None) => String::new(),
        };
        self.denied(codes::BAD_LOGIN, &what, &hint)
    }

    fn distrusted(self, fault: Option<Fault>) -> Error {
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        let (code, reason, hint) = match fault {
            Some(Fault::WrongHost(hosts)) => (
                codes::WRONG_HOST,
                format!("its certificate is valid for {}, not for {host}", hosts.join(", ")),
                "Use an address that the certificate names, or give the broker another certificate.",
            ),
            Some(Fault::Expired(date)) => (
                codes::OUT_OF_DATE,
                format!("its certificate expired on {date}"),
                "Give the broker a new certificate; if that date is not over, set this host's clock.",
            ),
            Some(Fault::NotYetValid(date)) => (
                codes::OUT_OF_DATE,
                format!("its certificate is not valid before {date}"),
                "Set the clock of this host, or give the broker another certificate.",
            ),
            Some(Fault::UnknownAuthority(issuer)) => (
                codes::UNKNOWN_AUTHORITY,
                format!("its certificate is signed by an unknown authority, \"{issuer}\""),
                "If you trust that authority, name its certificate with `Security::with_ca_file`.",
            ),
            Some(Fault::SelfSigned) => (
                codes::UNKNOWN_AUTHORITY,
                "its certificate is signed by itself alone".to_owned(),
                "If you trust it, name that certificate with `Security::with_ca_file`.",
            ),
            Some(Fault::Other(reason)) => {
                (codes::UNKNOWN_AUTHORITY, reason, "Give the broker another certificate.")
            }
            None => (
                codes::UNKNOWN_AUTHORITY,
                self.reason.clone(),
                "Give the broker another certificate.",
            ),
        };
        let what = format!("trust the broker at {}", self.address);
        Self { reason, ..self }.denied(code, &what, hint)
    }

    fn own_certificate(self, tls: Option<&Tls>) -> Error {
        let Some(identity) = tls.and_then(|tls| tls.identity.as_ref()) else {
            let what =
                format!("be let in by the broker at {}: it wants a certificate", self.address);
            let hint = "Set one with `Security::with_identity`.";
            return self.denied(codes::CERTIFICATE_REFUSED, &what, hint);
        };
        let origin = identity.certificate.origin();
        if let Some(date) = certificate::expired(identity) {
            let what = format!("be let in by the broker at {}", self.address);
            let reason = format!("the program's certificate, {origin}, expired on {date}");
            return Self { reason, ..self }.denied(
                codes::OUT_OF_DATE,
                &what,
                "Get a new certificate.",
            );
        }
        let what =
            format!("be let in by the broker at {}: it refuses our certificate", self.address);
        let hint = format!(
            "The certificate is {origin}. It must be signed by an authority that the broker knows, and not be revoked."
        );
        self.denied(codes::CERTIFICATE_REFUSED, &what, &hint)
    }

    fn denied(self, code: Code, what: &str, hint: &str) -> Error {
        Error::new(ErrorKind::Denied, code, what).with_source(self.reason).with_hint(hint)
    }
}

/// Who logs in, to read on in a sentence.
fn who(login: &Login) -> String {
    let mechanism = login.mechanism();
    match login.credentials() {
        Some(credentials) => format!("as user \"{}\" by {mechanism}", credentials.user),
        None => format!("by {mechanism}"),
    }
}

fn classify(text: &str, in_handshake: bool) -> (Cause, &str) {
    for start in ["SASL authentication error: ", "SASL authentication failure: "] {
        if let Some(reason) = text.strip_prefix(start) {
            return (Cause::Login, reason);
        }
    }
    if let Some((_, reason)) = text.split_once(" mechanism handshake failed: ") {
        let reason = reason.strip_prefix("Broker: ").unwrap_or(reason);
        return (Cause::Login, reason.trim_end_matches(": broker's supported mechanisms: "));
    }
    if text.contains("SASL") {
        return (Cause::Login, text);
    }
    if text.contains("certificate verify failed") || text.contains("broker certificate") {
        return (Cause::BrokersCertificate, "certificate verify failed");
    }
    if let Some((_, reason)) = text.split_once(" alert ") {
        let reason = reason.split(": SSL alert").next().unwrap_or(reason);
        let of_certificate = ["certificate", "unknown ca", "access denied"];
        let is_ours = of_certificate.iter().any(|word| reason.contains(word));
        return (if is_ours { Cause::OwnCertificate } else { Cause::Tls }, reason);
    }
    if in_handshake && text.contains("isconnected") {
        let reason = text.strip_prefix("SSL handshake failed: ").unwrap_or(text);
        return (Cause::Tls, reason.split(": connecting to").next().unwrap_or(reason));
    }
    if let Some(reason) = text.strip_prefix("SSL handshake failed: ") {
        return (Cause::Tls, reason);
    }
    if text.ends_with("timed out in state SSL_HANDSHAKE") {
        return (Cause::Tls, "the broker took the connection and does not answer the handshake");
    }
    let reason = match text.split_once("failed: ") {
        Some((before, reason)) if before.starts_with("Connect") => reason,
        _ => text,
    };
    match reason.strip_prefix("Failed to resolve ").and_then(|of| of.split_once("': ")) {
        Some((_, reason)) => (Cause::Connection, reason),
        None => (Cause::Connection, reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_and_reason_are_found_in_the_line() {
        let lines = [
            (
                "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
                (Cause::Connection, "connection refused", "127.0.0.1:1", false),
            ),
            (
                "ssl://kafka-1:9092/1: Failed to resolve 'kafka-1:9092': Name or service not known (after 4ms in state CONNECT)",
                (Cause::Connection, "name or service not known", "kafka-1:9092", true),
            ),
            (
                "sasl_ssl://k:9/bootstrap: SASL authentication error: Authentication failed: bad (after 5ms in state AUTH_REQ, 4 identical error(s) suppressed)",
                (Cause::Login, "authentication failed: bad", "k:9", false),
            ),
            (
                "sasl_ssl://k:9/2: SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: GSSAPI (after 1ms in state AUTH_HANDSHAKE)",
                (
                    Cause::Login,
                    "unsupported SASL mechanism: broker's supported mechanisms: GSSAPI",
                    "k:9",
                    true,
                ),
            ),
            (
                "ssl://k:9/1: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified (after 2ms in state SSL_HANDSHAKE)",
                (Cause::BrokersCertificate, "certificate verify failed", "k:9", true),
            ),
            (
                "ssl://k:9/1: SSL transport error: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42 (after 2ms in state APIVERSION_QUERY)",
                (Cause::OwnCertificate, "bad certificate", "k:9", true),
            ),
            (
                "ssl://k:9/1: SSL handshake failed: error:0A000410:SSL routines::sslv3 alert handshake failure: SSL alert number 40 (after 2ms in state SSL_HANDSHAKE)",
                (Cause::Tls, "handshake failure", "k:9", true),
            ),
            (
                "ssl://k:9/1: Disconnected: SSL connection closed by peer (after 9000ms in state UP)",
                (Cause::Connection, "disconnected: SSL connection closed by peer", "k:9", true),
            ),
        ];
        for (line, expected) in lines {
            let Trouble { cause, reason, address, is_told } =
                Trouble::parse(line).expect("a broker is named");
            assert_eq!((cause, reason.as_str(), address.as_str(), is_told), expected);
        }
        assert_eq!(Trouble::parse("1/1 brokers are down"), None);
    }
}
