//! Logins that the broker takes, and that it refuses: who, how, and where the secret came from; never the secret.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use insta::assert_snapshot;
use millstream_engine::Secret;
use millstream_engine::clock::SystemClock;
use millstream_engine::error::ErrorKind;
use tracing_subscriber::fmt::MakeWriter;

use super::secure::{Secure, secure};
use super::{config, reach, refusal, told};
use crate::auth::scripted::{Provider, given};
use crate::config::{Login, OAuth2Client, Security};
use crate::error::error_of;
use crate::net::cluster::Cluster;
use crate::net::runtime;

/// What is said of a login at the port with TLS.
fn refused(broker: &Secure, login: Login) -> String {
    let address = broker.listener("TLS");
    let error = refusal(&config(&address, broker.tls().with_login(login)));
    assert_eq!((error.kind(), error.code().0), (ErrorKind::Denied, "E0120"), "{error:?}");
    told(&error, &[(&address, "[address]"), (&broker.folder(), "[folder]")])
}

#[test]
fn every_login_is_let_in() {
    let Some(broker) = secure() else { return };
    let (tls, plain) = (broker.listener("TLS"), broker.listener("PLAIN"));
    let token = std::fs::read_to_string(broker.file("service.token")).expect("a token");
    let logins = [
        broker.token("service"),
        Login::token(Secret::new(token.clone())),
        Login::token_from(move || Ok(Secret::new(token.clone()))),
        Login::basic("service", Secret::new("service-canary")),
    ];
    for login in logins {
        let security = broker.tls().with_login(login.clone());
        reach(&config(&tls, security.clone()), "let-in").expect("over TLS");
        reach(&config(&format!("pulsar+ssl://{tls}"), security), "let-in").expect("by its URL");
        let open = Security::default().with_login(login);
        reach(&config(&format!("pulsar://{plain}"), open), "let-in").expect("in the clear");
    }
    let certified = broker.tls().with_identity(broker.identity("client"));
    reach(&config(&tls, certified), "let-in").expect("by its certificate");
}

#[test]
fn expired_token_is_told() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(refused(&broker, broker.token("expired")), @r#"
    E0120 failed to log in to Pulsar at [address] by a token: the token expired on 2024-01-01T00:00:00Z
    The token is from the file [folder]/expired.token.
    "#);
}

