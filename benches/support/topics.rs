//! Topics that come and go with a bench.

use futures_executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

/// Partitions of every topic of the benches.
pub(crate) const N_PARTITIONS: i32 = 4;

/// Makes topics at one cluster, with names of their own, and deletes them.
pub(crate) struct Topics {
    pub(crate) brokers: String,
    admin: AdminClient<DefaultClientContext>,
    n_made: usize,
}

impl Topics {
    /// The cluster that `MILLSTREAM_TEST_KAFKA` names; `None` when it names none.
    pub(crate) fn from_env() -> Option<Self> {
        let brokers = std::env::var("MILLSTREAM_TEST_KAFKA").ok()?;
        let admin = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .create()
            .expect("an admin client has no settings to refuse");
        Some(Self { brokers, admin, n_made: 0 })
    }

    /// Makes a topic and returns its name.
    pub(crate) fn make(&mut self, what: &str) -> String {
        self.n_made += 1;
        let name = format!("bench-{}-{what}-{}", std::process::id(), self.n_made);
        let topic = NewTopic::new(&name, N_PARTITIONS, TopicReplication::Fixed(1));
        let made = block_on(self.admin.create_topics([&topic], &AdminOptions::new()));
        assert!(made.is_ok_and(|all| all.iter().all(Result::is_ok)), "a topic can be made");
        name
    }

    /// Deletes a topic, so that the disk does not fill.
    pub(crate) fn delete(&self, name: &str) {
        let deleted = block_on(self.admin.delete_topics(&[name], &AdminOptions::new()));
        assert!(deleted.is_ok_and(|all| all.iter().all(Result::is_ok)), "a topic can be deleted");
    }
}
