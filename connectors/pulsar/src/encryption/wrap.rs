//! Data keys wrapped by public keys: RSA-OAEP with SHA-1, or ECIES.

use openssl::pkey::{Id, PKey, PKeyRef, Private, Public};
use openssl::rsa::Padding;
use openssl::x509::X509;
use zeroize::Zeroizing;

use super::ecies;

const UNSUPPORTED: &str = "it is neither a key of RSA nor of an elliptic curve";

/// Reads a public key in PEM, or that of a certificate.
pub(super) fn public_key(pem: &str) -> Result<PKey<Public>, &'static str> {
    let from_certificate = || X509::from_pem(pem.as_bytes()).and_then(|x509| x509.public_key());
    let key = PKey::public_key_from_pem(pem.as_bytes()).or_else(|_no_key| from_certificate());
    check(key.map_err(|_not_pem| "it is no public key in PEM")?)
}

/// Reads a private key in PEM. One with a passphrase is refused, and nobody at a terminal is asked for it.
pub(super) fn private_key(pem: &str) -> Result<PKey<Private>, &'static str> {
    let key = PKey::private_key_from_pem_callback(pem.as_bytes(), |_passphrase| Ok(0));
    check(key.map_err(|_not_pem| "it is no private key in PEM, or has a passphrase")?)
}

fn check<T>(key: PKey<T>) -> Result<PKey<T>, &'static str> {
    if matches!(key.id(), Id::RSA | Id::EC) { Ok(key) } else { Err(UNSUPPORTED) }
}

/// Wraps a data key for the owner of `recipient`.
pub(super) fn wrap(recipient: &PKeyRef<Public>, data_key: &[u8]) -> Result<Vec<u8>, &'static str> {
    let wrapped = if recipient.id() == Id::RSA {
        recipient.rsa().and_then(|rsa| {
            let mut out = vec![0; rsa.size() as usize];
            let n_bytes = rsa.public_encrypt(data_key, &mut out, Padding::PKCS1_OAEP)?;
            out.truncate(n_bytes);
            Ok(out)
        })
    } else {
        recipient.ec_key().and_then(|ec| ecies::wrap(&ec, data_key))
    };
    wrapped.map_err(|_unspecific| "it cannot wrap a data key: it is too short, or damaged")
}

/// Unwraps a data key that was wrapped for the owner of `own`; none where it was not.
pub(super) fn unwrap(own: &PKeyRef<Private>, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if own.id() == Id::EC {
        let own = own.ec_key().ok()?;
        return ecies::unwrap(&own, wrapped);
    }
    let rsa = own.rsa().ok()?;
    let mut out = Zeroizing::new(vec![0; rsa.size() as usize]);
    let n_bytes = rsa.private_decrypt(wrapped, &mut out, Padding::PKCS1_OAEP).ok()?;
    out.truncate(n_bytes);
    Some(out)
}
