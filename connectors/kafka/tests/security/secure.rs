//! The broker of these tests: its listeners, certificates and users, which `scripts/lib/kafka-secure.sh` lists.

use std::path::{Path, PathBuf};
use std::time::Duration;

use millstream_engine::Secret;
use millstream_engine::error::Error;
use millstream_engine::sink::Sink as _;
use millstream_engine::source::{Found, OpenContext, Source as _};
use millstream_kafka::{Identity, Login, Security, Sink, Source};

use crate::support::{Reading, Topic, Writing, batches, numbered, numbers, open_context};

/// The broker and its folder.
pub(crate) struct Secure {
    pub(crate) clear: String,
    folder: PathBuf,
}

/// The broker to test with. Where there is none the test is skipped, which must not happen unseen on CI.
#[expect(clippy::print_stdout, reason = "a skipped test must be seen")]
pub(crate) fn secure() -> Option<Secure> {
    let clear = std::env::var("MILLSTREAM_TEST_KAFKA_SECURE").ok();
    let folder = std::env::var_os("MILLSTREAM_TEST_KAFKA_SECURE_FOLDER");
    let found = clear.zip(folder).map(|(clear, folder)| Secure { clear, folder: folder.into() });
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "MILLSTREAM_TEST_KAFKA_SECURE must be set on CI");
        println!("SKIPPED: MILLSTREAM_TEST_KAFKA_SECURE is not set");
    }
    found
}

impl Secure {
    /// The address of a listener, by its name in the script.
    pub(crate) fn listener(&self, name: &str) -> String {
        let lines = std::fs::read_to_string(self.folder.join("listeners")).expect("listeners");
        let mut lines = lines.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(found, _)| *found == name).expect("such a listener").1.to_owned()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// TLS that believes the authority of the good certificates.
    pub(crate) fn tls(&self) -> Security {
        Security::tls().with_ca_file(self.file("ca.pem"))
    }

    /// A certificate of a client, with its key.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        let key = Secret::from_file(self.file(&format!("{name}.key")));
        Identity::new(self.file(&format!("{name}.pem")), key)
    }

    pub(crate) fn topic(&self, prefix: &str) -> Topic {
        Topic::new(&self.clear, prefix, 1)
    }
}

/// The password of a user of the broker.
pub(crate) fn password_of(user: &str) -> Secret {
    Secret::new(format!("{user}-canary"))
}

pub(crate) fn plain(user: &str) -> Login {
    Login::plain(user, password_of(user))
}

/// Writes ten records and reads them again.
pub(crate) fn goes_round(topic: &Topic, address: &str, security: &Security) {
    let sink = Sink::new(address, &topic.name).with_security(security.clone());
    assert!(sink.faults().is_empty());
    let mut writing = Writing::open(&sink);
    for batch in batches(numbered(0..10), 10) {
        writing.write(1, &batch);
    }
    assert!(writing.settle().is_empty());
    let source = Source::new(address, &topic.name).with_security(security.clone()).until_end();
    assert!(source.faults().is_empty());
    let records = Reading::open(&source, true).read_all();
    assert_eq!(numbers(&records), (0..10).collect::<Vec<_>>());
}

pub(crate) fn open_for(timeout: Duration) -> OpenContext {
    OpenContext { open_timeout: timeout, ..open_context() }
}

/// What a source says when it is not let in, and a sink.
pub(crate) fn both(address: &str, security: &Security, open: &OpenContext) -> [Error; 2] {
    both_at(address, "orders", security, open)
}

pub(crate) fn both_at(
    address: &str,
    topic: &str,
    security: &Security,
    open: &OpenContext,
) -> [Error; 2] {
    let source = Source::new(address, topic).with_security(security.clone());
    let found = source.finder(open).and_then(|mut finder| {
        let found = finder.find()?;
        let wanted: Vec<_> = found.into_iter().map(|partition| (partition, None)).collect();
        finder.resolve(&wanted, Found::AtStart)
    });
    let prepared = Sink::new(address, topic).with_security(security.clone()).prepare(open);
    [found.expect_err("the source is not let in"), prepared.expect_err("the sink is not let in")]
}

/// The text of an error, without what differs from run to run.
pub(crate) fn told(error: &Error, changing: &[(&str, &str)]) -> String {
    changing.iter().fold(error.report(), |text, (from, to)| text.replace(from, to))
}

/// A path as texts have it.
pub(crate) fn text_of(path: &Path) -> String {
    path.display().to_string()
}
