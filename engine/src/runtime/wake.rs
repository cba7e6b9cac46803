//! Wakes an operator from another thread, at most once until it has run.
//!
//! Invariant: a wake after the operator began its run is never lost; one before it is not repeated.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

struct Target {
    pending: AtomicBool,
    activate: Box<dyn Fn() + Send + Sync>,
}

/// Wakes an operator from any thread. Cheap: while a wake is pending, more of them cost one atomic read-modify-write.
#[derive(Clone)]
pub struct Wake(Arc<Target>);

impl Wake {
    /// Calls `activate` when woken; for readers and writers outside a dataflow.
    pub fn new(activate: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(Target { pending: AtomicBool::new(false), activate: Box::new(activate) }))
    }

    /// Wakes the operator.
    #[inline]
    pub fn wake(&self) {
        if !self.0.pending.swap(true, Ordering::AcqRel) {
            (self.0.activate)();
        }
    }

    /// The operator runs: the next wake counts again. Called first thing in a run.
    #[inline]
    pub fn reset(&self) {
        self.0.pending.store(false, Ordering::Release);
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wake").field("pending", &self.0.pending).finish()
    }
}
