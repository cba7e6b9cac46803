//! The errors of this connector, each with the code, the place and what the reader can do.
//!
//! Invariant: no error holds the bytes of a record.

use millstream_engine::error::codes;
use millstream_engine::{Error, ErrorKind};

use crate::broker::TopicSummary;

/// How alike two names must be for a suggestion, from 0 to 1.
const ALIKE: f64 = 0.8;

pub(crate) fn unknown_topic(name: &str, known: &[TopicSummary]) -> Error {
    let best = known
        .iter()
        .map(|topic| (strsim::jaro_winkler(name, &topic.name), topic))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match best {
        Some((_, topic)) => {
            format!("Did you mean \"{}\" ({} partitions)?", topic.name, topic.n_partitions)
        }
        None => "Create it first, with `Broker::create_topic`.".to_owned(),
    };
    let what = format!("find topic \"{name}\" on the embedded broker");
    Error::new(ErrorKind::Config, codes::UNKNOWN_TOPIC, what).with_hint(hint)
}

pub(crate) fn unknown_partition(topic: &str, partition: u32, n_partitions: usize) -> Error {
    let what = format!("find partition {partition}: the topic has {n_partitions}");
    Error::new(ErrorKind::Config, codes::UNKNOWN_TOPIC, what).at_partition(topic, partition)
}

pub(crate) fn expired(topic: &str, partition: u32, position: u64, kept: (u64, u64)) -> Error {
    let (first, next) = kept;
    let what = format!("go on at position {position}: the topic keeps {first} up to {next}");
    Error::new(ErrorKind::Corrupt, codes::EXPIRED_POSITION, what)
        .at_partition(topic, partition)
        .with_hint(
            "Choose with `.with_expired(…)`: `Expired::Earliest` goes on with the first record kept, \
             `Expired::Latest` after the last one; both give up those in between.",
        )
}

pub(crate) fn bad_position(topic: &str, partition: u32, text: &str) -> Error {
    let what = format!("read \"{text}\" as a position of the embedded broker");
    Error::new(ErrorKind::Corrupt, codes::EXPIRED_POSITION, what).at_partition(topic, partition)
}

pub(crate) fn too_large(topic: &str, n_bytes: usize, max_bytes: usize) -> Error {
    let what = format!("append a record of {n_bytes} bytes: the topic keeps {max_bytes} at most");
    Error::new(ErrorKind::BadItem, codes::TOO_LARGE, what)
        .at_topic(topic)
        .with_hint("Raise `TopicOptions::max_bytes`.")
}

pub(crate) fn refused(topic: &str, reason: String) -> Error {
    Error::new(ErrorKind::BadItem, codes::NOT_DELIVERED, "append a record")
        .at_topic(topic)
        .with_source(reason)
}

pub(crate) fn stayed_full(topic: &str, millis: u128) -> Error {
    let what = format!("append a record: nothing was taken for {millis} ms");
    Error::new(ErrorKind::Unavailable, codes::NOT_DELIVERED, what).at_topic(topic).with_hint(
        "A full topic waits until every group has confirmed its oldest records: is each group still \
         read? Otherwise raise `TopicOptions::max_bytes`, or choose `Full::DropOldest`.",
    )
}

pub(crate) fn away(topic: &str, what: &str) -> Error {
    Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what).at_topic(topic)
}
