//! Looks at certificates: those of the settings, before they are used, and the one of a broker, to tell what is wrong with it.
//!
//! librdkafka says of every certificate only that its verification failed. Nothing here decides whether one is good.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millstream_engine::error::{Error, Result};
use millstream_engine::secret::Revealed;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509NameRef, X509Ref, X509StoreContextRef};

use crate::config::{Identity, Pem, Tls};

/// What is wrong with a broker's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is for these hosts.
    WrongHost(Vec<String>),
    Expired(String),
    NotYetValid(String),
    /// Signed by this one, whom nobody named as an authority.
    UnknownAuthority(String),
    SelfSigned,
    /// OpenSSL's own words.
    Other(String),
}

/// The certificates of a text, at least one; `from` names it in the error.
pub(crate) fn parse(text: &str, from: &Pem) -> Result<Vec<X509>> {
    let what = || Error::config(format!("use certificates {}", from.origin()));
    let found = X509::stack_from_pem(text.as_bytes()).map_err(|error| {
        what().with_source(error.to_string()).with_hint("They must be in the PEM form.")
    })?;
    if found.is_empty() {
        return Err(what()
            .with_source("there is none in it")
            .with_hint("They must be in the PEM form."));
    }
    Ok(found)
}

/// Whether the key can be read and belongs to the first of the certificates.
pub(crate) fn check_key(
    certificates: &[X509],
    identity: &Identity,
    key: &Revealed,
    password: Option<&Revealed>,
) -> Result<()> {
    let refused = |reason: &str| {
        Error::config(format!("use the key {}", identity.key)).with_source(reason.to_owned())
    };
    let pem = key.as_str().as_bytes();
    // Without an answer of ours OpenSSL would ask at the terminal.
    let read = match password {
        Some(password) => PKey::private_key_from_pem_passphrase(pem, password.as_str().as_bytes()),
        None => PKey::private_key_from_pem_callback(pem, |_| Ok(0)),
    };
    let Ok(read) = read else {
        return Err(match password {
            Some(_) => refused("it is no key in the PEM form, or the password is wrong"),
            None => refused("it is no key in the PEM form, or it is locked with a password"),
        });
    };
    let own = certificates.first().and_then(|first| first.public_key().ok());
    if own.is_some_and(|own| own.public_eq(&read)) {
        Ok(())
    } else {
        Err(refused("it does not belong to the certificate"))
    }
}

/// When the program's own certificate expired, if it did.
pub(crate) fn expired(identity: &Identity) -> Option<String> {
    let certificates =
        parse(&identity.certificate.read("the certificate").ok()?, &identity.certificate);
    let certificates = certificates.ok()?;
    let end = certificates.first()?.not_after();
    (end < Asn1Time::days_from_now(0).ok()?.as_ref()).then(|| date(end))
}

/// Shakes hands with a broker once more, to see what is wrong with its certificate; `None` when nothing is, or nobody answers.
///
/// # Blocking
/// For several times `wait` at most: connecting to each address, then each read.
pub(crate) fn inspect(address: &str, tls: &Tls, wait: Duration) -> Option<Fault> {
    let (host, _port) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let seen = Arc::new(Mutex::new(None));
    let note = Arc::clone(&seen);
    let mut builder = SslConnector::builder(SslMethod::tls_client()).ok()?;
    if let Some(ca) = &tls.ca {
        let mut store = X509StoreBuilder::new().ok()?;
        for certificate in parse(&ca.read("authorities").ok()?, ca).ok()? {
            store.add_cert(certificate).ok()?;
        }
        builder.set_cert_store(store.build());
    }
    builder.set_verify_callback(SslVerifyMode::PEER, move |is_good, context| {
        if !is_good {
            let mut first = note.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| Fault::of(context));
        }
        is_good
    });
    let mut addresses = address.to_socket_addrs().ok()?;
    let stream = addresses.find_map(|to| TcpStream::connect_timeout(&to, wait).ok())?;
    stream.set_read_timeout(Some(wait)).ok()?;
    stream.set_write_timeout(Some(wait)).ok()?;
    // What is wrong with the certificate was noted on the way; anything else is not looked for.
    drop(builder.build().connect(host, stream));
    seen.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Fault {
    fn of(context: &X509StoreContextRef) -> Self {
        let error = context.error();
        let Some(certificate) = context.current_cert() else {
            return Self::Other(error.to_string());
        };
        // The numbers are OpenSSL's X509_V_ERR_…, which its Rust binding does not name.
        match error.as_raw() {
            9 => Self::NotYetValid(date(certificate.not_before())),
            10 => Self::Expired(date(certificate.not_after())),
            18 => Self::SelfSigned,
            19..=21 => Self::UnknownAuthority(common_name(certificate.issuer_name())),
            62 | 64 => Self::WrongHost(hosts(certificate)),
            _ => Self::Other(error.to_string()),
        }
    }
}

fn common_name(name: &X509NameRef) -> String {
    let entry = name.entries_by_nid(Nid::COMMONNAME).next();
    let text = entry.and_then(|entry| entry.data().to_string().ok());
    text.unwrap_or_else(|| "somebody without a name".to_owned())
}

/// The names and addresses that a certificate is for.
fn hosts(certificate: &X509Ref) -> Vec<String> {
    let names = certificate.subject_alt_names();
    let mut hosts: Vec<_> = names
        .iter()
        .flatten()
        .filter_map(|name| match (name.dnsname(), name.ipaddress()) {
            (Some(host), _) => Some(host.to_owned()),
            (None, Some([a, b, c, d])) => Some(format!("{a}.{b}.{c}.{d}")),
            _ => None,
        })
        .collect();
    if hosts.is_empty() {
        hosts.push(common_name(certificate.subject_name()));
    }
    hosts
}

/// A time as OpenSSL prints it, without the blanks that align it.
fn date(time: &Asn1TimeRef) -> String {
    time.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
