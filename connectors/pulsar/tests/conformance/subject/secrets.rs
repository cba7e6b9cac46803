//! Sources and sinks with secrets of every origin, none of which a broker without TLS and logins lets in.

use std::path::PathBuf;
use std::sync::OnceLock;

use millstream_conformance::Secretive;
use millstream_engine::Secret;
use millstream_pulsar::{
    ClusterConfig, Identity, Login, OAuth2Client, Security, Sink, SinkConfig, Source, SourceConfig,
    Tokens,
};

/// A variable that is always set, and whose value is a text found nowhere else.
const VARIABLE: &str = "PATH";

/// Given by the program, from the environment, from a file.
pub(super) fn secretive(broker: &str, topic: &str) -> Secretive {
    let from_env = std::env::var(VARIABLE).expect("a path to look for programs");
    let canaries = vec!["canary-given".to_owned(), "canary-filed".to_owned(), from_env];
    let ways = ways_in();
    let cluster =
        |way: &Security| ClusterConfig { security: way.clone(), ..ClusterConfig::new(broker) };
    let sources: Vec<_> = ways.iter().map(|way| source(cluster(way), topic)).collect();
    let sinks: Vec<_> = ways.iter().map(|way| sink(cluster(way), topic)).collect();
    let mut printed: Vec<String> = ways.iter().map(|way| format!("{way:?} {way:#?}")).collect();
    printed.extend(ways.iter().filter_map(|way| serde_json::to_string(way).ok()));
    for (source, sink) in sources.iter().zip(&sinks) {
        printed.push(format!("{source:?} {source:#?} {sink:?} {sink:#?}"));
    }
    Secretive {
        canaries,
        printed,
        sources: sources.into_iter().map(|source| Box::new(source) as _).collect(),
        sinks: sinks.into_iter().map(|sink| Box::new(sink) as _).collect(),
    }
}

fn source(cluster: ClusterConfig, topic: &str) -> Source {
    Source::from_config(SourceConfig { cluster, ..SourceConfig::new("", topic) })
}

fn sink(cluster: ClusterConfig, topic: &str) -> Sink {
    Sink::from_config(SinkConfig { cluster, ..SinkConfig::new("", topic) })
}

/// The other side speaks no TLS, there is no such certificate, and nobody gives tokens.
fn ways_in() -> Vec<Security> {
    let given = || Secret::new("canary-given");
    let from_file = || Secret::from_file(file_of_secret());
    let client = OAuth2Client::Secret { client_id: "me".to_owned(), client_secret: given() };
    let failing = Tokens::from_supplier(|| Err("no token today".into()));
    vec![
        Security::tls().with_login(Login::token(Secret::from_env(VARIABLE))),
        Security::tls().with_login(Login::basic("service", from_file())),
        Security::default().with_login(Login::oauth2("http://127.0.0.1:1", client)),
        Security::default().with_login(Login::Token(failing)),
        Security::tls().with_identity(Identity::new("/no/such/certificate.pem", given())),
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
