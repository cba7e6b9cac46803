//! Hears what the client says by the way: log lines and errors that it retries by itself.
//!
//! Invariant: nothing heard here stops a dataflow; it is logged, at most once in ten seconds, and kept as the reason for a later
//! failure.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use millstream_engine::clock::SharedClock;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

use crate::error::lower_first;

/// Microseconds between two warnings of one client.
const QUIET_MICROS: u64 = 10_000_000;

/// Why the brokers could not be reached, as last heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The reason, such as "connection refused".
    pub(crate) reason: String,
    /// The address that the broker told us to use, where it was not one of the program's own.
    pub(crate) advertised: Option<String>,
}

/// Logs what a client says, and remembers why it could not connect.
#[derive(Debug)]
pub(crate) struct Listener {
    step: String,
    clock: SharedClock,
    heard: Mutex<Heard>,
    doubt: AtomicBool,
}

#[derive(Debug, Default)]
struct Heard {
    trouble: Option<Trouble>,
    quiet_until: u64,
    n_suppressed: u64,
}

impl Listener {
    pub(crate) fn new(step: &str, clock: SharedClock) -> Self {
        Self {
            step: step.to_owned(),
            clock,
            heard: Mutex::default(),
            doubt: AtomicBool::new(false),
        }
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.lock().trouble.clone()
    }

    /// An error that the client retries by itself.
    pub(crate) fn hear(&self, text: &str) {
        let trouble = parse(text);
        let mut heard = self.lock();
        if let Some(trouble) = trouble {
            heard.trouble = Some(trouble);
        }
        let now = self.clock.micros();
        if now < heard.quiet_until {
            heard.n_suppressed += 1;
            return;
        }
        let n_more = std::mem::take(&mut heard.n_suppressed);
        heard.quiet_until = now + QUIET_MICROS;
        drop(heard);
        tracing::warn!(step = %self.step, n_more, "Kafka client: {text}; it tries again by itself");
    }

    /// Something the connector itself could not do, and will do again.
    pub(crate) fn warn(&self, text: &str) {
        tracing::warn!(step = %self.step, "{text}");
    }

    /// Whether the client has said since the last call that something is wrong for good.
    pub(crate) fn take_doubt(&self) -> bool {
        self.doubt.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn log_line(&self, level: i32, facility: &str, text: &str) {
        // A topic that is gone is told of by a log line alone: the errors of partition queues that are read in batches.
        if facility == "ERROR" {
            self.doubt.store(true, Ordering::Relaxed);
        }
        match level {
            // The client says the same once more as an error event.
            ..=3 if facility == "FAIL" => {
                tracing::debug!(step = %self.step, "Kafka client: {text}");
            }
            ..=3 => tracing::error!(step = %self.step, "Kafka client: {facility} {text}"),
            // A client that is only asked for topics is not told apart: settings of a producer do it no harm.
            4 if facility == "CONFWARN" => {
                tracing::debug!(step = %self.step, "Kafka client: {text}");
            }
            4 => tracing::warn!(step = %self.step, "Kafka client: {facility} {text}"),
            5 | 6 => tracing::debug!(step = %self.step, "Kafka client: {facility} {text}"),
            _ => tracing::trace!(step = %self.step, "Kafka client: {facility} {text}"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.log_line(level as i32, facility, text);
    }

    fn error(&self, _error: KafkaError, reason: &str) {
        self.hear(reason);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl ConsumerContext for Listener {}

/// Takes the reason out of a line such as
/// `127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)`.
/// A line that names no broker, such as "1/1 brokers are down", tells no reason.
fn parse(text: &str) -> Option<Trouble> {
    let start = text.find(": ").filter(|at| text[..*at].contains('/'))?;
    let (broker, rest) =
        (text[..start].rsplit("://").next().unwrap_or_default(), &text[start + 2..]);
    let (address, id) = broker.rsplit_once('/')?;
    let rest = rest.split(" (after ").next().unwrap_or(rest);
    let rest = rest.split(" (add ").next().unwrap_or(rest);
    let reason = match rest.split_once("failed: ") {
        Some((before, reason)) if before.starts_with("Connect") => reason,
        _ => rest,
    };
    let reason = match reason.strip_prefix("Failed to resolve ").and_then(|of| of.split_once("': "))
    {
        Some((_, reason)) => reason,
        None => reason,
    };
    let advertised = (id != "bootstrap").then(|| address.to_owned());
    Some(Trouble { reason: lower_first(reason), advertised })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_is_found_in_the_line() {
        let line = "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused \
                    (after 0ms in state CONNECT)";
        let refused = Trouble { reason: "connection refused".into(), advertised: None };
        assert_eq!(parse(line), Some(refused));
        let other = "kafka-1:9092/1: Failed to resolve 'kafka-1:9092': Name or service not known \
                    (after 4ms in state CONNECT)";
        let unresolved = Trouble {
            reason: "name or service not known".into(),
            advertised: Some("kafka-1:9092".into()),
        };
        assert_eq!(parse(other), Some(unresolved));
        assert_eq!(parse("1/1 brokers are down"), None);
    }
}
