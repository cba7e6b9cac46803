//! What goes wrong at the cluster, as the engine's errors: a kind, a stable code, a cause in few words and what the reader can do.

use millstream_engine::error::{Code, Error, ErrorKind, codes};

use crate::net::Trouble;
use crate::verdict;
use crate::wire::proto::ServerError;

/// The broker names an address that clients cannot use.
pub(crate) const WRONG_ADVERTISED: Code = Code("E0102");

/// `trouble` as one of our errors; `what` reads on after "failed to". Where a client is not let in at all, that is what failed.
pub(crate) fn error_of(trouble: &Trouble, what: impl Into<String>) -> Error {
    match trouble {
        Trouble::Refused { error, message } => refused(*error, message, what),
        Trouble::NotLetIn { broker, login, message } => {
            verdict::bad_login(broker, login.as_ref(), message)
        }
        Trouble::NoPass { broker, why } => verdict::no_pass(broker, why),
        Trouble::Tls { address, fault } => verdict::no_tls(address, fault),
        Trouble::WrongAdvertised { asked, address, why } => wrong_advertised(asked, address, why),
        Trouble::Disconnected { broker, why } => away(what, format!("{broker}: {why}")).with_hint(
            if why.contains("closed the connection during the login") {
                "Does the broker want TLS on that port? Set `Security::tls()`."
            } else {
                "Is a broker listening there, and is the URL right?"
            },
        ),
        Trouble::Silent { broker, what: asked } => {
            away(what, format!("{broker} did not answer a request for {asked} in time"))
                .with_hint("Is a broker listening there, and not stopped or overloaded?")
        }
        Trouble::BadAddress { address, why } => {
            Error::config(what).with_source(format!("\"{address}\": {why}"))
        }
        Trouble::Protocol { broker, why } => Error::new(
            ErrorKind::Corrupt,
            codes::UNREACHABLE,
            what,
        )
        .with_source(format!("{broker}: {why}"))
        .with_hint(
            "Is that the port of the binary protocol (6650, with TLS 6651) and of a Pulsar broker?",
        ),
    }
}

fn away(what: impl Into<String>, reason: String) -> Error {
    Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what).with_source(reason)
}

fn wrong_advertised(asked: &str, address: &str, why: &str) -> Error {
    let what = format!(
        "reach Pulsar at \"{address}\", the address that the broker at {asked} tells clients to use"
    );
    Error::new(ErrorKind::Unavailable, WRONG_ADVERTISED, what).with_source(why.to_owned()).with_hint(
        "Set `advertisedAddress` or `advertisedListeners` on the broker, or choose a listener with `listener_name`.",
    )
}

fn refused(error: ServerError, message: &str, what: impl Into<String>) -> Error {
    let (kind, code) = classify(error);
    let told = Error::new(kind, code, what).with_source(first_line(message));
    match error {
        ServerError::AuthorizationError => told.with_hint(
            "Needed on the topic or its namespace: `produce` for a sink, `consume` for a source.",
        ),
        _ => told,
    }
}

/// Brokers may send a trace of their stack behind the reason.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(500).collect()
}

/// Who has to act, and the code.
fn classify(error: ServerError) -> (ErrorKind, Code) {
    match error {
        ServerError::AuthenticationError => (ErrorKind::Denied, codes::BAD_LOGIN),
        ServerError::AuthorizationError => (ErrorKind::Denied, codes::NOT_AUTHORISED),
        ServerError::TopicNotFound | ServerError::SubscriptionNotFound => {
            (ErrorKind::Config, codes::UNKNOWN_TOPIC)
        }
        ServerError::InvalidTopicName => (ErrorKind::Config, codes::INVALID_TOPIC),
        ServerError::IncompatibleSchema
        | ServerError::NotAllowedError
        | ServerError::UnsupportedVersionError
        | ServerError::ConsumerBusy
        | ServerError::ProducerBusy
        | ServerError::ProducerFenced => (ErrorKind::Config, codes::BAD_CONFIG),
        _ => (ErrorKind::Unavailable, codes::UNREACHABLE),
    }
}
