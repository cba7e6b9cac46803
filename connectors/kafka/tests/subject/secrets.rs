//! Sources and sinks with secrets of every origin, none of which a broker without TLS and logins lets in.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use millstream_conformance::Secretive;
use millstream_engine::Secret;
use millstream_kafka::{Identity, Login, Security, Sink, Source, Token, Tokens};

/// A variable that is always set, and whose value is a text found nowhere else.
const VARIABLE: &str = "PATH";

/// Given by the program, from the environment, from a file.
pub(super) fn secretive(brokers: &str, topic: &str) -> Secretive {
    let from_env = std::env::var(VARIABLE).expect("a path to look for programs");
    let canaries = vec!["canary-given".to_owned(), "canary-filed".to_owned(), from_env];
    let ways = ways_in();
    let sources = ways.iter().map(|way| Source::new(brokers, topic).with_security(way.clone()));
    let sources: Vec<_> = sources.collect();
    let sinks = ways.iter().map(|way| Sink::new(brokers, topic).with_security(way.clone()));
    let sinks: Vec<_> = sinks.collect();
    let mut printed: Vec<String> = ways.iter().map(|way| format!("{way:?} {way:#?}")).collect();
    for (source, sink) in sources.iter().zip(&sinks) {
        printed.push(format!("{source:?} {source:#?} {sink:?} {sink:#?}"));
        printed.extend(serde_json::to_string(source.config()));
        printed.extend(serde_json::to_string(sink.config()));
    }
    Secretive {
        canaries,
        printed,
        sources: sources.into_iter().map(|source| Box::new(source) as _).collect(),
        sinks: sinks.into_iter().map(|sink| Box::new(sink) as _).collect(),
    }
}

/// The other side speaks neither TLS nor logins, and there is no such certificate.
fn ways_in() -> Vec<Security> {
    let given = || Secret::new("canary-given");
    let from_file = || Secret::from_file(file_of_secret());
    let identity = Identity::new("/no/such/certificate.pem", given());
    let tokens = Tokens::from_supplier(|| Ok(Token::new("canary-given", Duration::from_mins(5))));
    vec![
        Security::tls().with_login(Login::plain("service", Secret::from_env(VARIABLE))),
        Security::default().with_login(Login::scram_sha_512("service", from_file())),
        Security::default().with_login(Login::oauth_bearer(tokens)),
        Security::tls().with_identity(identity.with_key_password(from_file())),
    ]
}

/// A file with a secret, which lasts as long as the tests do.
fn file_of_secret() -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("secret");
    std::fs::write(&path, "canary-filed\n").expect("the file can be written");
    path
}
