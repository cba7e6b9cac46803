//! The broker that cases freeze: one for all of them, taken in turns, because it freezes as a whole.

use std::io::Write;
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};

use crate::own::OwnBroker;

static BROKER: LazyLock<Option<OwnBroker>> = LazyLock::new(|| {
    OwnBroker::start("stall", "")
        .inspect_err(|why| {
            assert!(std::env::var_os("CI").is_none(), "no broker to freeze: {why}");
            writeln!(std::io::stderr(), "no broker to freeze: {why}").expect("stderr is there");
        })
        .ok()
});
static TAKEN: Mutex<bool> = Mutex::new(false);
static GIVEN_BACK: Condvar = Condvar::new();

/// The broker, for one case alone, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn(&'static OwnBroker);

impl Turn {
    /// Waits for its turn; nothing where no broker can be started.
    pub(crate) fn take() -> Option<Self> {
        let broker = BROKER.as_ref()?;
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken =
            GIVEN_BACK.wait_while(taken, |taken| *taken).unwrap_or_else(PoisonError::into_inner);
        *taken = true;
        Some(Self(broker))
    }

    pub(crate) fn address(&self) -> &str {
        self.0.address()
    }

    pub(crate) fn freeze(&self) -> bool {
        self.0.freeze()
    }

    pub(crate) fn thaw(&self) -> bool {
        self.0.thaw()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
        GIVEN_BACK.notify_one();
    }
}
