//! How topics are looked up: what the program has set, by fields and by librdkafka's options.

use std::time::Duration;

use millstream_engine::routing::TopicPolicy;

use crate::config::{Options, SinkConfig};
use crate::net::backoff::Backoff;

/// The shortest wait that an option may ask for: without one a thread would spin while a broker is down.
const LEAST: Duration = Duration::from_millis(10);

/// What holds for all topics of a writer.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Partitions of the topics that are created; `None`: a topic must exist.
    pub(crate) creation: Option<u32>,
    /// How long a topic is looked for while the cluster does not answer; `None`: as long as it takes.
    pub(crate) patience: Option<Duration>,
    /// How long what is known of a topic is believed; `None`: until something goes wrong. Option
    /// `topic.metadata.refresh.interval.ms`, 60 s.
    pub(crate) refresh: Option<Duration>,
    /// How long a topic that was there may be missing before it counts as gone. Option `topic.metadata.propagation.max.ms`, 30 s.
    pub(crate) propagation: Duration,
    /// The shortest time between two questions for the same leaders. Option `retry.backoff.ms`, 100 ms.
    pub(crate) retry: Duration,
    /// The waits after brokers that could not be reached. Options `reconnect.backoff.ms` and `reconnect.backoff.max.ms`, 100 ms to
    /// 1 s.
    pub(crate) reconnect: Backoff,
}

impl Terms {
    /// Those of a sink.
    pub(crate) fn of(config: &SinkConfig) -> Self {
        let millis = |key, default| {
            let set = number(&config.options, key).and_then(|set| u64::try_from(set).ok());
            Duration::from_millis(set.unwrap_or(default))
        };
        let refresh = "topic.metadata.refresh.interval.ms";
        let is_off = number(&config.options, refresh) == Some(-1);
        let least = millis("reconnect.backoff.ms", 100).max(LEAST);
        Self {
            creation: config.routing.as_ref().and_then(TopicPolicy::creation),
            patience: config.routing.as_ref().map(|_| config.delivery_timeout),
            refresh: (!is_off).then(|| millis(refresh, 60_000).max(LEAST)),
            propagation: millis("topic.metadata.propagation.max.ms", 30_000),
            retry: millis("retry.backoff.ms", 100).max(LEAST),
            reconnect: Backoff::new(least, millis("reconnect.backoff.max.ms", 1000)),
        }
    }
}

/// An option that is a number; all were checked when the sink was made.
fn number(options: &Options, key: &str) -> Option<i64> {
    options.0.get(key)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_take_the_place_of_defaults() {
        let mut config = SinkConfig::new("127.0.0.1:1", "orders");
        let defaults = Terms::of(&config);
        assert_eq!((defaults.creation, defaults.patience), (None, None));
        assert_eq!(defaults.refresh, Some(Duration::from_mins(1)));
        for (key, value) in [
            ("topic.metadata.refresh.interval.ms", "-1"),
            ("topic.metadata.propagation.max.ms", "7"),
            ("retry.backoff.ms", "1"),
        ] {
            config.options.0.insert(key.to_owned(), value.to_owned());
        }
        let terms = Terms::of(&config);
        assert_eq!(terms.refresh, None);
        assert_eq!((terms.propagation, terms.retry), (Duration::from_millis(7), LEAST));
    }
}
