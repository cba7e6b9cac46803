//! Tells why a cluster does not let a client in, as one of our errors: who was refused, by whom, and what there is to do.

use std::time::Duration;

use millstream_engine::error::{Code, Error, ErrorKind, codes};

use crate::certificate::{self, Fault};
use crate::config::{Login, Security, Tls};
use crate::error::WRONG_ADVERTISED;
use crate::trouble::{Cause, Trouble};

/// How long a broker may take for each step of the handshake that tells what is wrong with its certificate.
const INSPECTION: Duration = Duration::from_secs(2);

impl Trouble {
    /// The error that a program gets.
    ///
    /// # Blocking
    /// Where the broker's certificate is refused: shakes hands once more, a few seconds at most.
    pub(crate) fn error(self, brokers: &str, security: &Security) -> Error {
        let is_distrust = self.cause == Cause::BrokersCertificate;
        let tls = security.tls.as_ref().filter(|_| is_distrust);
        let fault = tls.and_then(|tls| certificate::inspect(&self.address, tls, INSPECTION));
        self.told(brokers, security, fault)
    }

    /// The error that a program gets, without a look at the broker's certificate and so without waiting.
    pub(crate) fn error_at_once(self, brokers: &str, security: &Security) -> Error {
        self.told(brokers, security, None)
    }

    fn told(self, brokers: &str, security: &Security, fault: Option<Fault>) -> Error {
        match self.cause {
            Cause::Connection => self.unreachable(brokers),
            Cause::Token => no_token(brokers, self.reason),
            Cause::Login => self.bad_login(security),
            Cause::BrokersCertificate => self.distrusted(fault),
            Cause::OwnCertificate => self.own_certificate(security.tls.as_ref()),
            Cause::Tls => Error::new(
                ErrorKind::Unavailable,
                codes::NO_TLS,
                format!("agree on TLS with Kafka at {}", self.address),
            )
            .with_source(self.reason)
            .with_hint("Does the broker speak TLS on that port, and is nothing in between?"),
        }
    }

    fn unreachable(self, brokers: &str) -> Error {
        let Self { address, reason, .. } = self;
        if self.is_told && !brokers.contains(address.as_str()) {
            let what = format!(
                "reach Kafka at \"{address}\", the address that the broker at {brokers} tells clients to use"
            );
            return Error::new(ErrorKind::Unavailable, WRONG_ADVERTISED, what)
                .with_source(reason)
                .with_hint("Set `advertised.listeners` on the broker, or make the name known on this host.");
        }
        let what = format!("reach Kafka at {brokers}");
        let hung_up = ["isconnected", "roken pipe"].iter().any(|words| reason.contains(words));
        Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what).with_source(reason).with_hint(
            if hung_up {
                "Does the broker want TLS or a login on that port? Set them with `with_security`."
            } else {
                "Is a broker listening there? The address is the first argument of `new`."
            },
        )
    }

    fn bad_login(self, security: &Security) -> Error {
        let Some(login) = &security.login else {
            return self.denied(
                codes::BAD_LOGIN,
                "log in to Kafka",
                "Set a login with `with_security`.",
            );
        };
        let what = format!("log in to Kafka at {} {}", self.address, who(login));
        let hint = match (login.credentials(), login.tokens()) {
            (Some(credentials), _) => format!("The password is {}.", credentials.password),
            (None, Some(tokens)) => format!("The tokens are {tokens}."),
            (None, None) => String::new(),
        };
        self.denied(codes::BAD_LOGIN, &what, &hint)
    }

    fn distrusted(self, fault: Option<Fault>) -> Error {
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        let (code, reason, hint) = match fault {
            Some(Fault::WrongHost(hosts)) => (
                codes::WRONG_HOST,
                format!("its certificate is valid for {}, not for {host}", hosts.join(", ")),
                "Use an address that the certificate names, or give the broker another certificate.",
            ),
            Some(Fault::Expired(date)) => (
                codes::OUT_OF_DATE,
                format!("its certificate expired on {date}"),
                "Give the broker a new certificate; if that date is not over, set this host's clock.",
            ),
            Some(Fault::NotYetValid(date)) => (
                codes::OUT_OF_DATE,
                format!("its certificate is not valid before {date}"),
                "Set the clock of this host, or give the broker another certificate.",
            ),
            Some(Fault::UnknownAuthority(issuer)) => (
                codes::UNKNOWN_AUTHORITY,
                format!("its certificate is signed by an unknown authority, \"{issuer}\""),
                "If you trust that authority, name its certificate with `Security::with_ca_file`.",
            ),
            Some(Fault::SelfSigned) => (
                codes::UNKNOWN_AUTHORITY,
                "its certificate is signed by itself alone".to_owned(),
                "If you trust it, name that certificate with `Security::with_ca_file`.",
            ),
            Some(Fault::Other(reason)) => {
                (codes::UNKNOWN_AUTHORITY, reason, "Give the broker another certificate.")
            }
            None => (
                codes::UNKNOWN_AUTHORITY,
                self.reason.clone(),
                "Give the broker another certificate.",
            ),
        };
        let what = format!("trust the broker at {}", self.address);
        Self { reason, ..self }.denied(code, &what, hint)
    }

    fn own_certificate(self, tls: Option<&Tls>) -> Error {
        let Some(identity) = tls.and_then(|tls| tls.identity.as_ref()) else {
            let what =
                format!("be let in by the broker at {}: it wants a certificate", self.address);
            let hint = "Set one with `Security::with_identity`.";
            return self.denied(codes::CERTIFICATE_REFUSED, &what, hint);
        };
        let origin = identity.certificate.origin();
        if let Some(date) = certificate::expired(identity) {
            let what = format!("be let in by the broker at {}", self.address);
            let reason = format!("the program's certificate, {origin}, expired on {date}");
            return Self { reason, ..self }.denied(
                codes::OUT_OF_DATE,
                &what,
                "Get a new certificate.",
            );
        }
        let what =
            format!("be let in by the broker at {}: it refuses our certificate", self.address);
        let hint = format!(
            "The certificate is {origin}. It must be signed by an authority that the broker knows, and not be revoked."
        );
        self.denied(codes::CERTIFICATE_REFUSED, &what, &hint)
    }

    fn denied(self, code: Code, what: &str, hint: &str) -> Error {
        Error::new(ErrorKind::Denied, code, what).with_source(self.reason).with_hint(hint)
    }
}

/// The error when the login wants a token and there is none.
pub(crate) fn no_token(brokers: &str, reason: String) -> Error {
    let what = format!("log in to Kafka at {brokers}: there is no token");
    Error::new(ErrorKind::Unavailable, codes::NO_TOKEN, what)
        .with_source(reason)
        .with_hint("It is asked for again, from 1 s up to 30 s after the last time.")
}

/// Who logs in, to read on in a sentence.
fn who(login: &Login) -> String {
    let mechanism = login.mechanism();
    match login.credentials() {
        Some(credentials) => format!("as user \"{}\" by {mechanism}", credentials.user),
        None => format!("by {mechanism}"),
    }
}
