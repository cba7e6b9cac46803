//! Secrets are seen nowhere: each one of these tests has "canary" in it, and no text has.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream_engine::Secret;
use millstream_engine::source::Source as _;
use millstream_kafka::{Login, Security, Sink, Source, Token, Tokens};
use tracing_subscriber::fmt::MakeWriter;

use crate::secure::{Secure, both, goes_round, open_for, plain, secure};
use crate::support::Reading;

/// Keeps all that is logged.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Ways in with secrets of every kind, good and bad.
fn ways_in(broker: &Secure) -> Vec<(String, Security)> {
    let mut locked = broker.identity("client").with_key_password(Secret::new("key-canary"));
    let key = std::fs::read_to_string(broker.file("client.locked.key")).expect("a key");
    locked.key = Secret::new(format!("{key}# canary\n"));
    let wrong = || Secret::new("wrong-canary");
    let token =
        || Tokens::from_supplier(|| Ok(Token::new("token.canary.", Duration::from_mins(5))));
    let unusable = Tokens::from_supplier(|| Ok(Token::new("canary\u{7}", Duration::from_mins(5))));
    let sasl = broker.listener("SASL_TLS");
    let logins = [
        Login::plain("service", wrong()),
        Login::scram_sha_256("service", wrong()),
        Login::scram_sha_512("nobody", wrong()),
        Login::oauth_bearer(token()),
        Login::oauth_bearer(unusable),
    ];
    let mut ways: Vec<_> =
        logins.map(|login| (sasl.clone(), broker.tls().with_login(login))).into();
    let unlocked = Secret::new("other-canary");
    let mut wrongly_locked = locked.clone();
    wrongly_locked.key_password = Some(unlocked);
    for identity in [locked, wrongly_locked] {
        ways.push((broker.listener("UNKNOWN_CA"), broker.tls().with_identity(identity)));
    }
    ways
}

#[test]
fn secrets_reach_no_text() {
    let Some(broker) = secure() else { return };
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(kept.clone())
        .finish();
    // Of the whole process, because clients have threads; other tests' secrets are canaries too.
    tracing::subscriber::set_global_default(subscriber).expect("no other test sets one");
    let mut texts = Vec::new();
    for (address, security) in ways_in(&broker) {
        let source = Source::new(&address, "orders").with_security(security.clone());
        let sink = Sink::new(&address, "orders").with_security(security.clone());
        texts.push(format!("{source:?} {source:#?} {sink:?} {security:?}"));
        texts.extend(serde_json::to_string(source.config()));
        texts.extend(source.faults().iter().map(|fault| format!("{fault:?} {fault}")));
        let errors = both(&address, &security, &open_for(Duration::from_secs(3)));
        texts.extend(errors.map(|error| format!("{error:?} {error} {:?}", error.cause())));
    }
    let good = broker.tls().with_login(plain("service"));
    let sink = Sink::new(broker.listener("SASL_TLS"), "x").with_security(good.clone());
    texts.push(format!("{:?}", sink.config()));
    let topic = broker.topic("talkative");
    let certified = good.clone().with_identity(broker.identity("client"));
    goes_round(&topic, &broker.listener("SASL_TLS"), &certified);
    let talkative = Source::new(broker.listener("SASL_TLS"), &topic.name)
        .with_security(certified)
        .with_option("debug", "all");
    assert_eq!(Reading::open(&talkative.until_end(), true).read_all().len(), 10);
    goes_round(&broker.topic("hidden"), &broker.listener("SASL_TLS"), &good);
    let logged = String::from_utf8_lossy(&kept.0.lock().expect("no writer panics")).into_owned();
    assert!(logged.contains("SASL authentication error"), "the log has been kept: {logged}");
    let debug = "Kafka client: SASLMECHS";
    assert!(logged.contains(debug), "what librdkafka says when it is asked to say all is kept");
    texts.push(logged);
    for text in texts {
        let shown = text.lines().find(|line| line.contains("canary"));
        assert_eq!(shown, None, "a secret is shown");
    }
}
