//! Certificates that are wrong, on both sides: which one, and how, is told at once.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use insta::{allow_duplicates, assert_snapshot};
use millstream_engine::Secret;
use millstream_engine::error::ErrorKind;
use millstream_engine::source::Source as _;
use millstream_kafka::{Security, Source};

use crate::secure::{Secure, both, open_for, secure, text_of, told};
use crate::support::open_context;

/// What is said of a listener, the same by source and sink.
fn refusal(broker: &Secure, listener: &str, security: &Security) -> String {
    let address = broker.listener(listener);
    let folder = text_of(&broker.file(""));
    let start = Instant::now();
    let [of_source, of_sink] = both(&address, security, &open_context());
    assert!(start.elapsed() < Duration::from_secs(18), "it took {:?}", start.elapsed());
    assert_eq!((of_source.kind(), of_sink.kind()), (ErrorKind::Denied, ErrorKind::Denied));
    let changing = [(address.as_str(), "[address]"), (folder.as_str(), "[folder]/")];
    let [of_source, of_sink] = [of_source, of_sink].map(|error| told(&error, &changing));
    assert_eq!(of_source, of_sink);
    of_source
}

#[test]
fn unknown_authority_is_named() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(refusal(&broker, "UNKNOWN_CA", &broker.tls()), @r#"
    E0132 failed to trust the broker at [address] (step "orders"): its certificate is signed by an unknown authority, "millstream-test-other-ca"
    If you trust that authority, name its certificate with `Security::with_ca_file`.
    "#);
}

#[test]
fn system_authorities_do_not_know_the_broker() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(refusal(&broker, "TLS", &Security::tls()), @r#"
    E0132 failed to trust the broker at [address] (step "orders"): its certificate is signed by an unknown authority, "millstream-test-ca"
    If you trust that authority, name its certificate with `Security::with_ca_file`.
    "#);
}

#[test]
fn wrong_host_names_the_right_ones() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(refusal(&broker, "WRONG_HOST", &broker.tls()), @r#"
    E0130 failed to trust the broker at [address] (step "orders"): its certificate is valid for kafka.example, kafka-1.example, not for 127.0.0.1
    Use an address that the certificate names, or give the broker another certificate.
    "#);
}

#[test]
fn expired_certificate_tells_the_date() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(refusal(&broker, "EXPIRED", &broker.tls()), @r#"
    E0131 failed to trust the broker at [address] (step "orders"): its certificate expired on Feb 1 00:00:00 2024 GMT
    Give the broker a new certificate; if that date is not over, set this host's clock.
    "#);
}

#[test]
fn certificate_of_the_future_tells_the_date() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(refusal(&broker, "NOT_YET_VALID", &broker.tls()), @r#"
    E0131 failed to trust the broker at [address] (step "orders"): its certificate is not valid before Jan 1 00:00:00 2048 GMT
    Set the clock of this host, or give the broker another certificate.
    "#);
}

#[test]
fn self_signed_certificate_is_not_trusted() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(refusal(&broker, "SELF_SIGNED", &broker.tls()), @r#"
    E0132 failed to trust the broker at [address] (step "orders"): its certificate is signed by itself alone
    If you trust it, name that certificate with `Security::with_ca_file`.
    "#);
}

#[test]
fn missing_certificate_of_the_client_is_told() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(refusal(&broker, "MUTUAL", &broker.tls()), @r#"
    E0133 failed to be let in by the broker at [address]: it wants a certificate (step "orders"): bad certificate
    Set one with `Security::with_identity`.
    "#);
}

