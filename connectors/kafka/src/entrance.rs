//! Waits until a cluster has let a client in, or has said for good that it will not.
//!
//! Without it a wrong password would be told only when the whole time for opening is over, and as a broken connection.

use std::cell::Cell;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use millstream_engine::error::{Error, ErrorKind, Result, codes};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::Consumer as _;

use crate::config::{Login, Security};
use crate::raw::RawConsumer;
use crate::verdict::no_token;

/// How long the client's own messages wait until they are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What a connection takes at most, and at least, before it counts as failed.
const SETUP: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

const SETUP_KEY: &str = "socket.connection.setup.timeout.ms";

/// Lets connections fail while there is still time to tell why, after half of the time for opening, and lets the client tell it.
pub(crate) fn give_up_in_time(config: &mut ClientConfig, security: &Security, timeout: Duration) {
    // A broker that hangs up, or does not answer a handshake, is told by a log line alone.
    let is_debug = config.get("debug").is_some();
    config.set_log_level(if is_debug { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info });
    if *security != Security::default() && config.get(SETUP_KEY).is_none() {
        let setup = (timeout / 2).clamp(SETUP.0, SETUP.1);
        config.set(SETUP_KEY, setup.as_millis().to_string());
    }
}

/// The way into a cluster that asks who comes.
#[derive(Debug, Default)]
pub(crate) struct Entrance {
    is_passed: Cell<bool>,
}

impl Entrance {
    /// Waits, the first time, until the client has heard of the cluster. A cluster without TLS and login is not waited for.
    ///
    /// # Errors
    /// *Denied* as soon as login or certificate are refused; otherwise, when the time is over, why it was for nothing.
    pub(crate) fn pass(&self, raw: &RawConsumer, brokers: &str, timeout: Duration) -> Result<()> {
        let (listener, until) = (raw.listener(), Instant::now() + timeout);
        if self.is_passed.get() || *listener.security() == Security::default() {
            return Ok(());
        }
        if let Some(danger) = danger(listener.security(), brokers) {
            listener.warn(danger);
        }
        loop {
            if raw.client().client().fetch_cluster_id(LOOK).is_some() {
                self.is_passed.set(true);
                return Ok(());
            }
            // Errors that end the client are told by whatever is asked of it next.
            let _fatal = raw.serve();
            let is_over = Instant::now() >= until;
            match listener.trouble() {
                Some(trouble) if is_over || trouble.is_lasting() => {
                    return Err(trouble.error(brokers, listener.security()));
                }
                None if is_over => return Err(unanswered(raw, brokers)),
                _ => {}
            }
        }
    }
}

/// What somebody on the way could do, where that is more than to read what is sent in the clear.
fn danger(security: &Security, brokers: &str) -> Option<&'static str> {
    match (&security.tls, &security.login) {
        (None, Some(Login::Plain(_))) if !is_loopback(brokers) => Some(
            "the password goes to Kafka as it is, and everybody on the way can read it: use TLS, or SCRAM",
        ),
        (Some(tls), _) if tls.danger_accept_any_certificate => {
            Some("every certificate is believed, so that anybody can be the broker")
        }
        _ => None,
    }
}

/// Whether all brokers are on this host.
fn is_loopback(brokers: &str) -> bool {
    brokers.split(',').all(|broker| {
        let host = broker.trim().rsplit("://").next().unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _port)| host);
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

/// The error when nothing was heard at all: there is no token, or no answer.
fn unanswered(raw: &RawConsumer, brokers: &str) -> Error {
    if let Some(reason) = raw.listener().keeper().and_then(|keeper| keeper.trouble()) {
        return no_token(brokers, reason);
    }
    let what = format!("reach Kafka at {brokers}");
    Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what).with_source("it does not answer")
}

#[cfg(test)]
mod tests {
    use millstream_engine::Secret;

    use super::*;

    #[test]
    fn dangers_are_told() {
        let plain = Login::plain("orders", Secret::new("canary"));
        let scram = Login::scram_sha_256("orders", Secret::new("canary"));
        let clear = Security::default().with_login(plain.clone());
        assert!(danger(&clear, "kafka:9092").is_some_and(|text| text.contains("password")));
        assert_eq!(danger(&clear, "localhost:9092"), None);
        assert_eq!(danger(&Security::tls().with_login(plain), "kafka:9092"), None);
        assert_eq!(danger(&Security::default().with_login(scram), "kafka:9092"), None);
        let any = Security::tls().danger_accept_any_certificate();
        assert!(danger(&any, "localhost:9092").is_some_and(|text| text.contains("certificate")));
    }

    #[test]
    fn only_this_host_is_loopback() {
        for here in [
            "localhost:9092",
            "127.0.0.1:1, 127.1.2.3:2",
            "[::1]:9092",
            "SASL_PLAINTEXT://localhost:1",
        ] {
            assert!(is_loopback(here), "{here}");
        }
        for away in
            ["kafka:9092", "localhost:1,10.0.0.1:2", "[2001:db8::1]:9092", "localhost.example:1"]
        {
            assert!(!is_loopback(away), "{away}");
        }
    }
}
