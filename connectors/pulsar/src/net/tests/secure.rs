//! The broker with TLS, logins and permissions, which `scripts/lib/pulsar-secure.sh` sets up.

use std::path::PathBuf;

use millstream_engine::Secret;

use crate::config::{Identity, Login, Security};

/// The broker and its folder.
#[derive(Clone)]
pub(super) struct Secure {
    folder: PathBuf,
}

/// The broker to test with. Where there is none the test is skipped, which must not happen unseen on CI.
pub(super) fn secure() -> Option<Secure> {
    let folder = std::env::var_os("MILLSTREAM_TEST_PULSAR_SECURE_FOLDER");
    if folder.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "MILLSTREAM_TEST_PULSAR_SECURE_FOLDER is not set"
        );
        println!("SKIPPED: MILLSTREAM_TEST_PULSAR_SECURE_FOLDER is not set");
    }
    folder.map(|folder| Secure { folder: folder.into() })
}

impl Secure {
    /// The address of a listener, by its name in the script.
    pub(super) fn listener(&self, name: &str) -> String {
        let lines = std::fs::read_to_string(self.folder.join("listeners")).expect("listeners");
        let mut lines = lines.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(found, _)| *found == name).expect("such a listener").1.to_owned()
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder as texts have it.
    pub(super) fn folder(&self) -> String {
        self.folder.display().to_string()
    }

    /// TLS that believes the authority of the good certificates.
    pub(super) fn tls(&self) -> Security {
        Security::tls().with_ca_file(self.file("ca.pem"))
    }

    /// A certificate of a client, with its key.
    pub(super) fn identity(&self, name: &str) -> Identity {
        let key = Secret::from_file(self.file(&format!("{name}.key")));
        Identity::new(self.file(&format!("{name}.pem")), key)
    }

    /// The login by a token of the folder.
    pub(super) fn token(&self, name: &str) -> Login {
        Login::token(Secret::from_file(self.file(&format!("{name}.token"))))
    }
}
