//! What cases that run whole dataflows build them with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millstream_engine::Config;

use crate::run::Skipped;
use crate::subject::{End, SourceSetup};

/// A dataflow's closure must own what it builds with: a source or a sink for the check, and one for every worker.
pub(super) struct Parts<P>(Arc<Mutex<Vec<P>>>);

impl<P> Parts<P> {
    pub(super) fn new(
        n_workers: usize,
        mut make: impl FnMut() -> Result<P, Skipped>,
    ) -> Result<Self, Skipped> {
        let parts: Result<_, _> = (0..=n_workers).map(|_| make()).collect();
        Ok(Self(Arc::new(Mutex::new(parts?))))
    }

    /// One for the check of the graph, which opens nothing, and one for the only worker.
    pub(super) fn of_two(checked: P, opened: P) -> Self {
        Self(Arc::new(Mutex::new(vec![opened, checked])))
    }

    pub(super) fn take(&self) -> P {
        let part = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        part.expect("the closure runs once, and once per worker")
    }
}

pub(super) fn bounded() -> SourceSetup {
    SourceSetup { end: End::Latest, ..SourceSetup::default() }
}

pub(super) fn one_worker() -> Config {
    Config { workers: 1, commit_interval: Duration::from_millis(20), ..Config::default() }
}
