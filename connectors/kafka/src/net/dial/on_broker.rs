//! Connections to a real broker: `MILLSTREAM_TEST_KAFKA_SECURE` and `MILLSTREAM_TEST_KAFKA_SECURE_FOLDER` name it, as for
//! `tests/security`.

use std::path::PathBuf;
use std::time::Duration;

use insta::{allow_duplicates, assert_snapshot};
use millstream_engine::Secret;

use super::*;
use crate::config::{Identity, Token, Tokens};
use crate::net::exchange::{Kind, exchange};
use crate::trouble::Cause;
use crate::wire::codec::put_n_elements;

/// The folder of the broker's certificates. Where there is none the test is skipped, which must not happen unseen on CI.
struct Broker(PathBuf);

impl Broker {
    fn find() -> Option<Self> {
        let folder = std::env::var_os("MILLSTREAM_TEST_KAFKA_SECURE_FOLDER");
        if folder.is_none() {
            assert!(std::env::var_os("CI").is_none(), "a broker must be named on CI");
            println!("SKIPPED: MILLSTREAM_TEST_KAFKA_SECURE_FOLDER is not set");
        }
        folder.map(|folder| Self(folder.into()))
    }

    fn tls(&self) -> Security {
        Security::tls().with_ca_file(self.0.join("ca.pem"))
    }

    fn identity(&self, name: &str) -> Identity {
        let file = |ending| self.0.join(format!("{name}.{ending}"));
        Identity::new(file("pem"), Secret::from_file(file("key")))
    }

    fn dial(&self, listener: &str, security: Security) -> Result<Connection, Trouble> {
        let lines = std::fs::read_to_string(self.0.join("listeners")).expect("listeners");
        let mut lines = lines.lines().filter_map(|line| line.split_once(' '));
        let address = lines.find(|(name, _)| *name == listener).expect("such a listener").1;
        let addresses = Address::parse_list(address, &security).expect("an address");
        let mut config = SinkConfig::new(address, "orders");
        config.security = security;
        Dialer::new(&config, "net").dial(&addresses[0])
    }

    fn refusal(&self, listener: &str, security: Security) -> (Cause, String) {
        let trouble = self.dial(listener, security).expect_err("it is refused");
        assert!(!trouble.reason.contains("canary"), "{}", trouble.reason);
        (trouble.cause, trouble.reason)
    }
}

fn plain(password: &str) -> Login {
    Login::plain("service", Secret::new(password))
}

fn supplied(value: &'static str) -> Tokens {
    Tokens::from_supplier(move || Ok(Token::new(value, Duration::from_hours(1))))
}

/// Asks what the broker tells only those who are logged in.
fn is_let_in(dialed: Result<Connection, Trouble>) -> Option<Instant> {
    let mut connection = dialed.expect("it is let in");
    let metadata = Kind { key: 3, version: 7 };
    assert_eq!(connection.versions.highest(3, 7..=7), Some(7));
    let asked = exchange(&mut connection.stream, (metadata, 77, "net"), |out| {
        put_n_elements(out, 0);
        out.push(0);
    });
    assert!(asked.expect("an answer").len() > 8);
    connection.ends
}

#[test]
fn good_certificates_and_passwords_are_let_in() {
    let Some(broker) = Broker::find() else { return };
    let password = || Secret::new("service-canary");
    for login in [
        plain("service-canary"),
        Login::scram_sha_256("service", password()),
        Login::scram_sha_512("service", password()),
    ] {
        for (listener, security) in
            [("SASL_PLAIN", Security::default()), ("SASL_TLS", broker.tls())]
        {
            let dialed = broker.dial(listener, security.with_login(login.clone()));
            assert_eq!(is_let_in(dialed), None, "such logins are for ever");
        }
    }
    is_let_in(broker.dial("TLS", broker.tls()));
    is_let_in(broker.dial("MUTUAL", broker.tls().with_identity(broker.identity("client"))));
    let danger = Security::tls().danger_accept_any_certificate();
    is_let_in(broker.dial("SELF_SIGNED", danger.clone()));
    is_let_in(broker.dial("WRONG_HOST", danger));
}

#[test]
fn tokens_are_good_for_a_while() {
    let Some(broker) = Broker::find() else { return };
    let login = Login::oauth_bearer(Tokens::danger_unsecured("service", Duration::from_mins(5)));
    let ends = is_let_in(broker.dial("SASL_PLAIN", Security::default().with_login(login)));
    // The broker's own bound is 4 s.
    let left = ends.expect("an end").saturating_duration_since(Instant::now());
    assert!(left < Duration::from_millis(3401), "{left:?}");
}

#[test]
fn refused_logins_are_told_in_the_brokers_words() {
    let Some(broker) = Broker::find() else { return };
    let refused = |listener, security| {
        let (cause, reason) = broker.refusal(listener, security);
        assert_eq!(cause, Cause::Login);
        reason
    };
    let in_tls = |login| refused("SASL_TLS", broker.tls().with_login(login));
    assert_snapshot!(in_tls(plain("wrong-canary")), @"authentication failed: Invalid username or password");
    let wrong = || Secret::new("wrong-canary");
    assert_snapshot!(in_tls(Login::scram_sha_256("service", wrong())), @"authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256");
    assert_snapshot!(in_tls(Login::scram_sha_512("nobody", wrong())), @"authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512");
    assert_snapshot!(refused("TLS", broker.tls().with_login(plain("x"))), @"request not valid in current SASL state");
    let token = Login::oauth_bearer(supplied("no.token.canary"));
    assert_snapshot!(refused("SASL_PLAIN", Security::default().with_login(token)), @r#"{"status":"invalid_token"}"#);
}

#[test]
fn wrong_certificates_of_the_broker_are_not_believed() {
    let Some(broker) = Broker::find() else { return };
    let listeners = ["UNKNOWN_CA", "WRONG_HOST", "EXPIRED", "NOT_YET_VALID", "SELF_SIGNED"];
    let wrong = listeners.map(|listener| (listener, broker.tls()));
    for (listener, security) in wrong.into_iter().chain([("TLS", Security::tls())]) {
        let (cause, reason) = broker.refusal(listener, security);
        assert_eq!(cause, Cause::BrokersCertificate, "{listener}");
        allow_duplicates!(assert_snapshot!(reason, @"certificate verify failed"));
    }
}

#[test]
fn wrong_certificates_of_ours_are_told() {
    let Some(broker) = Broker::find() else { return };
    let told = |security| {
        let (cause, reason) = broker.refusal("MUTUAL", security);
        assert_eq!(cause, Cause::OwnCertificate);
        reason
    };
    assert_snapshot!(told(broker.tls()), @"bad certificate");
    let shown = |name| told(broker.tls().with_identity(broker.identity(name)));
    assert_snapshot!(shown("client-of-other-ca"), @"certificate unknown");
    assert_snapshot!(shown("expired-client"), @"certificate unknown");
}

#[test]
fn wrong_listeners_hang_up() {
    let Some(broker) = Broker::find() else { return };
    let (of_clear, reason) = broker.refusal("TLS", Security::default());
    assert_eq!(of_clear, Cause::Connection);
    assert!(reason.starts_with("disconnected"), "{reason}");
    let of_tls = broker.refusal("SASL_PLAIN", broker.tls());
    assert_eq!(of_tls, (Cause::Tls, "disconnected: SSL connection closed by peer".to_owned()));
}
