//! Encrypts what a producer sends.

use std::time::Instant;

use millstream_engine::error::{Error, ErrorKind, Result, codes};
use prost::Message as _;

use super::data_key::{DataKey, NONCE, TAG};
use super::{Encryption, wrap};
use crate::wire::proto::{EncryptionKeys, KeyValue, MessageMetadata};

/// Payloads under one data key: far below the 2^32 up to which its nonces may be random.
const MAX_PAYLOADS: u64 = 1 << 30;

/// Encrypts payloads, under a new data key from time to time.
pub(crate) struct Encryptor {
    settings: Encryption,
    data_key: DataKey,
    wrapped: Vec<EncryptionKeys>,
    since: Instant,
    n_payloads: u64,
}

impl Encryptor {
    /// Asks for the public keys and makes a data key up.
    ///
    /// # Errors
    /// *Config* `E0135`, naming the key that cannot be found or used; `E0201` for no key at all.
    pub(crate) fn new(settings: Encryption, now: Instant) -> Result<Self> {
        let (data_key, wrapped) = new_data_key(&settings)?;
        Ok(Self { settings, data_key, wrapped, since: now, n_payloads: 0 })
    }

    /// Bytes that encryption adds to a message at most: to the payload, and to its metadata.
    pub(crate) fn overhead(&self) -> usize {
        let keys = self.wrapped.iter().map(|key| 1 + 5 + key.encoded_len()).sum::<usize>();
        TAG + keys + 2 + NONCE
    }

    /// Makes `out` the payload, compressed before, as it is to be sent, and says in the metadata how to undo it.
    ///
    /// # Errors
    /// As for [`Encryptor::new`], where the data key is to change. Nothing must be sent then.
    pub(crate) fn encrypt(
        &mut self,
        payload: &[u8],
        metadata: &mut MessageMetadata,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<()> {
        let age = now.saturating_duration_since(self.since);
        if age >= self.settings.rotation || self.n_payloads >= MAX_PAYLOADS {
            (self.data_key, self.wrapped) = new_data_key(&self.settings)?;
            (self.since, self.n_payloads) = (now, 0);
        }
        let nonce = self.data_key.encrypt(payload, out).map_err(unavailable)?;
        self.n_payloads += 1;
        metadata.encryption_keys.clone_from(&self.wrapped);
        metadata.encryption_param = Some(nonce.to_vec());
        Ok(())
    }
}

fn new_data_key(settings: &Encryption) -> Result<(DataKey, Vec<EncryptionKeys>)> {
    if settings.key_names.is_empty() {
        return Err(Error::config("encrypt messages").with_source("no key is named"));
    }
    let (data_key, plain) = DataKey::random().map_err(unavailable)?;
    let wrapped = settings.key_names.iter().map(|name| wrap_for(settings, name, &plain[..]));
    Ok((data_key, wrapped.collect::<Result<_>>()?))
}

fn wrap_for(settings: &Encryption, name: &str, data_key: &[u8]) -> Result<EncryptionKeys> {
    let unusable = || {
        let what = format!("encrypt messages with the public key \"{name}\"");
        Error::new(ErrorKind::Config, codes::UNUSABLE_KEY, what)
            .with_hint("Nothing was sent in plain text.")
    };
    let public = settings.keys.public_key(name).map_err(|why| unusable().with_source(why))?;
    let value = wrap::public_key(&public.pem)
        .and_then(|key| wrap::wrap(&key, data_key))
        .map_err(|why| unusable().with_source(why))?;
    let pair = |(key, text)| KeyValue { key, value: text };
    let metadata = public.metadata.into_iter().map(pair).collect();
    Ok(EncryptionKeys { key: name.to_owned(), value, metadata })
}

/// The system gives no random numbers, or OpenSSL has no AES.
fn unavailable(why: openssl::error::ErrorStack) -> Error {
    Error::new(ErrorKind::Unavailable, codes::UNUSABLE_KEY, "encrypt a message").with_source(why)
}
