//! Agrees on TLS with a broker, its admin API or an identity provider.
//!
//! Invariant: the certificate and its host are checked, unless `danger_accept_any_certificate` says otherwise. Nothing is kept between
//! two connections: certificates and keys are read anew for each, so that new ones need no restart.

use std::io::ErrorKind;
use std::sync::Arc;

use millstream_engine::error::{Error, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, OtherError,
    RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Trouble;
use super::dial::words;
use super::fault::TlsFault;
use crate::config::Tls;

/// Shakes hands. The caller sets the deadline.
pub(super) async fn shake_hands(
    address: &str,
    tls: &Tls,
    stream: TcpStream,
) -> std::result::Result<TlsStream<TcpStream>, Trouble> {
    let faulty = |fault| Trouble::Tls { address: address.to_owned(), fault };
    let host = address.rsplit_once(':').map_or(address, |(host, _port)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|error| Trouble::BadAddress {
        address: address.to_owned(),
        why: error.to_string(),
    })?;
    let tls = tls.clone();
    // it reads files
    let config = tokio::task::spawn_blocking(move || client_config(&tls)).await;
    let config = config.unwrap_or_else(|panic| Err(Error::config("use TLS").with_source(panic)));
    let config = config.map_err(|error| {
        let reason = error.cause().map(|cause| format!(": {cause}")).unwrap_or_default();
        faulty(TlsFault::Setting(format!("failed to {error}{reason}")))
    })?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| {
        let closed = || match error.kind() {
            ErrorKind::UnexpectedEof => "the broker closed the connection during it".to_owned(),
            _ => format!("disconnected: {}", words(&error)),
        };
        faulty(TlsFault::of(&error).unwrap_or_else(|| TlsFault::Other(closed())))
    })
}

fn client_config(tls: &Tls) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = if tls.danger_accept_any_certificate {
        Arc::new(Anybody(Arc::clone(&provider)))
    } else {
        let authorities = Arc::new(authorities(tls)?);
        let checked =
            WebPkiServerVerifier::builder_with_provider(authorities, Arc::clone(&provider)).build();
        Arc::new(Telling(checked.map_err(unusable)?))
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match &tls.identity {
        None => Ok(config.with_no_client_auth()),
        Some(identity) => {
            let (certificates, key) = (identity.certificates()?, identity.key()?);
            config.with_client_auth_cert(certificates, key).map_err(unusable)
        }
    }
}

/// Whom to believe: the authorities of the settings, or the system's.
fn authorities(tls: &Tls) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    if let Some(ca) = &tls.ca {
        for certificate in ca.certificates("authorities")? {
            store.add(certificate).map_err(unusable)?;
        }
        return Ok(store);
    }
    let found = rustls_native_certs::load_native_certs();
    let (n_used, _n_strange) = store.add_parsable_certificates(found.certs);
    if n_used == 0 {
        let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(Error::config("find the operating system's authorities")
            .with_source(errors.join("; "))
            .with_hint("Name an authority with `Security::with_ca_file`."));
    }
    Ok(store)
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::config("use TLS as it is set").with_source(error)
}

/// Checks as rustls does, and says of a certificate that it refuses what is wrong with it.
#[derive(Debug)]
struct Telling(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Telling {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, TlsError> {
        self.0.verify_server_cert(certificate, intermediates, name, ocsp, now).map_err(|error| {
            let fault = Arc::new(TlsFault::of_certificate(&error, certificate));
            TlsError::InvalidCertificate(CertificateError::Other(OtherError(fault)))
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Believes whoever has a certificate and its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
