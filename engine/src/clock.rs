//! Time as the engine sees it: one clock per dataflow, which tests move by hand.
//!
//! Invariant: product code never asks the system for the time in another way.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of time. Implementations are cheap to ask and shared between threads.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Microseconds since the dataflow's origin; never goes back.
    fn micros(&self) -> u64;

    /// Milliseconds since the Unix epoch; follows the system's clock and may jump.
    fn unix_millis(&self) -> i64;
}

/// The clock as contexts hand it out.
pub type SharedClock = Arc<dyn Clock>;

/// The system's clocks: monotonic for epochs, calendar for event times.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose origin is now.
    #[expect(clippy::new_ret_no_self, reason = "clocks are only used shared")]
    pub fn new() -> SharedClock {
        Arc::new(Self { origin: Instant::now() })
    }
}

impl Clock for SystemClock {
    fn micros(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the context's clock")]
    fn unix_millis(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A clock that stands still until it is moved.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    micros: Arc<AtomicU64>,
}

impl ManualClock {
    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(by, Ordering::SeqCst);
    }

    /// The clock as contexts want it; both move together.
    pub fn shared(&self) -> SharedClock {
        Arc::new(self.clone())
    }
}

impl Clock for ManualClock {
    fn micros(&self) -> u64 {
        self.micros.load(Ordering::SeqCst)
    }

    fn unix_millis(&self) -> i64 {
        i64::try_from(self.micros() / 1000).unwrap_or(i64::MAX)
    }
}
