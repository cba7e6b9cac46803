//! Input for an example: records are written to its topic before it starts.

use millstream::Result;
use millstream::batch::OwnedRecord;
use millstream::memory::Broker;

use super::place::Place;

impl Place {
    /// Writes `records` to `topic`, through a dataflow of its own where the broker is a real one.
    pub(crate) fn fill(
        &self,
        topic: &str,
        records: impl Iterator<Item = OwnedRecord>,
    ) -> Result<()> {
        match self {
            Self::Memory(broker) => send(broker, topic, records),
            #[cfg(any(feature = "kafka", feature = "pulsar"))]
            _ => {
                let embedded = Broker::new();
                let here = Self::Memory(embedded.clone());
                here.create_topics(&[topic], 4)?;
                send(&embedded, topic, records)?;
                let (there, name) = (self.clone(), topic.to_owned());
                let flow = millstream::Dataflow::new("fill", move |flow| {
                    flow.source("generated", here.source(&name)).sink("out", there.sink(&name));
                });
                millstream::run(&flow, millstream::Config::default()).map(drop)
            }
        }
    }
}

fn send(
    broker: &Broker,
    topic: &str,
    mut records: impl Iterator<Item = OwnedRecord>,
) -> Result<()> {
    let mut producer = broker.producer(topic)?;
    records.try_for_each(|record| producer.send(record))
}
