//! Why a cluster does not let a client in, read from what librdkafka says by the way; `verdict` tells it as one of our errors.
//!
//! librdkafka itself answers every question with a broken connection, whatever the reason.

use crate::error::lower_first;

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
    /// There is no token to log in with.
    Token,
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
        // Log lines begin with the thread that they come from.
        let text = text
            .strip_prefix("[thrd:")
            .and_then(|text| text.split_once("]: "))
            .map_or(text, |(_, text)| text);
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
}

/// Where TLS went wrong by OpenSSL's own words, and why. With TLS 1.3 our certificate is refused only after the handshake.
pub(crate) fn classify_tls(words: &str) -> (Cause, String) {
    let line = format!("SSL handshake failed: {words}");
    let (cause, reason) = classify(&line, true);
    (cause, reason.to_owned())
}

fn classify(text: &str, in_handshake: bool) -> (Cause, &str) {
    // What follows speaks of options that are not ours.
    let ends = [
        ": requesting ApiVersion: might be",
        ": verify that security.protocol",
        ": receive 0 after",
    ];
    let text = ends.iter().fold(text, |text, end| text.split(end).next().unwrap_or(text));
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
                "k:9/1: Disconnected: verify that security.protocol is correctly configured, broker might require SASL authentication (after 1ms in state UP)",
                (Cause::Connection, "disconnected", "k:9", true),
            ),
            (
                "[thrd:k:9/bootstrap]: k:9/bootstrap: Disconnected: requesting ApiVersion: might be caused by incorrect security.protocol (after 1ms in state APIVERSION_QUERY)",
                (Cause::Connection, "disconnected", "k:9", false),
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
