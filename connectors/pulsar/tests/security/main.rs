//! What programs see of TLS and logins, at the admin API of the broker that `scripts/lib/pulsar-secure.sh` sets up.

use std::path::PathBuf;

use insta::assert_snapshot;
use millstream_engine::Secret;
use millstream_engine::error::Error;
use millstream_pulsar::{Identity, Login, NewTopic, Security, Topics};

/// The broker's folder.
struct Secure(PathBuf);

/// The broker to test with. Where there is none the test is skipped, which must not happen unseen on CI.
#[expect(clippy::print_stdout, reason = "a skipped test must be seen")]
fn secure() -> Option<Secure> {
    let folder = std::env::var_os("MILLSTREAM_TEST_PULSAR_SECURE_FOLDER");
    if folder.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "MILLSTREAM_TEST_PULSAR_SECURE_FOLDER is not set"
        );
        println!("SKIPPED: MILLSTREAM_TEST_PULSAR_SECURE_FOLDER is not set");
    }
    folder.map(|folder| Secure(folder.into()))
}

impl Secure {
    /// The address of a listener, by its name in the script.
    fn listener(&self, name: &str) -> String {
        let lines = std::fs::read_to_string(self.0.join("listeners")).expect("listeners");
        let mut lines = lines.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(found, _)| *found == name).expect("such a listener").1.to_owned()
    }

    /// TLS that believes the authority of the good certificates.
    fn tls(&self) -> Security {
        Security::tls().with_ca_file(self.0.join("ca.pem"))
    }

    fn identity(&self, name: &str) -> Identity {
        let key = Secret::from_file(self.0.join(format!("{name}.key")));
        Identity::new(self.0.join(format!("{name}.pem")), key)
    }

    fn token(&self, name: &str) -> Login {
        Login::token(Secret::from_file(self.0.join(format!("{name}.token"))))
    }

    fn topics(&self, security: Security) -> Topics {
        Topics::new(self.listener("HTTPS")).with_security(security)
    }

    /// What is said when the topics are asked for.
    fn refusal(&self, security: Security) -> String {
        let error = self.topics(security).exists("orders").expect_err("it is refused");
        self.told(&error)
    }

    /// The text of an error, without what differs from run to run.
    fn told(&self, error: &Error) -> String {
        let address = self.listener("HTTPS").replace("https://", "");
        let folder = self.0.display().to_string();
        error.report().replace(&address, "[address]").replace(&folder, "[folder]")
    }
}

#[test]
fn admins_are_let_in_by_every_login() {
    let Some(broker) = secure() else { return };
    let logins = [broker.token("admin"), Login::basic("admin", Secret::new("admin-canary"))];
    for (n, login) in logins.into_iter().enumerate() {
        let topics = broker.topics(broker.tls().with_login(login.clone()));
        let name = format!("admin-{}-{n}", std::process::id());
        assert!(topics.create(&NewTopic::new(&name, 2)).expect("it is made"));
        assert_eq!(topics.n_partitions(&name).expect("an answer"), Some(2));
        let plain = Topics::new(broker.listener("HTTP"))
            .with_security(Security::default().with_login(login));
        assert!(plain.delete(&name).expect("it is deleted"));
    }
}

#[test]
fn refused_login_names_its_origin() {
    let Some(broker) = secure() else { return };
    let wrong = Login::basic("admin", Secret::new("wrong-canary"));
    assert_snapshot!(broker.refusal(broker.tls().with_login(wrong)), @r#"
    E0120 failed to look up the topic "orders": the admin API refuses user "admin"
    The password is given by the program.
    "#);
    assert_snapshot!(broker.refusal(broker.tls().with_login(broker.token("expired"))), @r#"
    E0120 failed to look up the topic "orders": the token expired on 2024-01-01T00:00:00Z
    The token is from the file [folder]/expired.token.
    "#);
    assert_snapshot!(broker.refusal(broker.tls()), @r#"
    E0120 failed to look up the topic "orders": the admin API refuses a client without a login
    Set a login with `with_security`.
    "#);
}

#[test]
fn missing_permission_names_the_user() {
    let Some(broker) = secure() else { return };
    let guest = Login::basic("guest", Secret::new("guest-canary"));
    assert_snapshot!(broker.refusal(broker.tls().with_login(guest)), @r#"
    E0121 failed to look up the topic "orders": Unauthorized to validateTopicOperation for operation [LOOKUP] on topic [persistent://public/default/orders] (user "guest")
    Needed: the role of an admin of the tenant, or of the whole cluster.
    "#);
    let certified = broker.topics(broker.tls().with_identity(broker.identity("client")));
    let error = certified.create(&NewTopic::new("orders", 1)).expect_err("it may not");
    assert_snapshot!(broker.told(&error), @r#"
    E0121 failed to create the topic "orders": Unauthorized to validateTopicPolicyOperation for operation [WRITE] on topic [persistent://public/default/orders] on policy [PARTITION] (the user of the certificate from the file [folder]/client.pem)
    Needed: the role of an admin of the tenant, or of the whole cluster.
    "#);
}

#[test]
fn authorities_are_checked() {
    let Some(broker) = secure() else { return };
    let admin = || broker.token("admin");
    assert_snapshot!(broker.refusal(Security::default().with_login(admin())), @r#"
    E0132 failed to trust the broker at [address]: its certificate is signed by an unknown authority, "millstream-test-ca"
    If you trust that authority, name its certificate with `Security::with_ca_file`.
    "#);
    let danger = Security::tls().danger_accept_any_certificate().with_login(admin());
    broker.topics(danger).exists("orders").expect("it is let in");
}

#[test]
fn secrets_do_not_go_in_the_clear_unasked() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("HTTP").replace("http://", "");
    let security = broker.tls().with_login(broker.token("admin"));
    let topics = Topics::new(broker.listener("HTTP")).with_security(security);
    let error = topics.exists("orders").expect_err("it is in the clear");
    assert_snapshot!(broker.told(&error).replace(&address, "[plain]"), @r#"
    E0201 failed to look up the topic "orders": TLS is set, and http://[plain]/admin/v2/persistent/public/default/orders/partitions is in the clear
    Write the URL as `https://HOST:PORT`.
    "#);
}

#[test]
fn secrets_reach_no_text() {
    let Some(broker) = secure() else { return };
    let client_secret = Secret::new("client-canary");
    let client =
        millstream_pulsar::OAuth2Client::Secret { client_id: "me".to_owned(), client_secret };
    let logins = [
        Login::token(Secret::new("token-canary")),
        Login::token_from(|| Ok(Secret::new("canary\r\nx-canary: canary"))),
        Login::basic("admin", Secret::new("wrong-canary")),
        Login::oauth2("http://127.0.0.1:1", client),
    ];
    for login in logins {
        let topics = broker.topics(broker.tls().with_login(login));
        let error = topics.exists("orders").expect_err("it is refused");
        let shown = format!("{topics:?} {topics:#?} {error:?} {error} {:?}", error.cause());
        assert!(!shown.contains("canary"), "{shown}");
    }
}
