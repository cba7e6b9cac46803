//! A sink whose records say their topic.

use millstream::memory;
use millstream::routing::TopicPolicy;
use millstream::sink::Sink;

use super::place::Place;

impl Place {
    /// Writes each record to the topic that it says, where `policy` allows it.
    pub(crate) fn routed(&self, policy: TopicPolicy) -> Box<dyn Sink> {
        match self {
            Self::Memory(broker) => Box::new(memory::Sink::routed(broker, policy)),
            #[cfg(feature = "kafka")]
            Self::Kafka(address) => Box::new(millstream::kafka::Sink::routed(address, policy)),
            #[cfg(feature = "pulsar")]
            Self::Pulsar(address) => {
                // Topics with partitions are made by the admin API, which has another address.
                let policy = policy.with_creation(1);
                Box::new(millstream::pulsar::Sink::routed(address, policy))
            }
        }
    }
}
