//! The key that payloads are encrypted by: AES in Galois/counter mode, the tag of 16 bytes behind the payload.

use openssl::cipher::{Cipher, CipherRef};
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use openssl::rand::rand_bytes;
use zeroize::Zeroizing;

/// Bytes of a nonce.
pub(super) const NONCE: usize = 12;

/// Bytes that encryption adds to a payload.
pub(super) const TAG: usize = 16;

/// Bytes of the keys that we make up.
const KEY: usize = 32;

/// A payload that was not encrypted by this key, or was changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAuthentic;

/// A data key, set up for the one or the other direction: the key itself is then the cipher's alone.
pub(super) struct DataKey {
    context: CipherCtx,
}

impl DataKey {
    /// A new one, and its bytes to be wrapped.
    pub(super) fn random() -> Result<(Self, Zeroizing<[u8; KEY]>), ErrorStack> {
        let mut key = Zeroizing::new([0; KEY]);
        rand_bytes(&mut key[..])?;
        let mut context = CipherCtx::new()?;
        context.encrypt_init(Some(Cipher::aes_256_gcm()), Some(&key[..]), None)?;
        Ok((Self { context }, key))
    }

    /// The one of these bytes, to decrypt; none where they are no key of AES.
    pub(super) fn unwrapped(key: &[u8]) -> Option<Self> {
        let mut context = CipherCtx::new().ok()?;
        context.decrypt_init(Some(cipher(key.len())?), Some(key), None).ok()?;
        Some(Self { context })
    }

    /// Makes `out` the payload, encrypted, and returns the nonce that it was encrypted with.
    pub(super) fn encrypt(
        &mut self,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<[u8; NONCE], ErrorStack> {
        let mut nonce = [0; NONCE];
        rand_bytes(&mut nonce)?;
        self.context.encrypt_init(None, None, Some(&nonce))?;
        out.clear();
        out.reserve(payload.len() + TAG);
        self.context.cipher_update_vec(payload, out)?;
        self.context.cipher_final_vec(out)?;
        let mut tag = [0; TAG];
        self.context.tag(&mut tag)?;
        out.extend_from_slice(&tag);
        Ok(nonce)
    }

    /// Makes `out` what `payload` was before.
    ///
    /// # Errors
    /// [`NotAuthentic`]; `out` is then empty.
    pub(super) fn decrypt(
        &mut self,
        nonce: &[u8],
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), NotAuthentic> {
        out.clear();
        let (encrypted, tag) = payload.split_last_chunk::<TAG>().ok_or(NotAuthentic)?;
        if nonce.len() != NONCE {
            return Err(NotAuthentic);
        }
        let opened = self.open(nonce, encrypted, tag, out);
        opened.map_err(|_unspecific| {
            out.clear();
            NotAuthentic
        })
    }

    fn open(
        &mut self,
        nonce: &[u8],
        encrypted: &[u8],
        tag: &[u8; TAG],
        out: &mut Vec<u8>,
    ) -> Result<(), ErrorStack> {
        self.context.decrypt_init(None, None, Some(nonce))?;
        self.context.set_tag(tag)?;
        out.reserve(encrypted.len());
        self.context.cipher_update_vec(encrypted, out)?;
        self.context.cipher_final_vec(out)?;
        Ok(())
    }
}

/// Java makes shorter keys where its rules allow no others.
fn cipher(n_bytes: usize) -> Option<&'static CipherRef> {
    match n_bytes {
        16 => Some(Cipher::aes_128_gcm()),
        24 => Some(Cipher::aes_192_gcm()),
        32 => Some(Cipher::aes_256_gcm()),
        _ => None,
    }
}
