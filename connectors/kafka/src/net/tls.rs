//! Agrees on TLS with a broker, under the same rules as librdkafka.
//!
//! Invariant: the broker's certificate and its host are checked, unless `danger_accept_any_certificate` says otherwise. Nothing is
//! kept between two connections: certificates and keys are read anew for each, so that new ones need no restart.

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    SslConnector, SslConnectorBuilder, SslFiletype, SslMethod, SslStream, SslVerifyMode,
};
use openssl::x509::store::{X509Lookup, X509Store, X509StoreBuilder};
use openssl::x509::verify::X509VerifyFlags;

use super::failure::Failure;
use super::socket::Socket;
use super::tuning::Tuning;
use crate::certificate;
use crate::config::{Identity, Tls};
use crate::trouble::Cause;

/// Shakes hands, within the socket's deadline.
pub(super) fn shake_hands(
    (tls, tuning): (&Tls, &Tuning),
    host: &str,
    socket: Socket,
) -> Result<SslStream<Socket>, Failure> {
    let of_openssl = |errors: ErrorStack| Failure::in_openssl(&errors);
    let connector = connector(tls, tuning)?.configure().map_err(of_openssl)?;
    let connector = connector.verify_hostname(!tls.danger_accept_any_certificate);
    connector.connect(host, socket).map_err(|error| Failure::in_handshake(&error))
}

fn connector(tls: &Tls, tuning: &Tuning) -> Result<SslConnector, Failure> {
    let of_openssl = |errors: ErrorStack| Failure::in_openssl(&errors);
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(of_openssl)?;
    builder.set_cert_store(authorities(tls, tuning)?);
    if tls.danger_accept_any_certificate {
        builder.set_verify(SslVerifyMode::NONE);
    }
    tune(&mut builder, tuning)?;
    if let Some(identity) = &tls.identity {
        show(&mut builder, identity)?;
    }
    Ok(builder.build())
}

/// Whom to believe: the authorities of the settings or the system's, without what they have revoked.
fn authorities(tls: &Tls, tuning: &Tuning) -> Result<X509Store, Failure> {
    let certificates = tls.ca.as_ref().map(|ca| certificate::parse(&ca.read("authorities")?, ca));
    let certificates = certificates.transpose().map_err(unusable)?;
    let store = || {
        let mut store = X509StoreBuilder::new()?;
        match certificates {
            Some(certificates) => {
                certificates.into_iter().try_for_each(|certificate| store.add_cert(certificate))?;
            }
            None => store.set_default_paths()?,
        }
        Ok(store)
    };
    let mut store = store().map_err(|errors: ErrorStack| Failure::in_openssl(&errors))?;
    if let Some(file) = &tuning.revoked {
        let loaded = store.add_lookup(X509Lookup::file());
        let loaded = loaded.and_then(|files| files.load_crl_file(file, SslFiletype::PEM));
        let checked = loaded.and_then(|_| store.set_flags(X509VerifyFlags::CRL_CHECK));
        checked.map_err(|errors| Failure::of_option("ssl.crl.location", &errors))?;
    }
    Ok(store.build())
}

fn tune(builder: &mut SslConnectorBuilder, tuning: &Tuning) -> Result<(), Failure> {
    let set = |key, list: &Option<String>, set: &mut dyn FnMut(&str) -> Result<(), ErrorStack>| {
        let set = list.as_deref().map_or(Ok(()), set);
        set.map_err(|errors| Failure::of_option(key, &errors))
    };
    set("ssl.cipher.suites", &tuning.ciphers, &mut |list| builder.set_cipher_list(list))?;
    set("ssl.curves.list", &tuning.curves, &mut |list| builder.set_groups_list(list))?;
    set("ssl.sigalgs.list", &tuning.signatures, &mut |list| builder.set_sigalgs_list(list))
}

/// Shows our certificate to a broker that asks for one, with those that lead to an authority. OpenSSL wipes the key after use.
fn show(builder: &mut SslConnectorBuilder, identity: &Identity) -> Result<(), Failure> {
    let pem = identity.certificate.read("the certificate").map_err(unusable)?;
    let certificates = certificate::parse(&pem, &identity.certificate).map_err(unusable)?;
    let key = identity.key.reveal().map_err(unusable)?;
    let password = identity.key_password.as_ref().map(millstream_engine::Secret::reveal);
    let password = password.transpose().map_err(unusable)?;
    certificate::check_key(&certificates, identity, &key, password.as_ref()).map_err(unusable)?;
    let key = key.as_str().as_bytes();
    let set = || {
        // Without an answer of ours OpenSSL would ask at the terminal.
        let key = match &password {
            Some(password) => {
                PKey::private_key_from_pem_passphrase(key, password.as_str().as_bytes())
            }
            None => PKey::private_key_from_pem_callback(key, |_| Ok(0)),
        }?;
        let mut certificates = certificates.into_iter();
        if let Some(own) = certificates.next() {
            builder.set_certificate(&own)?;
        }
        certificates.try_for_each(|next| builder.add_extra_chain_cert(next))?;
        builder.set_private_key(&key)
    };
    set().map_err(|errors| Failure::in_openssl(&errors))
}

/// A setting that was good when the program began, and is no more.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn unusable(error: millstream_engine::Error) -> Failure {
    Failure::of_setting(Cause::Tls, &error)
}
