//! Tells why a cluster does not let a client in, as one of our errors: who was refused, by whom, and what there is to do.

use millstream_engine::error::{Code, Error, ErrorKind, codes};

use crate::net::{LoginTold, TlsFault};

/// No TLS with `address`, or a certificate that is refused.
pub(crate) fn no_tls(address: &str, fault: &TlsFault) -> Error {
    match fault {
        TlsFault::OwnCertificate(reason) => {
            let what = format!("be let in by the broker at {address}: it wants a certificate");
            denied(
                codes::CERTIFICATE_REFUSED,
                what,
                reason,
                "Set one with `Security::with_identity`.",
            )
        }
        TlsFault::Refused { reason, origin } => {
            let what = format!("be let in by the broker at {address}: it refuses our certificate");
            let hint = format!(
                "The certificate is {origin}. It must be signed by an authority that the broker knows, and not be revoked."
            );
            denied(codes::CERTIFICATE_REFUSED, what, reason, &hint)
        }
        TlsFault::OwnExpired { end, origin } => {
            let what = format!("be let in by the broker at {address}");
            let reason = format!("the program's certificate, {origin}, expired on {end}");
            denied(codes::OUT_OF_DATE, what, &reason, "Get a new certificate.")
        }
        TlsFault::Setting(reason) => {
            Error::config(format!("agree on TLS with Pulsar at {address}"))
                .with_source(reason.clone())
        }
        TlsFault::Wanted => not_agreed(address, "it wants TLS, and we spoke in the clear")
            .with_hint("Set `Security::tls()`, or write the address as `pulsar+ssl://HOST:PORT`."),
        TlsFault::Alert(reason) => {
            not_agreed(address, &format!("the broker ends the handshake: {reason}"))
                .with_hint("What it logs says why.")
        }
        TlsFault::Other(reason) => not_agreed(address, reason)
            .with_hint("Does the broker speak TLS on that port, and is nothing in between?"),
        distrust => distrusted(address, distrust),
    }
}

fn not_agreed(address: &str, reason: &str) -> Error {
    let what = format!("agree on TLS with Pulsar at {address}");
    Error::new(ErrorKind::Unavailable, codes::NO_TLS, what).with_source(reason.to_owned())
}

fn distrusted(address: &str, fault: &TlsFault) -> Error {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let (code, reason, hint) = match fault {
        TlsFault::WrongHost(hosts) => (
            codes::WRONG_HOST,
            format!("its certificate is valid for {}, not for {host}", hosts.join(", ")),
            "Use an address that the certificate names, or give the broker another certificate.",
        ),
        TlsFault::Expired(date) => (
            codes::OUT_OF_DATE,
            format!("its certificate expired on {date}"),
            "Give the broker a new certificate; if that date is not over, set this host's clock.",
        ),
        TlsFault::NotYetValid(date) => (
            codes::OUT_OF_DATE,
            format!("its certificate is not valid before {date}"),
            "Set the clock of this host, or give the broker another certificate.",
        ),
        TlsFault::UnknownAuthority(issuer) => (
            codes::UNKNOWN_AUTHORITY,
            format!("its certificate is signed by an unknown authority, \"{issuer}\""),
            "If you trust that authority, name its certificate with `Security::with_ca_file`.",
        ),
        TlsFault::SelfSigned => (
            codes::UNKNOWN_AUTHORITY,
            "its certificate is signed by itself alone".to_owned(),
            "Give the broker a certificate that an authority has signed.",
        ),
        other => (
            codes::UNKNOWN_AUTHORITY,
            match other {
                TlsFault::Distrusted(reason) => reason.clone(),
                other => other.to_string(),
            },
            "Give the broker another certificate.",
        ),
    };
    denied(code, format!("trust the broker at {address}"), &reason, hint)
}

/// The broker refused the login.
pub(crate) fn bad_login(broker: &str, login: Option<&LoginTold>, message: &str) -> Error {
    let Some(login) = login else {
        let what = format!("log in to Pulsar at {broker}: it wants a login");
        return denied(codes::BAD_LOGIN, what, message, "Set a login with `Security::with_login`.");
    };
    let what = format!("log in to Pulsar at {broker} {}", login.who);
    denied(codes::BAD_LOGIN, what, message, &login.origin)
}

/// The login wants a token or a password and there is none.
pub(crate) fn no_pass(broker: &str, reason: &str) -> Error {
    let what = format!("log in to Pulsar at {broker}: there is nothing to log in with");
    Error::new(ErrorKind::Unavailable, codes::NO_TOKEN, what)
        .with_source(reason.to_owned())
        .with_hint("It is asked for again with each try to connect.")
}

fn denied(code: Code, what: String, reason: &str, hint: &str) -> Error {
    Error::new(ErrorKind::Denied, code, what).with_source(reason.to_owned()).with_hint(hint)
}
