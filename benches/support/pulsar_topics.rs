//! Topics of Pulsar that come and go with a bench, and what is in them.

use std::sync::{Arc, Mutex};

use crate::checksum::checksum;
use crate::crate_client;
use crate::run::Seen;

/// Names topics of their own at one broker, which makes them as they are written; they go with the broker.
pub(crate) struct Topics {
    /// `HOST:PORT`.
    pub(crate) broker: String,
    n_made: usize,
}

impl Topics {
    /// The broker that `MILLSTREAM_TEST_PULSAR` names; `None` when it names none.
    pub(crate) fn from_env() -> Option<Self> {
        let broker = std::env::var("MILLSTREAM_TEST_PULSAR").ok()?;
        Some(Self { broker, n_made: 0 })
    }

    /// The whole name of a new topic.
    pub(crate) fn make(&mut self, what: &str) -> String {
        self.n_made += 1;
        let (id, n) = (std::process::id(), self.n_made);
        format!("persistent://public/default/bench-{id}-{what}-{n}")
    }
}

/// Number of records and the sum of the bytes of their values.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    n_records: u64,
    all: u64,
}

impl Sum {
    #[inline]
    pub(crate) fn add(&mut self, value: &[u8]) {
        self.n_records += 1;
        self.all = self.all.wrapping_add(checksum(value));
    }

    pub(crate) fn seen(self) -> Seen {
        let (records, checksum) = ("records".to_owned(), "checksum".to_owned());
        Seen::from([(records, self.n_records), (checksum, self.all)])
    }
}

/// A sum that outlives the closure that adds to it: written back when that is dropped.
#[derive(Clone, Default)]
pub(crate) struct Summing {
    sum: Sum,
    total: Arc<Mutex<Sum>>,
}

impl Summing {
    #[inline]
    pub(crate) fn add(&mut self, value: &[u8]) {
        self.sum.add(value);
    }

    /// Where the sum will be.
    pub(crate) fn total(&self) -> Arc<Mutex<Sum>> {
        Arc::clone(&self.total)
    }
}

impl Drop for Summing {
    fn drop(&mut self) {
        if self.sum.n_records > 0 {
            *self.total.lock().expect("nobody panicked") = self.sum;
        }
    }
}

/// What is in the first `n_records` of a topic, as the client of others reads it.
pub(crate) fn contents(broker: &str, topic: &str, n_records: u64) -> Seen {
    let mut summing = Summing::default();
    let total = summing.total();
    crate_client::read(broker, topic, n_records, move |value| summing.add(value));
    let sum = *total.lock().expect("nobody panicked");
    sum.seen()
}
