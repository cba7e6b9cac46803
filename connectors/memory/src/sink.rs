//! The sink: how a program says where to write.
//!
//! Invariant: it opens nothing by itself.

use millstream_engine::routing::TopicPolicy;
use millstream_engine::sink::{SinkCapabilities, WhenFull, Writer, WriterContext};
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
/// At least once: a record is durable as soon as it is in the topic. What finds the topic full waits, or is rejected
/// ([`Sink::with_when_full`]). A dataflow that fails and runs again in the same
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
    when_full: WhenFull,
}

#[derive(Clone, Debug)]
enum Target {
    Topic(String),
    Routed(TopicPolicy),
}

impl Sink {
    /// Writes to `topic` of `broker`.
    pub fn new(broker: &Broker, topic: impl Into<String>) -> Self {
        Self::to(broker, Target::Topic(topic.into()))
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
        Self::to(broker, Target::Routed(policy))
    }

    fn to(broker: &Broker, target: Target) -> Self {
        Self { broker: broker.clone(), target, when_full: WhenFull::default() }
    }

    /// Sets what becomes of records for which a topic has no room; [`WhenFull::Wait`] by default.
    ///
    /// A sink of the embedded broker has no queue of its own: the topic is the queue, and it is full at
    /// [`TopicOptions::max_bytes`](crate::TopicOptions::max_bytes) where [`Full::Wait`](crate::Full::Wait) keeps what is not read.
    /// With [`WhenFull::Reject`] such records are rejected with `E0142`, and those to other topics go on.
    ///
    /// # Examples
    /// ```
    /// use millstream_memory::{Broker, Sink, WhenFull};
    ///
    /// let broker = Broker::new();
    /// broker.create_topic("prices", 1)?;
    /// let prices = Sink::new(&broker, "prices").with_when_full(WhenFull::Reject);
    /// assert!(format!("{prices:?}").contains("Reject"));
    /// # Ok::<_, millstream_engine::Error>(())
    /// ```
    #[must_use]
    pub fn with_when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
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
            Target::Topic(topic) => {
                Box::new(MemoryWriter::new(self.broker.topic(topic)?, self.when_full, cx))
            }
            Target::Routed(policy) => {
                let (broker, policy) = (self.broker.clone(), policy.clone());
                Box::new(MemoryRouter::new(broker, policy, self.when_full, cx))
            }
        })
    }
}
