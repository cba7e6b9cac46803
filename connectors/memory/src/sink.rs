//! The sink: how a program says where to write.
//!
//! Invariant: it opens nothing by itself.

use millstream_engine::routing::TopicPolicy;
use millstream_engine::sink::{SinkCapabilities, Writer, WriterContext};
use millstream_engine::source::OpenContext;
use millstream_engine::{Error, Result};

use crate::broker::Broker;
use crate::router::{MemoryRouter, name_rule};
use crate::source::CONNECTOR;
use crate::writer::MemoryWriter;

/// Writes to a topic of an embedded broker.
///
/// Order is kept per key and writer. A record without a time gets the broker's.
///
/// # Delivery
/// At least once: a record is durable as soon as it is in the topic. A dataflow that fails and runs again in the same
/// process writes again what was not confirmed at its source. Nothing survives the process.
///
/// # Examples
/// ```
/// use millstream_engine::sink::Sink as _;
/// use millstream_memory::{Broker, Sink};
///
/// let broker = Broker::new();
/// broker.create_topic("invoices", 3)?;
/// assert_eq!(Sink::new(&broker, "invoices").target(), "invoices");
/// # Ok::<_, millstream_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sink {
    broker: Broker,
    target: Target,
}

#[derive(Clone, Debug)]
enum Target {
    Topic(String),
    Routed(TopicPolicy),
}

impl Sink {
    /// Writes to `topic` of `broker`.
    pub fn new(broker: &Broker, topic: impl Into<String>) -> Self {
        Self { broker: broker.clone(), target: Target::Topic(topic.into()) }
    }

    /// Writes every record to the topic that it says, as far as `policy` allows it.
    ///
    /// Order is kept per key and writer in each topic. A topic counts as in use during the call that writes to it: a batch goes to
    /// at most [`TopicPolicy::with_max_topics`] of them.
    ///
    /// # Errors
    /// A record is rejected: `E0118` it says no topic, `E0115` its topic's name is empty, `E0116` the policy does not allow it,
    /// `E0117` too many topics are in use, `E0110` the topic or the partition it says does not exist.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::sink::Sink as _;
    /// use millstream_memory::{Broker, Sink, TopicPolicy};
    ///
    /// let tenants = Sink::routed(&Broker::new(), TopicPolicy::prefix("orders.").with_creation(4));
    /// assert_eq!(tenants.target(), "topics that begin with \"orders.\"");
    /// assert!(tenants.capabilities().routes);
    /// ```
    pub fn routed(broker: &Broker, policy: TopicPolicy) -> Self {
        Self { broker: broker.clone(), target: Target::Routed(policy) }
    }
}

impl millstream_engine::sink::Sink for Sink {
    fn connector(&self) -> &'static str {
        CONNECTOR
    }

    fn target(&self) -> String {
        match &self.target {
            Target::Topic(topic) => topic.clone(),
            Target::Routed(policy) => policy.to_string(),
        }
    }

    fn capabilities(&self) -> SinkCapabilities {
        SinkCapabilities {
            confirms: true,
            transactional: false,
            idempotent: false,
            headers: true,
            routes: matches!(self.target, Target::Routed(_)),
        }
    }

    fn faults(&self) -> Vec<Error> {
        match &self.target {
            Target::Topic(topic) if topic.is_empty() => {
                vec![Error::config("write to a topic without a name")]
            }
            Target::Topic(_) => Vec::new(),
            Target::Routed(policy) => {
                let mut faults = policy.faults();
                let bad = policy.names().filter_map(|name| name_rule(name).err());
                faults.extend(bad.map(|why| Error::config(format!("route records: {why}"))));
                faults
            }
        }
    }

    fn prepare(&self, _cx: &OpenContext) -> Result<()> {
        match &self.target {
            Target::Topic(topic) => self.broker.topic(topic).map(drop),
            Target::Routed(_) => Ok(()),
        }
    }

    fn writer(&self, cx: WriterContext) -> Result<Box<dyn Writer>> {
        Ok(match &self.target {
            Target::Topic(topic) => Box::new(MemoryWriter::new(self.broker.topic(topic)?, cx)),
            Target::Routed(policy) => {
                Box::new(MemoryRouter::new(self.broker.clone(), policy.clone(), cx))
            }
        })
    }
}