#[test]
fn certificate_of_another_authority_is_refused() {
    let Some(broker) = secure() else { return };
    let other = broker.tls().with_identity(broker.identity("client-of-other-ca"));
    assert_snapshot!(refusal(&broker, "MUTUAL", &other), @r#"
    E0133 failed to be let in by the broker at [address]: it refuses our certificate (step "orders"): bad certificate
    The certificate is from the file [folder]/client-of-other-ca.pem. It must be signed by an authority that the broker knows, and not be revoked.
    "#);
}

#[test]
fn expired_certificate_of_the_client_is_told() {
    let Some(broker) = secure() else { return };
    let expired = broker.tls().with_identity(broker.identity("expired-client"));
    assert_snapshot!(refusal(&broker, "MUTUAL", &expired), @r#"
    E0131 failed to be let in by the broker at [address] (step "orders"): the program's certificate, from the file [folder]/expired-client.pem, expired on Feb 1 00:00:00 2024 GMT
    Get a new certificate.
    "#);
}

#[test]
fn any_certificate_is_believed_only_by_the_dangerous_key() {
    let Some(broker) = secure() else { return };
    let topic = broker.topic("danger");
    let security = Security::tls().danger_accept_any_certificate();
    for listener in ["WRONG_HOST", "SELF_SIGNED"] {
        let source =
            Source::new(broker.listener(listener), &topic.name).with_security(security.clone());
        let found = source.finder(&open_context()).and_then(|mut finder| finder.find());
        assert_eq!(found.expect("it is let in").len(), 1);
    }
}

#[test]
fn handshake_that_stops_half_way_is_told_in_time() {
    if secure().is_none() {
        return;
    }
    // Its queue takes connections, and nobody reads from them.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("it is bound").to_string();
    let open = open_for(Duration::from_secs(3));
    let start = Instant::now();
    for error in both(&address, &Security::tls(), &open) {
        allow_duplicates!(assert_snapshot!(told(&error, &[(&address, "[address]")]), @r#"
        E0134 failed to agree on TLS with Kafka at [address] (step "orders"): the broker took the connection and does not answer the handshake
        Does the broker speak TLS on that port, and is nothing in between?
        "#));
    }
    assert!(start.elapsed() < Duration::from_secs(12), "it took {:?}", start.elapsed());
}

#[test]
fn plain_text_is_not_tls() {
    let Some(broker) = secure() else { return };
    let open = open_for(Duration::from_secs(3));
    for error in both(&broker.clear, &broker.tls(), &open) {
        allow_duplicates!(assert_snapshot!(told(&error, &[(&broker.clear, "[address]")]), @r#"
        E0134 failed to agree on TLS with Kafka at [address] (step "orders"): disconnected: SSL connection closed by peer
        Does the broker speak TLS on that port, and is nothing in between?
        "#));
    }
}

#[test]
fn unusable_files_are_faults_all_at_once() {
    let Some(broker) = secure() else { return };
    let mut locked = broker.identity("client").with_key_password(Secret::new("wrong-canary"));
    locked.key = Secret::from_file(broker.file("client.locked.key"));
    let mut unlocked = broker.identity("client");
    unlocked.key = locked.key.clone();
    let mut strange = broker.identity("client");
    strange.key = Secret::from_file(broker.file("good.key"));
    let none = Security::tls().with_ca_file("/no/such/ca.pem").with_identity(
        millstream_kafka::Identity::new("/no/such/client.pem", Secret::from_env("NO_SUCH_KEY")),
    );
    let keys = [locked, unlocked, strange].map(|identity| broker.tls().with_identity(identity));
    let no_pem = Security::tls().with_ca_file(broker.file("client.key"));
    let faults = keys
        .into_iter()
        .chain([none, no_pem])
        .flat_map(|security| Source::new("127.0.0.1:1", "orders").with_security(security).faults());
    let folder = text_of(&broker.file(""));
    let told: Vec<_> = faults.map(|fault| told(&fault, &[(&folder, "[folder]/")])).collect();
    assert_snapshot!(told.join("\n"), @r#"
    E0201 failed to use the key from the file [folder]/client.locked.key: it is no key in the PEM form, or the password is wrong
    E0201 failed to use the key from the file [folder]/client.locked.key: it is no key in the PEM form, or it is locked with a password
    E0201 failed to use the key from the file [folder]/good.key: it does not belong to the certificate
    E0201 failed to read authorities from the file /no/such/ca.pem: No such file or directory (os error 2)
    E0201 failed to read the certificate from the file /no/such/client.pem: No such file or directory (os error 2)
    E0202 failed to read a secret from the environment variable NO_SUCH_KEY: it is not set
    E0201 failed to use certificates from the file [folder]/client.key: there is none in it
    They must be in the PEM form.
    "#);
}
