//! Source and sink by the preset for throughput; embedded topics have no settings that it would change.

use millstream::sink::Sink;
use millstream::source::Source;

use super::place::Place;

impl Place {
    /// As [`Place::source`], by the preset for throughput.
    pub(crate) fn fast_source(&self, topic: &str) -> Box<dyn Source> {
        match self {
            Self::Memory(_) => self.source(topic),
            #[cfg(feature = "kafka")]
            Self::Kafka(address) => {
                let source = millstream::kafka::Source::new(address, topic).until_end();
                Box::new(source.with_preset(millstream::Preset::HighThroughput))
            }
            #[cfg(feature = "pulsar")]
            Self::Pulsar(address) => {
                let source = millstream::pulsar::Source::new(address, topic).until_end();
                Box::new(source.with_preset(millstream::Preset::HighThroughput))
            }
        }
    }

    /// As [`Place::sink`], by the preset for throughput.
    pub(crate) fn fast_sink(&self, topic: &str) -> Box<dyn Sink> {
        match self {
            Self::Memory(_) => self.sink(topic),
            #[cfg(feature = "kafka")]
            Self::Kafka(address) => {
                let sink = millstream::kafka::Sink::new(address, topic);
                Box::new(sink.with_preset(millstream::Preset::HighThroughput))
            }
            #[cfg(feature = "pulsar")]
            Self::Pulsar(address) => {
                let sink = millstream::pulsar::Sink::new(address, topic);
                Box::new(sink.with_preset(millstream::Preset::HighThroughput))
            }
        }
    }
}
