//! The sink: how a program says where to write.
//!
//! Invariant: it opens nothing by itself.

use millstream_engine::sink::{SinkCapabilities, Writer, WriterContext};
use millstream_engine::source::OpenContext;
use millstream_engine::{Error, Result};

use crate::broker::Broker;
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
    topic: String,
}

impl Sink {
    /// Writes to `topic` of `broker`.
    pub fn new(broker: &Broker, topic: impl Into<String>) -> Self {
        Self { broker: broker.clone(), topic: topic.into() }
    }
}

impl millstream_engine::sink::Sink for Sink {
    fn connector(&self) -> &'static str {
        CONNECTOR
    }

    fn target(&self) -> String {
        self.topic.clone()
    }

    fn capabilities(&self) -> SinkCapabilities {
        SinkCapabilities { confirms: true, transactional: false, idempotent: false, headers: true }
    }

    fn faults(&self) -> Vec<Error> {
        let nameless = self.topic.is_empty();
        nameless.then(|| Error::config("write to a topic without a name")).into_iter().collect()
    }

    fn prepare(&self, _cx: &OpenContext) -> Result<()> {
        self.broker.topic(&self.topic).map(drop)
    }

    fn writer(&self, cx: WriterContext) -> Result<Box<dyn Writer>> {
        Ok(Box::new(MemoryWriter::new(self.broker.topic(&self.topic)?, cx)))
    }
}
