//! Certificates that are wrong, on both sides: which one, and how, is told at once.

use std::sync::Arc;

use insta::assert_snapshot;
use millstream_engine::Secret;
use millstream_engine::error::ErrorKind;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::peer::Peer;
use super::secure::{Secure, secure};
use super::{config, reach, refusal, told};
use crate::config::{Identity, Login, Pem, Security};
use crate::net::Trouble;

/// The TLS of a peer with a certificate of the folder, which may want one from the client.
fn server(broker: &Secure, name: &str, wants_certificate: bool) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let certificates = Pem::File(broker.file(&format!("{name}.pem")));
    let certificates = certificates.certificates("a certificate").expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(broker.file(&format!("{name}.key"))).expect("a key");
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = if wants_certificate {
        let mut known = RootCertStore::empty();
        for authority in Pem::File(broker.file("ca.pem")).certificates("ca").expect("a certificate")
        {
            known.add(authority).expect("an authority");
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(known), provider);
        builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    builder.with_single_cert(certificates, key).expect("they belong together")
}

/// What is said of a peer with a certificate of the folder, and with what kind of fault.
fn distrust(broker: &Secure, name: &str) -> String {
    let peer = Peer::play_over_tls(server(broker, name, false), |mut talk| async move {
        talk.stay().await;
    });
    let error = refusal(&config(&peer.address, broker.tls()));
    assert_eq!(error.kind(), ErrorKind::Denied);
    told(&error, &[(&peer.address, "[address]")])
}

#[test]
fn unknown_authority_is_named() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(distrust(&broker, "unknown-ca"), @r#"
    E0132 failed to trust the broker at [address]: its certificate is signed by an unknown authority, "millstream-test-other-ca"
    If you trust that authority, name its certificate with `Security::with_ca_file`.
    "#);
}

#[test]
fn wrong_host_names_the_right_ones() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(distrust(&broker, "wrong-host"), @r#"
    E0130 failed to trust the broker at [address]: its certificate is valid for kafka.example, kafka-1.example, not for 127.0.0.1
    Use an address that the certificate names, or give the broker another certificate.
    "#);
}

#[test]
fn expired_certificate_tells_the_date() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(distrust(&broker, "expired"), @r#"
    E0131 failed to trust the broker at [address]: its certificate expired on 2024-02-01T00:00:00Z
    Give the broker a new certificate; if that date is not over, set this host's clock.
    "#);
}

#[test]
fn certificate_of_the_future_tells_the_date() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(distrust(&broker, "not-yet-valid"), @r#"
    E0131 failed to trust the broker at [address]: its certificate is not valid before 2048-01-01T00:00:00Z
    Set the clock of this host, or give the broker another certificate.
    "#);
}

#[test]
fn self_signed_certificate_is_not_trusted() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(distrust(&broker, "self-signed"), @r#"
    E0132 failed to trust the broker at [address]: its certificate is signed by itself alone
    Give the broker a certificate that an authority has signed.
    "#);
}

#[test]
fn wrong_certificates_are_believed_only_by_the_dangerous_key() {
    let Some(broker) = secure() else { return };
    for name in ["unknown-ca", "wrong-host", "expired", "self-signed"] {
        let peer = Peer::play_over_tls(server(&broker, name, false), |mut talk| async move {
            talk.let_in().await;
            talk.tell(|told| told.broker_service_url_tls = Some("pulsar+ssl://".to_owned())).await;
        });
        let security = Security::tls().danger_accept_any_certificate();
        let trouble = reach(&config(&peer.address, security), "orders").expect_err("no address");
        assert!(matches!(trouble, Trouble::BadAddress { .. }), "it was let in: {trouble:?}");
    }
}

/// What is said by a peer that wants the certificate of a client.
fn mutual(broker: &Secure, security: Security) -> Result<(), String> {
    let peer = Peer::play_over_tls(server(broker, "good", true), |mut talk| async move {
        let connect = talk.let_in().await;
        assert_eq!(connect.auth_method_name.as_deref(), Some("tls"));
        talk.tell(|told| told.broker_service_url = Some("pulsar://in-the-clear:1".to_owned()))
            .await;
    });
    let config = config(&peer.address, security);
    match reach(&config, "orders") {
        Err(Trouble::BadAddress { .. }) => Ok(()),
        _ => Err(told(
            &refusal(&config),
            &[(&peer.address, "[address]"), (&broker.folder(), "[folder]")],
        )),
    }
}

#[test]
fn certificate_of_the_client_lets_in() {
    let Some(broker) = secure() else { return };
    let certified = broker.tls().with_identity(broker.identity("client"));
    assert_eq!(mutual(&broker, certified), Ok(()));
}

#[test]
fn missing_certificate_of_the_client_is_told() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(mutual(&broker, broker.tls()).expect_err("it wants one"), @r#"
    E0133 failed to be let in by the broker at [address]: it wants a certificate: certificate required
    Set one with `Security::with_identity`.
    "#);
}

