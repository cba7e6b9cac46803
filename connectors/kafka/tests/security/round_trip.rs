//! Every way in works, in both directions.

use std::time::Duration;

use millstream_engine::Secret;
use millstream_kafka::{Login, NewTopic, Security, Tokens, Topics};

use crate::secure::{goes_round, password_of, plain, secure};

#[test]
fn tls_carries_records_both_ways() {
    let Some(broker) = secure() else { return };
    let topic = broker.topic("tls");
    goes_round(&topic, &broker.listener("TLS"), &broker.tls());
    let pem = std::fs::read_to_string(broker.file("ca.pem")).expect("the authority");
    goes_round(
        &broker.topic("tls-text"),
        &broker.listener("TLS"),
        &Security::tls().with_ca_pem(pem),
    );
}

#[test]
fn certificate_of_a_client_lets_it_in() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("MUTUAL");
    let open = broker.identity("client");
    goes_round(&broker.topic("mutual"), &address, &broker.tls().with_identity(open));
    let mut locked = broker.identity("client").with_key_password(Secret::new("key-canary"));
    locked.key = Secret::from_file(broker.file("client.locked.key"));
    goes_round(&broker.topic("locked"), &address, &broker.tls().with_identity(locked));
}

#[test]
fn every_login_carries_records_both_ways() {
    let Some(broker) = secure() else { return };
    let logins = [
        plain("service"),
        Login::scram_sha_256("service", password_of("service")),
        Login::scram_sha_512("service", password_of("service")),
        Login::oauth_bearer(Tokens::danger_unsecured("service", Duration::from_mins(5))),
    ];
    for login in logins {
        let topic = broker.topic("login");
        goes_round(&topic, &broker.listener("SASL_TLS"), &broker.tls().with_login(login.clone()));
        let topic_in_clear = broker.topic("login");
        let clear = Security::default().with_login(login);
        goes_round(&topic_in_clear, &broker.listener("SASL_PLAIN"), &clear);
    }
}

#[test]
fn topics_are_made_by_whoever_may() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("SASL_TLS");
    let topic = broker.topic("made");
    topic.delete();
    let tokens = Tokens::danger_unsecured("service", Duration::from_mins(5));
    for login in [plain("service"), Login::oauth_bearer(tokens)] {
        let security = broker.tls().with_login(login);
        let topics = Topics::new(&address).with_security(security);
        topics.create(&NewTopic::new(&topic.name, 2)).expect("the topic is made");
    }
    let guest = broker.tls().with_login(plain("guest"));
    let topics = Topics::new(&address).with_security(guest);
    let error = topics.create(&NewTopic::new(&topic.name, 2)).expect_err("guests may not");
    assert_eq!(error.code().0, "E0121", "{}", error.report());
}
