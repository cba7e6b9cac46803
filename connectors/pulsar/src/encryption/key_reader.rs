//! Where public and private keys come from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use millstream_engine::Secret;
use millstream_engine::error::BoxError;

/// Bytes of a file with a public key at most.
const MAX_BYTES: u64 = 64 << 10;

/// A public key, and what is to be known of it when its message is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicKey {
    /// In PEM: a public key or a certificate, of RSA or of an elliptic curve.
    pub pem: String,
    /// Names and values that travel with every message and come back to [`KeyReader::private_key`], such as the key's version.
    pub metadata: Vec<(String, String)>,
}

/// Finds keys by their names: in files ([`KeyFiles`]), or wherever a program keeps them.
///
/// # Blocking
/// Asked when a source or a sink starts, and whenever a data key is new; it should answer within a second, because reading or
/// writing waits for it. What it answers is kept, a failure for ten seconds.
pub trait KeyReader: Send + Sync {
    /// The public key of this name, to write with.
    ///
    /// # Errors
    /// What kept it from being found: the text is shown.
    fn public_key(&self, name: &str) -> Result<PublicKey, BoxError>;

    /// The private key of this name in PEM, to read with; `metadata` is what came with the public key.
    ///
    /// # Errors
    /// What kept it from being found: the text is shown, so it must not hold the key.
    fn private_key(&self, name: &str, metadata: &[(String, String)]) -> Result<Secret, BoxError>;
}

/// Keys in PEM files, each under its name.
///
/// # Examples
/// ```
/// use millstream_pulsar::{Encryption, KeyFiles};
///
/// let keys = KeyFiles::new().with_public_key("orders", "/etc/millstream/orders.pub.pem");
/// let encryption = Encryption::new(["orders"], keys);
/// assert_eq!(encryption.key_names, ["orders"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFiles {
    public: BTreeMap<String, PathBuf>,
    private: BTreeMap<String, PathBuf>,
}

impl KeyFiles {
    /// No keys yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a public key.
    #[must_use]
    pub fn with_public_key(mut self, name: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        self.public.insert(name.into(), file.into());
        self
    }

    /// The same with a private key.
    #[must_use]
    pub fn with_private_key(mut self, name: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        self.private.insert(name.into(), file.into());
        self
    }
}

impl KeyReader for KeyFiles {
    fn public_key(&self, name: &str) -> Result<PublicKey, BoxError> {
        let file = self.public.get(name).ok_or("no file is named for it")?;
        let n_bytes =
            std::fs::metadata(file).map_err(|e| format!("{}: {e}", file.display()))?.len();
        if n_bytes > MAX_BYTES {
            return Err(
                format!("{}: it is larger than {} KiB", file.display(), MAX_BYTES >> 10).into()
            );
        }
        let pem = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        Ok(PublicKey { pem, metadata: Vec::new() })
    }

    fn private_key(&self, name: &str, _metadata: &[(String, String)]) -> Result<Secret, BoxError> {
        Ok(Secret::from_file(self.private.get(name).ok_or("no file is named for it")?))
    }
}
