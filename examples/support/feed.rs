//! Input for an example that keeps coming while it runs.

use std::time::{Duration, Instant};

use millstream::Result;
use millstream::batch::OwnedRecord;
use millstream::memory::{self, Broker};
use millstream::source::Source;

use super::place::Place;

/// Between two calls of `meanwhile`.
const PERIOD: Duration = Duration::from_millis(500);

impl Place {
    /// Writes `records` to `topic`, so many a second; calls `meanwhile` twice a second.
    pub(crate) fn feed(
        &self,
        topic: &str,
        records: impl Iterator<Item = OwnedRecord>,
        per_second: u32,
        meanwhile: impl FnMut(),
    ) -> Result<()> {
        let records = steadily(records, per_second, meanwhile);
        match self {
            Self::Memory(broker) => send(broker, topic, records).map(drop),
            #[cfg(any(feature = "kafka", feature = "pulsar"))]
            _ => pass_on(self, topic, records),
        }
    }

    /// As [`Place::source`], but it waits for more.
    pub(crate) fn endless_source(&self, topic: &str) -> Box<dyn Source> {
        match self {
            Self::Memory(broker) => Box::new(memory::Source::new(broker, topic)),
            #[cfg(feature = "kafka")]
            Self::Kafka(address) => Box::new(millstream::kafka::Source::new(address, topic)),
            #[cfg(feature = "pulsar")]
            Self::Pulsar(address) => Box::new(millstream::pulsar::Source::new(address, topic)),
        }
    }
}

/// The same records, each at its time.
fn steadily(
    records: impl Iterator<Item = OwnedRecord>,
    per_second: u32,
    mut meanwhile: impl FnMut(),
) -> impl Iterator<Item = OwnedRecord> {
    let begin = Instant::now();
    let (mut due, mut next_call) = (begin, begin + PERIOD);
    records.inspect(move |_| {
        due += Duration::from_secs(1) / per_second;
        wait_until(due);
        if Instant::now() >= next_call {
            next_call += PERIOD;
            meanwhile();
        }
    })
}

/// Waits for a moment, and not at all where it lies less than a millisecond ahead.
fn wait_until(moment: Instant) {
    while let Some(left) = moment.checked_duration_since(Instant::now())
        && left > Duration::from_millis(1)
    {
        std::thread::park_timeout(left);
    }
}

/// Sends records; says how many there were.
fn send(broker: &Broker, topic: &str, records: impl Iterator<Item = OwnedRecord>) -> Result<u64> {
    let mut producer = broker.producer(topic)?;
    let mut n_sent = 0;
    for record in records {
        producer.send(record)?;
        n_sent += 1;
    }
    Ok(n_sent)
}

/// Sends records through an embedded topic and a dataflow that copies it to the broker.
#[cfg(any(feature = "kafka", feature = "pulsar"))]
fn pass_on(place: &Place, topic: &str, records: impl Iterator<Item = OwnedRecord>) -> Result<()> {
    let embedded = Broker::new();
    embedded.create_topic(topic, 4)?;
    let (from, to, name) = (embedded.clone(), place.clone(), topic.to_owned());
    let flow = millstream::Dataflow::new("feed", move |flow| {
        flow.source("generated", memory::Source::new(&from, &name)).sink("out", to.sink(&name));
    });
    let copying = millstream::start(&flow, millstream::Config::default())?;
    let n_sent = send(&embedded, topic, records)?;
    while copying.metrics().latency.n_records < n_sent && !copying.has_ended() {
        wait_until(Instant::now() + Duration::from_millis(10));
    }
    copying.stop();
    copying.wait().map(drop)
}
