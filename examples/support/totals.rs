//! Sums per name, shared between workers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many items and how much, by name.
#[derive(Clone, Default)]
pub(crate) struct Totals(Arc<Mutex<BTreeMap<String, (u64, i64)>>>);

impl Totals {
    /// Adds one item of `amount` to `name`.
    pub(crate) fn add(&self, name: &str, amount: i64) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = sums.entry(name.to_owned()).or_default();
        *sum = (sum.0 + 1, sum.1 + amount);
    }

    /// The sums by name: (items, amount).
    pub(crate) fn take(&self) -> BTreeMap<String, (u64, i64)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