#[test]
fn forged_token_is_told() {
    let Some(broker) = secure() else { return };
    assert_snapshot!(refused(&broker, broker.token("forged")), @r#"
    E0120 failed to log in to Pulsar at [address] by a token: Failed to authenticate
    The token is from the file [folder]/forged.token.
    "#);
}

#[test]
fn wrong_password_names_user_and_origin() {
    let Some(broker) = secure() else { return };
    let login = Login::basic("service", Secret::new("wrong-canary"));
    assert_snapshot!(refused(&broker, login), @r#"
    E0120 failed to log in to Pulsar at [address] as user "service": Failed to authenticate
    The password is given by the program.
    "#);
}

#[test]
fn missing_login_is_told() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("TLS");
    let error = refusal(&config(&address, broker.tls()));
    assert_snapshot!(told(&error, &[(&address, "[address]")]), @r#"
    E0120 failed to log in to Pulsar at [address]: it wants a login: Failed to authenticate
    Set a login with `Security::with_login`.
    "#);
}

#[test]
fn missing_permission_names_the_user() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("TLS");
    let login = Login::basic("guest", Secret::new("guest-canary"));
    let error = refusal(&config(&address, broker.tls().with_login(login)));
    assert_snapshot!(told(&error, &[(&address, "[address]")]), @r#"
    E0121 failed to find the topic "orders": Client is not authorized to Lookup (user "guest")
    Needed on the topic or its namespace: `produce` for a sink, `consume` for a source.
    "#);
}

/// A token for `service` that lives for so many seconds, signed as the broker's own.
fn short_lived(broker: &Secure, seconds: i64) -> String {
    let encoded = |bytes: &[u8]| {
        let filled = crate::auth::base64::encode(bytes);
        filled.trim_end_matches('=').replace('+', "-").replace('/', "_")
    };
    let end = SystemClock::new().unix_millis() / 1000 + seconds;
    let claims = format!(r#"{{"sub":"service","exp":{end}}}"#);
    let signed = format!("{}.{}", encoded(br#"{"alg":"HS256"}"#), encoded(claims.as_bytes()));
    let key = std::fs::read(broker.file("token.key")).expect("a key");
    let key: Vec<_> = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut openssl = Command::new("openssl")
        .args([
            "dgst",
            "-sha256",
            "-mac",
            "HMAC",
            "-binary",
            "-macopt",
            &format!("hexkey:{}", key.concat()),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl");
    let mut stdin = openssl.stdin.take().expect("it is piped");
    stdin.write_all(signed.as_bytes()).expect("it reads");
    drop(stdin);
    let signature = openssl.wait_with_output().expect("it ends").stdout;
    format!("{signed}.{}", encoded(&signature))
}

#[test]
fn connection_outlives_its_token() {
    let Some(broker) = secure() else { return };
    let (say, asked) = mpsc::channel();
    let tokens = broker.clone();
    let login = Login::token_from(move || {
        say.send(())?;
        Ok(Secret::new(short_lived(&tokens, 2)))
    });
    let config = config(&broker.listener("TLS"), broker.tls().with_login(login));
    let cluster = Cluster::new(&config);
    let topic = "persistent://public/default/outlived";
    let first = runtime::handle().block_on(cluster.broker_of(topic)).expect("it is let in");
    // the first token, and two more that the broker asks for: by then the first has expired
    for _ in 0..3 {
        asked.recv_timeout(Duration::from_mins(1)).expect("the broker asks again");
    }
    let second = runtime::handle().block_on(cluster.broker_of(topic)).expect("it is still in");
    assert!(Arc::ptr_eq(&first, &second) && !second.has_ended(), "it is the same connection");
}

#[test]
fn tokens_of_an_identity_provider_let_in() {
    let Some(broker) = secure() else { return };
    let token = std::fs::read_to_string(broker.file("service.token")).expect("a token");
    let provider = Provider::start(move |_| given(&token, 3600));
    let client_secret = Secret::new("canary");
    let client = OAuth2Client::Secret { client_id: "service".to_owned(), client_secret };
    let security = broker.tls().with_login(Login::oauth2(&provider.url, client));
    reach(&config(&broker.listener("TLS"), security), "let-in").expect("it is let in");
    assert_eq!(provider.forms().len(), 1);
}

#[test]
fn refused_token_is_not_kept() {
    let Some(broker) = secure() else { return };
    let token = std::fs::read_to_string(broker.file("service.token")).expect("a token");
    let provider = Provider::start(move |n| given(if n == 0 { "revoked" } else { &token }, 3600));
    let client_secret = Secret::new("canary");
    let client = OAuth2Client::Secret { client_id: "service".to_owned(), client_secret };
    let security = broker.tls().with_login(Login::oauth2(&provider.url, client));
    let cluster = Cluster::new(&config(&broker.listener("TLS"), security));
    let topic = "persistent://public/default/let-in";
    runtime::handle().block_on(cluster.broker_of(topic)).expect_err("it is refused");
    runtime::handle().block_on(cluster.broker_of(topic)).expect("the next one is taken");
}

#[test]
fn secrets_reach_no_text() {
    let Some(broker) = secure() else { return };
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(kept.clone())
        .finish();
    // of the whole process, because connections have threads; other tests' secrets are canaries too
    tracing::subscriber::set_global_default(subscriber).expect("no other test sets one");
    tracing::trace!("the log is kept");
    let key = std::fs::read_to_string(broker.file("client.key")).expect("a key");
    let mut identity = broker.identity("client-of-other-ca");
    identity.key = Secret::new(format!("{key}# canary\n"));
    let client = || OAuth2Client::Secret {
        client_id: "me".to_owned(),
        client_secret: Secret::new("canary"),
    };
    let ways_in = [
        broker.tls().with_login(Login::token(Secret::new("token.canary."))),
        broker.tls().with_login(Login::token_from(|| Ok(Secret::new("canary\u{7}")))),
        broker.tls().with_login(Login::basic("service", Secret::new("wrong-canary"))),
        broker.tls().with_login(Login::basic("service", Secret::new("service-canary"))),
        broker.tls().with_login(Login::oauth2("http://127.0.0.1:1", client())),
        broker.tls().with_identity(identity),
    ];
    let mut texts = Vec::new();
    for security in ways_in {
        let config = config(&broker.listener("TLS"), security);
        let cluster = Cluster::new(&config);
        let asked =
            runtime::handle().block_on(cluster.broker_of("persistent://public/default/hidden"));
        texts.push(format!("{config:?} {config:#?} {cluster:?} {asked:?}"));
        texts.extend(serde_json::to_string(&config));
        texts.extend(config.faults().iter().map(|fault| format!("{fault:?} {fault}")));
        let error = asked.err().map(|trouble| error_of(&trouble, "reach it"));
        texts.extend(error.map(|error| format!("{error:?} {error} {:?}", error.cause())));
    }
    let logged = String::from_utf8_lossy(&kept.0.lock().expect("no writer panics")).into_owned();
    assert!(logged.contains("the log is kept"), "{logged}");
    texts.push(logged);
    for text in texts {
        let shown = text.lines().find(|line| line.contains("canary"));
        assert_eq!(shown, None, "a secret is shown");
    }
}

/// Keeps all that is logged.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
