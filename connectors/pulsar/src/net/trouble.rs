//! What goes wrong between us and brokers, before it is one of the engine's errors.

use std::io;

use super::TlsFault;
use super::dial::words;
use crate::config::Tls;
use crate::wire::proto::ServerError;

/// What went wrong.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// The broker said no.
    Refused { error: ServerError, message: String },
    /// The broker refused the login.
    NotLetIn { broker: String, login: Option<LoginTold>, message: String },
    /// There is nothing to log in with.
    NoPass { broker: String, why: String },
    /// No TLS, or a certificate that is refused.
    Tls { address: String, fault: TlsFault },
    /// No connection, or it ended: a new one may help.
    Disconnected { broker: String, why: String },
    /// The broker `asked` names an address that cannot be reached.
    WrongAdvertised { asked: String, address: String, why: String },
    /// No answer in time.
    Silent { broker: String, what: &'static str },
    /// The address cannot be used, whoever is asked.
    BadAddress { address: String, why: String },
    /// The other side does not speak the protocol as it should.
    Protocol { broker: String, why: String },
}

/// Who was refused, for people.
#[derive(Clone, Debug)]
pub(crate) struct LoginTold {
    /// To read on in a sentence.
    pub(crate) who: String,
    /// Where the secret comes from, as one sentence.
    pub(crate) origin: String,
}

impl Trouble {
    pub(crate) fn refused(error: ServerError, message: &str) -> Self {
        Self::Refused { error, message: message.to_owned() }
    }

    /// What a socket said, or TLS on it.
    pub(crate) fn io(broker: &str, error: &io::Error) -> Self {
        match TlsFault::of(error) {
            Some(fault) => Self::Tls { address: broker.to_owned(), fault },
            None => Self::Disconnected { broker: broker.to_owned(), why: words(error) },
        }
    }

    /// With what is known of our own certificate, where it may be that. Reads files.
    pub(crate) fn with_own(self, tls: Option<&Tls>) -> Self {
        match (self, tls) {
            (Self::Tls { address, fault }, Some(tls)) => {
                Self::Tls { address, fault: fault.with_own(tls) }
            }
            (other, _) => other,
        }
    }

    /// Whether asking again, after a while and with a fresh lookup, may help.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Refused { error, .. } => matches!(
                error,
                ServerError::ServiceNotReady
                    | ServerError::MetadataError
                    | ServerError::PersistenceError
                    | ServerError::TooManyRequests
                    | ServerError::UnknownError
            ),
            Self::Tls { fault, .. } => matches!(
                fault,
                // a file may be gone for the moment in which it is replaced
                TlsFault::Other(_) | TlsFault::Alert(_) | TlsFault::Setting(_)
            ),
            Self::Disconnected { .. }
            | Self::WrongAdvertised { .. }
            | Self::Silent { .. }
            | Self::NoPass { .. } => true,
            Self::NotLetIn { .. } | Self::BadAddress { .. } | Self::Protocol { .. } => false,
        }
    }
}

impl Trouble {
    /// As a reason in an error about something else.
    pub(crate) fn words(&self) -> String {
        let error = crate::error::error_of(self, "reach it");
        let cause = error.cause().map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("failed to {error}{cause}")
    }
}
