//! What the thread that sends is told by the settings of a sink.

use std::time::Duration;

use crate::config::{Compression, SinkConfig};

/// How long to wait before a partition is tried again: the first pause, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// The same for a broker.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// The shortest pause that an option may ask for: without one the thread would spin while a broker is down.
const LEAST: Duration = Duration::from_millis(10);

/// How long an answer is waited for, and how long the broker may wait for its replicas.
const REQUEST: Duration = Duration::from_secs(30);

/// Requests that a broker may have before it has answered the first: Kafka remembers as many batches of a producer.
const MAX_UNDER_WAY: usize = 5;

/// What the thread that sends has to know.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) client_id: String,
    pub(super) idempotent: bool,
    pub(super) max_under_way: usize,
    pub(super) compression: Compression,
    pub(super) compression_level: Option<i32>,
    pub(super) linger: Duration,
    pub(super) delivery_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) ack_timeout: Duration,
    pub(super) retry: (Duration, Duration),
    pub(super) reconnect: (Duration, Duration),
}

impl Settings {
    pub(super) fn new(config: &SinkConfig, client_id: &str) -> Self {
        let options = &config.options;
        let bounds = |least: &str, most: &str, default: (Duration, Duration)| {
            let first = options.millis(least).unwrap_or(default.0).max(LEAST);
            (first, options.millis(most).unwrap_or(default.1).max(first))
        };
        Self {
            client_id: client_id.to_owned(),
            idempotent: config.idempotent,
            max_under_way: options
                .number("max.in.flight.requests.per.connection")
                .unwrap_or(MAX_UNDER_WAY)
                .clamp(1, MAX_UNDER_WAY),
            compression: config.compression,
            compression_level: config.compression_level,
            linger: config.linger,
            delivery_timeout: config.delivery_timeout,
            request_timeout: options.millis("socket.timeout.ms").unwrap_or(REQUEST),
            ack_timeout: options.millis("request.timeout.ms").unwrap_or(REQUEST),
            retry: bounds("retry.backoff.ms", "retry.backoff.max.ms", RETRY),
            reconnect: bounds("reconnect.backoff.ms", "reconnect.backoff.max.ms", RECONNECT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_bound_pauses_and_never_to_nothing() {
        let mut config = SinkConfig::new("k:1", "orders");
        assert_eq!(Settings::new(&config, "me").retry, RETRY);
        for (key, value) in [
            ("retry.backoff.ms", "0"),
            ("retry.backoff.max.ms", "300"),
            ("reconnect.backoff.ms", "0"),
            ("reconnect.backoff.max.ms", "0"),
            ("max.in.flight.requests.per.connection", "1000"),
        ] {
            config.options.0.insert(key.to_owned(), value.to_owned());
        }
        let settings = Settings::new(&config, "me");
        assert_eq!(settings.retry, (LEAST, Duration::from_millis(300)));
        assert_eq!(settings.reconnect, (LEAST, LEAST));
        assert_eq!(settings.max_under_way, MAX_UNDER_WAY);
    }
}
