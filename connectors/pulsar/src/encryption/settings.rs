//! What a program can set of encryption.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::KeyReader;

/// How a sink encrypts what it writes.
///
/// Whatever fails, nothing is written in plain text: the sink stops, or sets the records aside.
#[derive(Clone)]
pub struct Encryption {
    /// Whose public keys the data key is wrapped by: who has the private key of one of them can read. At least one.
    pub key_names: Vec<String>,
    /// Where the public keys come from.
    pub keys: Arc<dyn KeyReader>,
    /// How long a data key is used before the next one is made up, and the public keys are asked for again. Default: 4 h, as in
    /// Java's client. Shorter: more wrapping, and more unwrapping by every reader; longer: more is readable by one data key.
    pub rotation: Duration,
}

impl Encryption {
    /// Encryption that the owners of these keys can undo.
    pub fn new<N: Into<String>>(
        key_names: impl IntoIterator<Item = N>,
        keys: impl KeyReader + 'static,
    ) -> Self {
        Self {
            key_names: key_names.into_iter().map(Into::into).collect(),
            keys: Arc::new(keys),
            rotation: Duration::from_hours(4),
        }
    }
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Encryption");
        shown.field("key_names", &self.key_names).field("rotation", &self.rotation);
        shown.finish_non_exhaustive()
    }
}

/// How a source decrypts what it reads. Messages that are not encrypted are read as ever.
#[derive(Clone)]
pub struct Decryption {
    /// Where the private keys come from.
    pub keys: Arc<dyn KeyReader>,
    /// What is done with a message that cannot be decrypted. Default: [`OnUndecryptable::Stop`].
    pub on_undecryptable: OnUndecryptable,
}

impl Decryption {
    /// Decryption with these keys.
    pub fn new(keys: impl KeyReader + 'static) -> Self {
        Self { keys: Arc::new(keys), on_undecryptable: OnUndecryptable::default() }
    }
}

impl fmt::Debug for Decryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Decryption");
        shown.field("on_undecryptable", &self.on_undecryptable).finish_non_exhaustive()
    }
}

/// Equal where the key reader is the same one.
impl PartialEq for Decryption {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.keys, &other.keys) && self.on_undecryptable == other.on_undecryptable
    }
}

impl Eq for Decryption {}

/// What a source does with a message that cannot be decrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUndecryptable {
    /// Says so, and reads no more of that partition: with `source` the dataflow stops before the message, with
    /// `source_with_errors` the other partitions go on.
    #[default]
    Stop,
    /// Says so, and goes on behind the message: it is in the error stream of `source_with_errors`; with `source` the dataflow stops.
    SetAside,
    /// Hands it on as it lies in the broker, encrypted and compressed: as one record, however many it was a batch of. Its header
    /// `pulsar-message-metadata` has what is needed to decrypt it elsewhere, a `MessageMetadata` of Pulsar's protocol.
    HandOn,
}
