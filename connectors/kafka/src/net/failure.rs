//! Why a connection failed, in the words that `trouble` has for it.

use std::io;

use millstream_engine::Error;
use openssl::error::ErrorStack;
use openssl::ssl::{self, HandshakeError};

use super::address::Address;
use super::socket::Socket;
use crate::error::lower_first;
use crate::trouble::{Cause, Trouble, classify_tls};

/// Characters of a reason at most: a broker may say what it likes.
const MAX_REASON: usize = 500;

const SILENT: &str = "the broker took the connection and does not answer";

const SILENT_HANDSHAKE: &str = "the broker took the connection and does not answer the handshake";

const CLOSED: &str = "disconnected: SSL connection closed by peer";

/// Why, without where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    cause: Cause,
    reason: String,
}

impl Failure {
    pub(super) fn new(cause: Cause, reason: &str) -> Self {
        let reason = lower_first(reason).chars().take(MAX_REASON).collect();
        Self { cause, reason }
    }

    /// A setting cannot be used: a file or a secret is gone.
    pub(super) fn of_setting(cause: Cause, error: &Error) -> Self {
        let reason = error.cause().map(|reason| format!(": {reason}")).unwrap_or_default();
        Self::new(cause, &format!("failed to {error}{reason}"))
    }

    /// Nobody was reached.
    pub(super) fn unreached(error: &io::Error) -> Self {
        Self::new(Cause::Connection, &words(error))
    }

    /// What a connection that was there said last.
    pub(super) fn broken(error: &io::Error) -> Self {
        if let Some(error) = of_tls(error) {
            return Self::in_tls(error);
        }
        let reason = match error.kind() {
            io::ErrorKind::UnexpectedEof => "disconnected".to_owned(),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => SILENT.to_owned(),
            // Something else listens there, or a broker that wants TLS.
            io::ErrorKind::InvalidData
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => format!("disconnected: {}", words(error)),
            _ => words(error),
        };
        Self::new(Cause::Connection, &reason)
    }

    /// What stopped a handshake.
    pub(super) fn in_handshake(error: &HandshakeError<Socket>) -> Self {
        match error {
            HandshakeError::SetupFailure(errors) => Self::in_openssl(errors),
            HandshakeError::Failure(half) | HandshakeError::WouldBlock(half) => {
                Self::in_tls(half.error())
            }
        }
    }

    /// What OpenSSL says of an option.
    pub(super) fn of_option(key: &str, errors: &ErrorStack) -> Self {
        Self::new(
            Cause::Tls,
            &format!("the option \"{key}\" cannot be used: {}", reason_of(errors)),
        )
    }

    /// What OpenSSL cannot do with the settings.
    pub(super) fn in_openssl(errors: &ErrorStack) -> Self {
        Self::new(Cause::Tls, reason_of(errors))
    }

    fn in_tls(error: &ssl::Error) -> Self {
        let reason = match (error.io_error(), error.ssl_error()) {
            (Some(error), _) => match error.kind() {
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => SILENT_HANDSHAKE.to_owned(),
                _ => format!("disconnected: {}", words(error)),
            },
            (None, Some(errors)) if !is_end(error) => {
                let (cause, reason) = classify_tls(reason_of(errors));
                return Self::new(cause, &reason);
            }
            (None, _) => CLOSED.to_owned(),
        };
        Self::new(Cause::Tls, &reason)
    }

    pub(super) fn is_login(&self) -> bool {
        self.cause == Cause::Login
    }

    pub(super) fn at(self, address: &Address) -> Trouble {
        let Self { cause, reason } = self;
        Trouble { cause, reason, address: address.to_string(), is_told: address.is_told }
    }
}

impl Trouble {
    /// Why a connection broke that was set up.
    pub(crate) fn broken(address: &Address, error: &io::Error) -> Self {
        Failure::broken(error).at(address)
    }
}

/// Whether TLS says that the other side hung up without a word.
pub(super) fn is_end_of_tls(error: &io::Error) -> bool {
    of_tls(error).is_some_and(is_end)
}

/// What TLS said, where it was TLS.
pub(super) fn of_tls(error: &io::Error) -> Option<&ssl::Error> {
    error.get_ref()?.downcast_ref()
}

fn is_end(error: &ssl::Error) -> bool {
    error.ssl_error().is_some_and(|errors| reason_of(errors).starts_with("unexpected eof"))
}

/// OpenSSL's reason, without its number and without the names of functions.
fn reason_of(errors: &ErrorStack) -> &'static str {
    errors
        .errors()
        .first()
        .and_then(openssl::error::Error::reason)
        .unwrap_or("OpenSSL gives no reason")
}

/// The system's words, without its number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    lower_first(text.split(" (os error").next().unwrap_or(text))
}
