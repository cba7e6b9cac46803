//! What is in a topic, as counts and sums that do not depend on the order of its partitions.

use crate::checksum::checksum;
use crate::raw_consumer::RawConsumer;
use crate::run::Seen;

/// Reads a topic to its end: records per partition, sum of their keys and values.
pub(crate) fn contents(brokers: &str, topic: &str) -> Seen {
    let mut consumer = RawConsumer::new(brokers, topic);
    let mut seen = Seen::new();
    while let Some(messages) = consumer.take() {
        for message in messages {
            *seen.entry(format!("in partition {}", message.0.partition)).or_default() += 1;
            let bytes = message.key().into_iter().chain([message.value()]);
            let sum = seen.entry("sum of what was written".to_owned()).or_default();
            *sum = bytes.map(checksum).fold(*sum, u64::wrapping_add);
        }
    }
    seen
}
