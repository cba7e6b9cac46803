//! What is wrong with the destination of a record: the same words and codes on every connector.

use crate::error::{Error, ErrorKind, codes};

/// Characters of a bad name that an error shows: it may be a whole payload by mistake.
const SHOWN: usize = 60;

/// A record without a topic came to a sink that routes.
#[cold]
pub fn no_topic() -> Error {
    let what = "route a record: it says no topic";
    Error::new(ErrorKind::BadItem, codes::NO_TOPIC, what).with_hint(
        "Say it with `.to_topic(…)`, or in `.encode(…)` with `topic`; a sink to one topic is made with `new`.",
    )
}

/// A record names a partition that its topic does not have.
#[cold]
pub fn unknown_partition(topic: &str, partition: u32, n_partitions: u32) -> Error {
    let what = format!("route a record: its topic has {n_partitions} partitions, from 0 on");
    Error::new(ErrorKind::BadItem, codes::UNKNOWN_TOPIC, what).at_partition(topic, partition)
}

#[cold]
pub(super) fn invalid(topic: &str, why: &str) -> Error {
    let what = format!("route a record to {}: {why}", shown(topic));
    Error::new(ErrorKind::BadItem, codes::INVALID_TOPIC, what)
        .with_hint("Check what computes the topic.")
}

#[cold]
pub(super) fn forbidden(topic: &str, allowed: &str) -> Error {
    let what = format!("route a record to {}: the sink may write {allowed}", shown(topic));
    Error::new(ErrorKind::BadItem, codes::FORBIDDEN_TOPIC, what)
        .with_hint("Allow it in the sink's `TopicPolicy`, or correct what computes the topic.")
}

#[cold]
pub(super) fn too_many(topic: &str, max_topics: usize) -> Error {
    let what = format!(
        "route a record to {}: {max_topics} topics have records that are not confirmed yet",
        shown(topic)
    );
    Error::new(ErrorKind::BadItem, codes::TOO_MANY_TOPICS, what)
        .with_retryable(true)
        .with_hint("Raise `TopicPolicy::with_max_topics`, unless something makes up topics.")
}

/// A name in quotes, its odd characters escaped, and cut where it is long.
fn shown(topic: &str) -> String {
    match topic.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &topic[..end]),
        None => format!("{topic:?}"),
    }
}
