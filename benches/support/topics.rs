//! Topics that come and go with a bench.

use millstream::kafka::{self, NewTopic};

/// Partitions of every topic of the benches.
pub(crate) const N_PARTITIONS: i32 = 4;

/// Makes topics at one cluster, with names of their own, and deletes them.
pub(crate) struct Topics {
    pub(crate) brokers: String,
    cluster: kafka::Topics,
    n_made: usize,
}

impl Topics {
    /// The cluster that `MILLSTREAM_TEST_KAFKA` names; `None` when it names none.
    pub(crate) fn from_env() -> Option<Self> {
        let brokers = std::env::var("MILLSTREAM_TEST_KAFKA").ok()?;
        let cluster = kafka::Topics::new(&brokers);
        Some(Self { brokers, cluster, n_made: 0 })
    }

    /// Makes a topic and returns its name.
    pub(crate) fn make(&mut self, what: &str) -> String {
        self.n_made += 1;
        let name = format!("bench-{}-{what}-{}", std::process::id(), self.n_made);
        let new = NewTopic::new(&name, N_PARTITIONS.unsigned_abs()).with_replication(1);
        assert!(self.cluster.create(&new).expect("a topic can be made"), "the name is new");
        name
    }

    /// Deletes a topic, so that the disk does not fill.
    pub(crate) fn delete(&self, name: &str) {
        assert!(self.cluster.delete(name).expect("a topic can be deleted"), "it was there");
    }
}
