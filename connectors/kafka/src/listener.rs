//! Hears what the client says by the way: log lines and errors that it retries by itself.
//!
//! Invariant: nothing heard here stops a dataflow; it is logged, at most once in ten seconds, and kept as the reason for a later
//! failure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use millstream_engine::clock::SharedClock;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

use crate::config::{Login, Security};
use crate::keeper::Keeper;
use crate::trouble::Trouble;

/// Microseconds between two warnings of one client.
const QUIET_MICROS: u64 = 10_000_000;

/// Microseconds for which a refusal is believed to go on. The client tells the same one again after 30 s.
const REFUSAL_MICROS: u64 = 60_000_000;

/// Microseconds between two looks for a new password.
const LOGIN_MICROS: u64 = 1_000_000;

/// Microseconds of refusals after which a dataflow stops: until then a password may be on its way.
const GRACE_MICROS: u64 = 25_000_000;

/// Logs what a client says, and remembers why it could not connect.
#[derive(Debug)]
pub(crate) struct Listener {
    step: String,
    clock: SharedClock,
    security: Security,
    heard: Mutex<Heard>,
    doubt: AtomicBool,
    /// Whether the cluster refuses the client, as far as we know.
    is_refused: AtomicBool,
}

#[derive(Debug, Default)]
struct Heard {
    trouble: Option<Trouble>,
    /// The first and the last of the refusals that go on.
    refused: Option<(u64, u64)>,
    login_at: u64,
    quiet_until: u64,
    n_suppressed: u64,
}

impl Listener {
    pub(crate) fn new(step: &str, clock: SharedClock, security: &Security) -> Self {
        Self {
            step: step.to_owned(),
            clock,
            security: security.clone(),
            heard: Mutex::default(),
            doubt: AtomicBool::new(false),
            is_refused: AtomicBool::new(false),
        }
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.lock().trouble.clone()
    }

    /// Why the cluster has refused the client for so long that it will not let it in again by itself.
    pub(crate) fn lasting_trouble(&self) -> Option<Trouble> {
        if !self.is_refused.load(Ordering::Relaxed) {
            return None;
        }
        let heard = self.lock();
        let (first, last) = heard.refused?;
        heard.trouble.clone().filter(|trouble| trouble.is_lasting() && last - first >= GRACE_MICROS)
    }

    /// Whether a password is to be looked up again, because the cluster refuses the client.
    pub(crate) fn is_login_due(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed) && self.lock().login_at <= self.clock.micros()
    }

    /// As [`Listener::is_login_due`]; if so, it is due again after a while.
    pub(crate) fn take_login(&self) -> bool {
        let is_due = self.is_login_due();
        if is_due {
            let (now, mut heard) = (self.clock.micros(), self.lock());
            heard.login_at = now + LOGIN_MICROS;
            let goes_on = heard.refused.is_some_and(|(_, last)| now - last < REFUSAL_MICROS);
            self.is_refused.store(goes_on, Ordering::Relaxed);
        }
        is_due
    }

    /// How the client is let in.
    pub(crate) fn security(&self) -> &Security {
        &self.security
    }

    /// Who has tokens for the client, where it needs some.
    pub(crate) fn keeper(&self) -> Option<&Arc<Keeper>> {
        let tokens = self.security.login.as_ref().and_then(Login::tokens)?;
        Some(&tokens.keeper)
    }

    /// An error that the client retries by itself.
    pub(crate) fn hear(&self, text: &str) {
        if let Some(trouble) = Trouble::parse(text) {
            self.note(trouble);
        }
        self.tell(text);
    }

    /// A broker that could not be reached, and is tried again.
    pub(crate) fn hear_trouble(&self, trouble: Trouble) {
        let text = format!("{}: {}", trouble.address, trouble.reason);
        self.note(trouble);
        self.tell(&text);
    }

    fn tell(&self, text: &str) {
        let mut heard = self.lock();
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
            4..=6 if facility == "FAIL" => {
                // It is told by no error event.
                if let Some(trouble) = Trouble::parse(text) {
                    self.note(trouble);
                }
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

    /// Keeps a reason. A refusal is not forgotten for something that may pass, as long as it may go on.
    fn note(&self, trouble: Trouble) {
        let (now, mut heard) = (self.clock.micros(), self.lock());
        let goes_on = heard.refused.filter(|(_, last)| now - last < REFUSAL_MICROS);
        if trouble.is_lasting() {
            heard.refused = Some((goes_on.map_or(now, |(first, _)| first), now));
            self.is_refused.store(true, Ordering::Relaxed);
        } else if goes_on.is_some() {
            return;
        }
        heard.trouble = Some(trouble);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millstream_engine::clock::ManualClock;

    use super::*;

    const REFUSED: &str =
        "sasl_ssl://k:9/1: SASL authentication error: no (after 5ms in state AUTH_REQ)";
    const DOWN: &str =
        "k:9/1: Connect to ipv4#1.2.3.4:9 failed: Connection refused (after 0ms in state CONNECT)";

    fn listener() -> (ManualClock, Listener) {
        let clock = ManualClock::default();
        let listener = Listener::new("orders", Arc::new(clock.clone()), &Security::default());
        (clock, listener)
    }

    fn reason(trouble: Option<Trouble>) -> String {
        trouble.map(|trouble| trouble.reason).unwrap_or_default()
    }

    #[test]
    fn refusal_outlasts_what_may_pass() {
        let (clock, listener) = listener();
        listener.hear(REFUSED);
        listener.hear(DOWN);
        assert_eq!(reason(listener.trouble()), "no");
        clock.advance(Duration::from_secs(61));
        listener.hear(DOWN);
        assert_eq!(reason(listener.trouble()), "connection refused");
    }

    #[test]
    fn refusals_of_half_a_minute_last() {
        let (clock, listener) = listener();
        listener.hear(REFUSED);
        assert!(listener.take_login() && !listener.take_login());
        clock.advance(Duration::from_secs(20));
        listener.hear(REFUSED);
        assert_eq!(listener.lasting_trouble(), None, "a new password may be on its way");
        clock.advance(Duration::from_secs(10));
        listener.hear(REFUSED);
        assert_eq!(reason(listener.lasting_trouble()), "no");
    }

    #[test]
    fn troubles_of_our_own_connections_count_as_well() {
        let (clock, listener) = listener();
        let refused = Trouble::parse(REFUSED).expect("a broker is named");
        listener.hear_trouble(refused.clone());
        clock.advance(Duration::from_secs(30));
        listener.hear_trouble(refused);
        assert_eq!(reason(listener.lasting_trouble()), "no");
    }

    #[test]
    fn refusals_far_apart_do_not_last() {
        let (clock, listener) = listener();
        for _ in 0..3 {
            listener.hear(REFUSED);
            clock.advance(Duration::from_secs(61));
        }
        assert_eq!(listener.lasting_trouble(), None);
        assert!(listener.take_login(), "the last look");
        clock.advance(Duration::from_secs(2));
        assert!(!listener.is_login_due(), "the client was let in again");
    }
}
