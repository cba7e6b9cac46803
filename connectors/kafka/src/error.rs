//! What librdkafka and brokers say, as the engine's errors: a kind, a stable code, a cause in few words and what the reader can do.

use millstream_engine::error::{Code, Error, ErrorKind, codes};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Kafka;

use crate::config::Security;

/// The broker names an address that clients cannot use.
pub(crate) const WRONG_ADVERTISED: Code = Code("E0102");

/// An error of the client as one of ours; `what` reads on after "failed to".
pub(crate) fn from_client(error: &KafkaError, what: impl Into<String>) -> Error {
    match error.rdkafka_error_code() {
        Some(code) => from_code(code, what),
        None => Error::config(what).with_source(error.to_string()),
    }
}

/// An error code as one of our errors; `what` reads on after "failed to".
pub(crate) fn from_code(code: Kafka, what: impl Into<String>) -> Error {
    let (kind, ours) = classify(code);
    let error = Error::new(kind, ours, what).with_source(reason(code));
    match hint(code) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// Why the broker or the client refused a record.
pub(crate) fn not_delivered(code: Kafka, topic: &str) -> Error {
    let (kind, ours) = match code {
        Kafka::MessageSizeTooLarge | Kafka::InvalidMessageSize | Kafka::MessageBatchTooLarge => {
            (ErrorKind::BadItem, codes::TOO_LARGE)
        }
        Kafka::InvalidRecord | Kafka::InvalidMessage | Kafka::InvalidTimestamp => {
            (ErrorKind::BadItem, codes::NOT_DELIVERED)
        }
        _ => match classify(code) {
            (kind, codes::UNREACHABLE) => (kind, codes::NOT_DELIVERED),
            other => other,
        },
    };
    let error = Error::new(kind, ours, "deliver a record to Kafka")
        .at_topic(topic)
        .with_source(reason(code));
    match ours {
        codes::TOO_LARGE => {
            error.with_hint("Raise `with_max_record_bytes`, and `max.message.bytes` of the topic.")
        }
        codes::NOT_AUTHORISED => {
            error.with_hint(format!("Needed: WRITE on the topic \"{topic}\"."))
        }
        _ => error,
    }
}

/// Adds who it was that lacks a permission, and which one, where that is what went wrong.
pub(crate) fn name_user(error: Error, code: Kafka, security: &Security) -> Error {
    if error.code() != codes::NOT_AUTHORISED {
        return error;
    }
    error.with_source(format!("{} for {}", reason(code), security.user()))
}

/// Whether the broker refuses the client, and not only this request.
pub(crate) fn is_refusal(code: Kafka) -> bool {
    classify(code).0 == ErrorKind::Denied
}

/// A topic that the cluster does not have, with the name that was perhaps meant.
pub(crate) fn unknown_topic<'a>(
    topic: &str,
    known: impl Iterator<Item = (&'a str, usize)>,
) -> Error {
    let known: Vec<_> = known.filter(|(name, _)| !name.starts_with("__")).collect();
    let error = Error::new(
        ErrorKind::Config,
        codes::UNKNOWN_TOPIC,
        format!("find the topic \"{topic}\": it does not exist on this cluster"),
    );
    let near = did_you_mean(topic, known.iter().map(|(name, _)| *name));
    match known.iter().find(|(name, _)| Some(*name) == near) {
        Some((name, 1)) => error.with_hint(format!("Did you mean \"{name}\" (1 partition)?")),
        Some((name, n)) => error.with_hint(format!("Did you mean \"{name}\" ({n} partitions)?")),
        None => error.with_hint("Create it first: topics are not created on the way."),
    }
}

/// The candidate that is close enough to be what was meant.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let most = (name.chars().count() / 3).max(2);
    candidates
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= most && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// The client's own words for a code, without the name of the code and of the side that said it.
pub(crate) fn reason(code: Kafka) -> String {
    let text = code.to_string();
    let words = text.split_once(" (").map_or(text.as_str(), |(_, rest)| rest.trim_end_matches(')'));
    let words =
        words.strip_prefix("Broker: ").or_else(|| words.strip_prefix("Local: ")).unwrap_or(words);
    lower_first(words)
}

pub(crate) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn classify(code: Kafka) -> (ErrorKind, Code) {
    match code {
        Kafka::UnknownTopicOrPartition
        | Kafka::UnknownTopic
        | Kafka::UnknownPartition
        | Kafka::UnknownTopicId
        | Kafka::InvalidTopic => (ErrorKind::Config, codes::UNKNOWN_TOPIC),
        Kafka::TopicAuthorizationFailed
        | Kafka::GroupAuthorizationFailed
        | Kafka::ClusterAuthorizationFailed
        | Kafka::TransactionalIdAuthorizationFailed => (ErrorKind::Denied, codes::NOT_AUTHORISED),
        Kafka::Authentication
        | Kafka::SaslAuthenticationFailed
        | Kafka::UnsupportedSASLMechanism => (ErrorKind::Denied, codes::BAD_LOGIN),
        Kafka::OffsetOutOfRange | Kafka::AutoOffsetReset => {
            (ErrorKind::Corrupt, codes::EXPIRED_POSITION)
        }
        Kafka::BadMessage | Kafka::BadCompression | Kafka::InvalidMessage => {
            (ErrorKind::Corrupt, codes::BAD_RECORD)
        }
        Kafka::InvalidArgument | Kafka::InvalidConfig | Kafka::UnsupportedFeature => {
            (ErrorKind::Config, codes::BAD_CONFIG)
        }
        _ => (ErrorKind::Unavailable, codes::UNREACHABLE),
    }
}

fn hint(code: Kafka) -> Option<&'static str> {
    Some(match code {
        Kafka::TopicAuthorizationFailed => {
            "Needed: READ on the topic for a source, WRITE for a sink."
        }
        Kafka::GroupAuthorizationFailed => "Needed: READ on the consumer group.",
        Kafka::ClusterAuthorizationFailed => {
            "Needed: WRITE on the topic for a sink, CREATE on the topic or the cluster to make one."
        }
        Kafka::SaslAuthenticationFailed | Kafka::Authentication => {
            "Check user, password and mechanism."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_topic_suggests_a_near_name() {
        let known = [("orders", 6), ("payments", 1), ("__consumer_offsets", 50)];
        let report = unknown_topic("order", known.into_iter()).report();
        assert_eq!(
            report,
            "E0110 failed to find the topic \"order\": it does not exist on this cluster\n\
             Did you mean \"orders\" (6 partitions)?"
        );
        assert!(unknown_topic("zzz", known.into_iter()).report().contains("Create it first"));
    }

    #[test]
    fn reasons_are_short_and_lower_case() {
        assert_eq!(reason(Kafka::MessageSizeTooLarge), "message size too large");
        assert_eq!(reason(Kafka::BrokerTransportFailure), "broker transport failure");
    }

    #[test]
    fn oversized_record_is_the_item_s_fault() {
        let error = not_delivered(Kafka::MessageSizeTooLarge, "orders");
        assert_eq!((error.code(), error.kind()), (codes::TOO_LARGE, ErrorKind::BadItem));
        assert!(!error.is_retryable());
        assert!(not_delivered(Kafka::MessageTimedOut, "orders").is_retryable());
    }
}
