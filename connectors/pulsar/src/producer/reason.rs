//! Why a batch was given up on, or a producer cannot be had, as the error that a program gets.

use std::sync::Arc;
use std::time::Duration;

use millstream_engine::error::{Error, ErrorKind, codes};

use super::tray::Place;
use crate::error::error_of;
use crate::net::Trouble;
use crate::wire::proto::ServerError;

/// Why a batch was given up on, or a producer cannot be had.
#[derive(Clone, Debug)]
pub(crate) enum Reason {
    /// It has more bytes than the broker takes.
    TooLarge { n_bytes: usize, limit: usize },
    /// It was not confirmed within the send timeout.
    TimedOut { limit: Duration, trouble: Option<Trouble> },
    /// The broker dropped it as seen before, and it was sent once: another producer has used its numbers.
    Dropped,
    /// The broker, or the way there, says no.
    Refused(Trouble),
    /// It could not be encrypted, and must not be sent in plain text.
    Unencrypted(Arc<Error>),
    /// The task that sends has ended.
    Ended,
}

impl Reason {
    /// The error of a record of this place.
    pub(crate) fn error(&self, place: &Place) -> Error {
        let what = "deliver a record";
        let error = match self {
            Self::TooLarge { n_bytes, limit } => {
                Error::new(ErrorKind::BadItem, codes::TOO_LARGE, what)
                    .with_source(format!("it has {n_bytes} bytes, and the broker takes {limit}"))
                    .with_hint("Make records smaller, or raise `maxMessageSize` of the broker.")
            }
            Self::TimedOut { limit, trouble } => {
                let late = format!("it was not confirmed within {} ms", limit.as_millis());
                let late = match trouble {
                    Some(trouble) => format!("{late}: {}", trouble.words()),
                    None => late,
                };
                Error::new(ErrorKind::Unavailable, codes::NOT_DELIVERED, what).with_source(late)
            }
            Self::Dropped => Error::new(ErrorKind::Config, codes::NOT_DELIVERED, what)
                .with_source("the broker dropped it as a duplicate, and it was sent once")
                .with_hint("Give each program a producer name of its own: the broker takes equal numbers of one name for duplicates."),
            Self::Refused(trouble) => return refused(trouble, what, place),
            Self::Unencrypted(why) => {
                let error = Error::new(why.kind(), why.code(), what).with_source(why.to_string());
                match why.hint() {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                }
            }
            Self::Ended => Error::new(ErrorKind::Panic, codes::NOT_DELIVERED, what)
                .with_source("the task that sends has ended"),
        };
        at(error, place)
    }

    /// The error of a whole sink that cannot write to this place.
    pub(crate) fn fatal(&self, place: &Place) -> Error {
        match self {
            Self::Refused(trouble) => refused(trouble, "write to Pulsar", place),
            _ => self.error(place),
        }
    }
}

fn refused(trouble: &Trouble, what: &str, place: &Place) -> Error {
    let error = match trouble {
        Trouble::Refused { error: ServerError::ProducerBusy | ServerError::ProducerFenced, message } => {
            Error::new(ErrorKind::Config, codes::BAD_CONFIG, "be the producer of this name")
                .with_source(message.clone())
                .with_hint("Another program has the name, or exclusive access: end it, or choose another name with `with_producer_name`.")
        }
        Trouble::Refused {
            error: ServerError::TopicTerminatedError | ServerError::NotAllowedError,
            message,
        } => {
            Error::new(ErrorKind::BadItem, codes::NOT_DELIVERED, what).with_source(message.clone())
        }
        Trouble::Refused {
            error:
                ServerError::ProducerBlockedQuotaExceededError
                | ServerError::ProducerBlockedQuotaExceededException,
            message,
        } => Error::new(ErrorKind::Unavailable, codes::NOT_DELIVERED, what)
            .with_source(message.clone())
            .with_hint("The topic's backlog is full: let its subscriptions catch up, or raise the namespace's backlog quota."),
        Trouble::Refused { error: ServerError::IncompatibleSchema, message } => {
            Error::config("declare the schema of a topic").with_source(message.clone())
                .with_hint("The topic has another schema: change `with_schema`, or what the topic allows.")
        }
        trouble => error_of(trouble, what),
    };
    at(error, place)
}

fn at(error: Error, place: &Place) -> Error {
    match place.partition {
        Some(partition) => error.at_partition(&place.topic, partition),
        None => error.at_topic(&place.topic),
    }
}
