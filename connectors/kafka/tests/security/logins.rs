//! Logins that are refused: who, how, and where the password came from; never the password.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use millstream_engine::Secret;
use millstream_engine::batch::RecordBatch;
use millstream_engine::error::ErrorKind;
use millstream_engine::source::Source as _;
use millstream_kafka::{Login, Security, Sink, Source};

use crate::secure::{Secure, both, open_for, plain, secure, told};
use crate::support::{LONG, Writing, open_context, reader_context};

/// What is said of a login at the listener with TLS, the same by source and sink.
fn refusal(broker: &Secure, login: Login) -> String {
    let address = broker.listener("SASL_TLS");
    let start = Instant::now();
    let errors = both(&address, &broker.tls().with_login(login), &open_context());
    assert!(start.elapsed() < Duration::from_secs(15), "it took {:?}", start.elapsed());
    let [of_source, of_sink] = errors.map(|error| {
        assert_eq!((error.kind(), error.code().0), (ErrorKind::Denied, "E0120"));
        told(&error, &[(&address, "[address]")])
    });
    assert_eq!(of_source, of_sink);
    of_source
}

#[test]
fn wrong_password_names_user_and_origin() {
    let Some(broker) = secure() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "wrong-canary\n").expect("written");
    let wrong = Secret::from_file(&file);
    let shown = |login| refusal(&broker, login).replace(&file.display().to_string(), "[file]");
    assert_snapshot!(shown(Login::plain("service", wrong.clone())), @r#"
    E0120 failed to log in to Kafka at [address] as user "service" by PLAIN (step "orders"): authentication failed: Invalid username or password
    The password is from the file [file].
    "#);
    assert_snapshot!(shown(Login::scram_sha_256("service", wrong.clone())), @r#"
    E0120 failed to log in to Kafka at [address] as user "service" by SCRAM-SHA-256 (step "orders"): authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256
    The password is from the file [file].
    "#);
    assert_snapshot!(shown(Login::scram_sha_512("service", wrong)), @r#"
    E0120 failed to log in to Kafka at [address] as user "service" by SCRAM-SHA-512 (step "orders"): authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512
    The password is from the file [file].
    "#);
}

#[test]
fn unknown_user_is_named() {
    let Some(broker) = secure() else { return };
    let password = Secret::new("wrong-canary");
    assert_snapshot!(refusal(&broker, Login::plain("nobody", password.clone())), @r#"
    E0120 failed to log in to Kafka at [address] as user "nobody" by PLAIN (step "orders"): authentication failed: Invalid username or password
    The password is given by the program.
    "#);
    assert_snapshot!(refusal(&broker, Login::scram_sha_512("nobody", password)), @r#"
    E0120 failed to log in to Kafka at [address] as user "nobody" by SCRAM-SHA-512 (step "orders"): authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512
    The password is given by the program.
    "#);
}

#[test]
fn login_at_a_listener_without_one_says_so() {
    let Some(broker) = secure() else { return };
    let address = broker.listener("TLS");
    let security = broker.tls().with_login(Login::plain("service", Secret::new("x-canary")));
    let [error, _] = both(&address, &security, &open_context());
    assert_snapshot!(told(&error, &[(&address, "[address]")]), @r#"
    E0120 failed to log in to Kafka at [address] as user "service" by PLAIN (step "orders"): request not valid in current SASL state
    The password is given by the program.
    "#);
}

#[test]
fn broker_that_hangs_up_may_want_more() {
    let Some(broker) = secure() else { return };
    let open = open_for(Duration::from_secs(2));
    for (listener, security) in [
        ("TLS", Security::default()),
        ("SASL_PLAIN", Security::default()),
        ("SASL_TLS", broker.tls()),
        ("SASL_TLS", Security::default().with_login(plain("service"))),
    ] {
        let address = broker.listener(listener);
        let [error, _] = both(&address, &security, &open);
        let told = told(&error, &[(&address, "[address]")]);
        // How it hung up, in the client's words, depends on who was first.
        let (first, hint) = told.split_once('\n').expect("a hint");
        assert!(
            first.starts_with("E0101 failed to reach Kafka at [address] (step \"orders\"): "),
            "{first}"
        );
        assert_eq!(
            hint,
            "Does the broker want TLS or a login on that port? Set them with `with_security`."
        );
    }
}

#[test]
fn refusals_while_running_end_it_in_half_a_minute() {
    let Some(broker) = secure() else { return };
    let (topic, address) = (broker.topic("refused"), broker.listener("SASL_TLS"));
    let login = Login::scram_sha_512("service", Secret::new("wrong-canary"));
    let security = broker.tls().with_login(login);
    let sink = Sink::new(&address, &topic.name).with_security(security.clone());
    let source = Source::new(&address, &topic.name).with_security(security);
    // Nobody asks beforehand whether they are let in, as when a password changes after the start.
    let mut writing = Writing::open_at(&sink, open_context());
    let mut reader = source.reader(reader_context(&open_context(), false)).expect("a reader");
    let (start, mut batch) = (Instant::now(), RecordBatch::default());
    let (mut of_source, mut of_sink) = (None, None);
    while of_source.is_none() || of_sink.is_none() {
        assert!(start.elapsed() < LONG, "{of_source:?} {of_sink:?}");
        if of_sink.is_none() {
            of_sink = writing.writer.poll(&mut writing.rejected).err();
        }
        if of_source.is_none() {
            of_source = reader.read(&mut batch, Duration::from_millis(100)).err();
        }
    }
    assert!(start.elapsed() > Duration::from_secs(10), "a password may be on its way");
    for error in [of_source, of_sink].into_iter().flatten() {
        assert_eq!((error.kind(), error.code().0), (ErrorKind::Denied, "E0120"));
        assert_eq!(error.hint(), Some("The password is given by the program."));
    }
}

#[test]
fn missing_variable_is_a_fault() {
    let login = Login::plain("", Secret::from_env("NO_SUCH_PASSWORD"));
    let security = Security::tls().with_login(login);
    let source = Source::new("127.0.0.1:1", "orders").with_security(security);
    let faults = source.faults();
    let told: Vec<_> = faults.iter().map(millstream_engine::Error::report).collect();
    assert_snapshot!(told.join("\n"), @r#"
    E0201 failed to log in to Kafka: the name of the user is empty
    Name the user in `Login`.
    E0202 failed to read a secret from the environment variable NO_SUCH_PASSWORD: it is not set
    "#);
}
