//! Decrypts what a consumer reads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_engine::error::{Error, ErrorKind, codes};
use prost::Message as _;

use super::data_key::DataKey;
use super::{KeyReader, wrap};
use crate::wire::proto::{EncryptionKeys, MessageMetadata};

/// Data keys that are kept: each producer has one at a time.
const MAX_KEPT: usize = 100;

/// How long a data key is kept after it was used last.
const KEPT: Duration = Duration::from_hours(4);

/// How long a data key that cannot be unwrapped is not tried again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a message cannot be decrypted, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undecryptable(pub(crate) String);

impl Undecryptable {
    /// *Bad item* `E0136`.
    pub(crate) fn into_error(self) -> Error {
        Error::new(ErrorKind::BadItem, codes::UNDECRYPTABLE, "decrypt a message")
            .with_source(self.0)
            .with_hint(
                "Give the private key of one of its readers by `with_decryption`, or choose another `OnUndecryptable`.",
            )
    }
}

/// Decrypts payloads, and keeps the data keys that it unwrapped.
pub(crate) struct Decryptor {
    keys: Arc<dyn KeyReader>,
    /// Used last, last.
    kept: Vec<Kept>,
}

struct Kept {
    wrapped: EncryptionKeys,
    /// Or why there is none.
    data_key: Result<DataKey, String>,
    used: Instant,
}

impl Kept {
    fn is_good(&self, now: Instant) -> bool {
        let limit = if self.data_key.is_ok() { KEPT } else { PATIENCE };
        now.saturating_duration_since(self.used) < limit
    }
}

impl Decryptor {
    /// With these private keys; none is asked for yet.
    pub(crate) fn new(keys: Arc<dyn KeyReader>) -> Self {
        Self { keys, kept: Vec::new() }
    }

    /// Makes `out` what `payload` was before it was encrypted: still compressed. A message whose metadata has no encryption keys is
    /// none to ask this for.
    ///
    /// # Errors
    /// [`Undecryptable`]: no private key unwraps the data key, or the payload was changed. `out` is then empty.
    pub(crate) fn decrypt(
        &mut self,
        metadata: &[u8],
        payload: &[u8],
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<(), Undecryptable> {
        out.clear();
        let metadata = MessageMetadata::decode(metadata)
            .or(Err(Undecryptable("its metadata is not what Pulsar's protocol says".to_owned())))?;
        self.kept.retain(|kept| kept.is_good(now));
        let nonce = metadata.encryption_param.as_deref().unwrap_or_default();
        let mut reasons = Vec::new();
        for wrapped in &metadata.encryption_keys {
            match self.data_key(wrapped, now) {
                Ok(data_key) => {
                    let outcome = data_key.decrypt(nonce, payload, out);
                    return outcome.map_err(|_not_authentic| {
                        Undecryptable("it was changed after it was encrypted".to_owned())
                    });
                }
                Err(why) => reasons.push(format!("key \"{}\": {why}", wrapped.key)),
            }
        }
        Err(Undecryptable(reasons.join("; ")))
    }

    /// The data key that was wrapped so, or why there is none.
    fn data_key(&mut self, wrapped: &EncryptionKeys, now: Instant) -> Result<&mut DataKey, &str> {
        let index = self.kept.iter().position(|kept| kept.wrapped == *wrapped);
        let kept = match index {
            Some(index) if index + 1 == self.kept.len() => None,
            Some(index) => Some(self.kept.remove(index)),
            None => {
                if self.kept.len() >= MAX_KEPT {
                    self.kept.remove(0);
                }
                let data_key = unwrap(&*self.keys, wrapped);
                Some(Kept { wrapped: wrapped.clone(), data_key, used: now })
            }
        };
        self.kept.extend(kept);
        let last = self.kept.last_mut().ok_or("no key")?;
        if last.data_key.is_ok() {
            last.used = now;
        }
        last.data_key.as_mut().map_err(|why| why.as_str())
    }
}

fn unwrap(keys: &dyn KeyReader, wrapped: &EncryptionKeys) -> Result<DataKey, String> {
    let metadata: Vec<_> =
        wrapped.metadata.iter().map(|pair| (pair.key.clone(), pair.value.clone())).collect();
    let secret = keys.private_key(&wrapped.key, &metadata).map_err(|why| why.to_string())?;
    let pem = secret
        .reveal()
        .map_err(|error| format!("{error}: {}", error.cause().unwrap_or_default()))?;
    let own = wrap::private_key(pem.as_str())?;
    let data_key =
        wrap::unwrap(&own, &wrapped.value).ok_or("the data key was not wrapped by it")?;
    DataKey::unwrapped(&data_key).ok_or_else(|| "what it wraps is no key of AES".to_owned())
}
