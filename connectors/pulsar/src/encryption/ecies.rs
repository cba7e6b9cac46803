//! Data keys wrapped for the owner of a key on an elliptic curve: ECIES with the parameters of Java's client.
//!
//! ```text
//! [V: a one-time public key, as a point][C: the data key, masked][T: HMAC-SHA-1 of C and eight zeros]
//! ```
//! Mask and key of the HMAC (its 16 bytes first) are KDF2 with SHA-1 of V and the secret that both sides agree on. `BouncyCastle` calls
//! this `ECIES` with a key of 128 bits for the HMAC, and neither derivation nor encoding vector.

use openssl::bn::BigNumContext;
use openssl::derive::Deriver;
use openssl::ec::{EcGroupRef, EcKey, EcKeyRef, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private, Public};
use openssl::sha::Sha1;
use openssl::sign::Signer;
use zeroize::Zeroizing;

const SHA1: usize = 20;
const MAC_KEY: usize = 16;
const NO_ENCODING_VECTOR: [u8; 8] = [0; 8];

/// Wraps `plain` for the owner of `recipient`.
pub(super) fn wrap(recipient: &EcKeyRef<Public>, plain: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let group = recipient.group();
    let one_time = EcKey::generate(group)?;
    let mut context = BigNumContext::new()?;
    let form = PointConversionForm::UNCOMPRESSED;
    let mut out = one_time.public_key().to_bytes(group, form, &mut context)?;
    let agreed = agree(&PKey::from_ec_key(one_time)?, &PKey::from_ec_key(recipient.to_owned())?)?;
    let keys = derive(&out, &agreed, MAC_KEY + plain.len());
    let (mac_key, mask) = keys.split_at(MAC_KEY);
    let masked: Vec<u8> = plain.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    let tag = authenticate(mac_key, &masked)?;
    out.extend_from_slice(&masked);
    out.extend_from_slice(&tag);
    Ok(out)
}

/// Unwraps what was wrapped for the owner of `own`; none where it was not, or was changed since.
pub(super) fn unwrap(own: &EcKeyRef<Private>, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (point, rest) = wrapped.split_at_checked(n_point(own.group(), *wrapped.first()?)?)?;
    let (masked, tag) = rest.split_last_chunk::<SHA1>()?;
    let sender = public_key(own.group(), point).ok()?;
    let agreed = agree(&PKey::from_ec_key(own.to_owned()).ok()?, &sender).ok()?;
    let keys = derive(point, &agreed, MAC_KEY + masked.len());
    let (mac_key, mask) = keys.split_at(MAC_KEY);
    let computed = authenticate(mac_key, masked).ok()?;
    if !openssl::memcmp::eq(&computed, tag) {
        return None;
    }
    Some(Zeroizing::new(masked.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect()))
}

/// Bytes of a point whose first byte this is.
fn n_point(group: &EcGroupRef, first: u8) -> Option<usize> {
    let n_coordinate = usize::try_from(group.degree().div_ceil(8)).ok()?;
    match first {
        2 | 3 => Some(1 + n_coordinate),
        4 => Some(1 + 2 * n_coordinate),
        _ => None,
    }
}

/// The key that a point is; one that lies on the curve.
fn public_key(group: &EcGroupRef, point: &[u8]) -> Result<PKey<Public>, ErrorStack> {
    let mut context = BigNumContext::new()?;
    let point = EcPoint::from_bytes(group, point, &mut context)?;
    let key = EcKey::from_public_key(group, &point)?;
    key.check_key()?;
    PKey::from_ec_key(key)
}

fn agree(own: &PKey<Private>, other: &PKey<Public>) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
    let mut deriver = Deriver::new(own)?;
    deriver.set_peer(other)?;
    Ok(Zeroizing::new(deriver.derive_to_vec()?))
}

/// KDF2: hashes of the input and a counter from 1 on, one behind the other.
fn derive(point: &[u8], agreed: &[u8], n_bytes: usize) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(n_bytes.next_multiple_of(SHA1)));
    let n_hashes = u32::try_from(n_bytes.div_ceil(SHA1)).unwrap_or(u32::MAX);
    for counter in 1..=n_hashes {
        let mut hash = Sha1::new();
        hash.update(point);
        hash.update(agreed);
        hash.update(&counter.to_be_bytes());
        out.extend_from_slice(&hash.finish());
    }
    out.truncate(n_bytes);
    out
}

fn authenticate(key: &[u8], masked: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let key = PKey::hmac(key)?;
    let mut signer = Signer::new(MessageDigest::sha1(), &key)?;
    signer.update(masked)?;
    signer.update(&NO_ENCODING_VECTOR)?;
    signer.sign_to_vec()
}