#[test]
fn refused_certificate_of_the_client_is_told() {
    let Some(broker) = secure() else { return };
    let other = broker.tls().with_identity(broker.identity("client-of-other-ca"));
    assert_snapshot!(mutual(&broker, other).expect_err("it is refused"), @r#"
    E0133 failed to be let in by the broker at [address]: it refuses our certificate: unknown authority
    The certificate is from the file [folder]/client-of-other-ca.pem. It must be signed by an authority that the broker knows, and not be revoked.
    "#);
}

#[test]
fn settings_that_are_gone_are_told() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("TLS");
    let gone = Security::tls().with_ca_file("/no/such/ca.pem");
    assert_snapshot!(told(&refusal(&config(&address, gone)), &[(&address, "[address]")]), @r#"E0201 failed to agree on TLS with Pulsar at [address]: failed to read authorities from the file /no/such/ca.pem: No such file or directory (os error 2)"#);
}

#[test]
fn unusable_files_are_faults_all_at_once() {
    let Some(broker) = secure() else { return };
    let mut locked = broker.identity("client");
    locked.key = Secret::from_file(broker.file("client.locked.key"));
    let mut strange = broker.identity("client");
    strange.key = Secret::from_file(broker.file("good.key"));
    let none = Security::tls()
        .with_ca_file("/no/such/ca.pem")
        .with_identity(Identity::new("/no/such/client.pem", Secret::from_env("NO_SUCH_KEY")))
        .with_login(Login::basic("", Secret::new("")));
    let keys = [locked, strange].map(|identity| broker.tls().with_identity(identity));
    let no_pem = Security::tls().with_ca_file(broker.file("client.key"));
    let faults = keys.into_iter().chain([none, no_pem]).flat_map(|security| security.faults());
    let told: Vec<_> =
        faults.map(|fault| told(&fault, &[(&broker.folder(), "[folder]")])).collect();
    assert_snapshot!(told.join("\n"), @r#"
    E0201 failed to use the key from the file [folder]/client.locked.key: it is locked with a password
    It must be in the PEM form, and not locked.
    E0201 failed to use the key from the file [folder]/good.key: it does not belong to the certificate
    E0201 failed to log in to Pulsar: the name of the user is empty, or has a colon
    Name the user in `Login`.
    E0201 failed to read a secret given by the program: it is empty
    E0201 failed to read authorities from the file /no/such/ca.pem: No such file or directory (os error 2)
    E0201 failed to read the certificate from the file /no/such/client.pem: No such file or directory (os error 2)
    E0202 failed to read a secret from the environment variable NO_SUCH_KEY: it is not set
    E0201 failed to use certificates from the file [folder]/client.key: there is none in it
    They must be in the PEM form.
    "#);
}

#[test]
fn client_in_the_clear_at_the_port_for_tls_is_told() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("TLS");
    let error = refusal(&config(&address, Security::default()));
    assert_snapshot!(told(&error, &[(&address, "[address]")]), @r#"
    E0101 failed to find the topic "orders": [address]: the broker closed the connection during the login
    Does the broker want TLS on that port? Set `Security::tls()`.
    "#);
}

#[test]
fn client_with_tls_at_the_plain_port_is_told() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("PLAIN");
    let error = refusal(&config(&address, broker.tls()));
    assert_snapshot!(told(&error, &[(&address, "[address]")]), @r#"
    E0134 failed to agree on TLS with Pulsar at [address]: the broker closed the connection during it
    Does the broker speak TLS on that port, and is nothing in between?
    "#);
}

#[test]
fn port_of_the_admin_api_is_told() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("HTTP").replace("http://", "");
    let error = refusal(&config(&address, Security::default()));
    assert_snapshot!(told(&error, &[(&address, "[address]")]), @r#"
    E0101 failed to find the topic "orders": [address]: what answers there speaks HTTP
    Is that the port of the binary protocol (6650, with TLS 6651) and of a Pulsar broker?
    "#);
}

#[test]
fn system_authorities_do_not_know_the_broker() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("TLS");
    let error = refusal(&config(&address, Security::tls()));
    assert_snapshot!(told(&error, &[(&address, "[address]")]), @r#"
    E0132 failed to trust the broker at [address]: its certificate is signed by an unknown authority, "millstream-test-ca"
    If you trust that authority, name its certificate with `Security::with_ca_file`.
    "#);
}

#[test]
fn certificate_of_another_authority_is_refused() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("TLS");
    let security = broker.tls().with_identity(broker.identity("client-of-other-ca"));
    let error = refusal(&config(&address, security));
    let changing = [(address.as_str(), "[address]"), (&broker.folder(), "[folder]")];
    assert_snapshot!(told(&error, &changing), @r#"
    E0133 failed to be let in by the broker at [address]: it refuses our certificate: internal error
    The certificate is from the file [folder]/client-of-other-ca.pem. It must be signed by an authority that the broker knows, and not be revoked.
    "#);
}

#[test]
fn expired_certificate_of_the_client_is_told() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("TLS");
    let security = broker.tls().with_identity(broker.identity("expired-client"));
    let error = refusal(&config(&address, security));
    let changing = [(address.as_str(), "[address]"), (&broker.folder(), "[folder]")];
    assert_snapshot!(told(&error, &changing), @r#"
    E0131 failed to be let in by the broker at [address]: the program's certificate, from the file [folder]/expired-client.pem, expired on 2024-02-01T00:00:00Z
    Get a new certificate.
    "#);
}

#[test]
fn any_certificate_is_believed_only_by_the_dangerous_key() {
    let Some(broker) = secure() else { return };
    let security =
        Security::tls().danger_accept_any_certificate().with_login(broker.token("service"));
    reach(&config(&broker.listener("TLS"), security), "danger").expect("it is let in");
}
