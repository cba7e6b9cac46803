//! A thousand topics of one partition, which stay for all runs of a bench.

use std::time::Duration;

use futures_executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use crate::bound::name;
use crate::run::{Seen, scaled};

/// How all topics begin.
pub(crate) const PREFIX: &str = "bench-routing";

/// Nothing of this takes longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// How many topics there are.
pub(crate) fn n_topics() -> u64 {
    scaled(1000, 50)
}

/// The topics at one cluster.
pub(crate) struct ManyTopics {
    pub(crate) brokers: String,
    admin: AdminClient<DefaultClientContext>,
    consumer: BaseConsumer,
    ends: Vec<u64>,
}

impl ManyTopics {
    /// Makes the topics at the cluster that `MILLSTREAM_TEST_KAFKA` names, those apart that are there; `None` when it names none.
    pub(crate) fn from_env() -> Option<Self> {
        let brokers = std::env::var("MILLSTREAM_TEST_KAFKA").ok()?;
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &brokers);
        let admin: AdminClient<_> = config.create().expect("an admin client");
        let consumer = config.create().expect("a consumer");
        let names: Vec<_> = (0..n_topics()).map(|topic| name(PREFIX, topic)).collect();
        let new = names.iter().map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1)));
        let new: Vec<_> = new.collect();
        let made = block_on(admin.create_topics(&new, &patient()));
        assert!(made.is_ok(), "topics can be made: {made:?}");
        let this = Self { brokers, admin, consumer, ends: Vec::new() };
        while this.ends().is_none() {
            this.consumer.poll(Duration::from_millis(100));
        }
        Some(this)
    }

    /// Takes down where every topic ends.
    pub(crate) fn remember_ends(&mut self) {
        self.ends = self.ends().expect("the topics are there");
    }

    /// How much was written to how many topics since then, with a sum that tells them apart.
    pub(crate) fn written_since(&self) -> Seen {
        let ends = self.ends().expect("the topics are there");
        let written: Vec<u64> = ends.iter().zip(&self.ends).map(|(end, from)| end - from).collect();
        let of_topic = |(at, n): (u64, &u64)| (at + 1).wrapping_mul(n * n);
        Seen::from([
            ("records in topics".to_owned(), written.iter().sum()),
            ("sum over topics".to_owned(), (0..).zip(&written).map(of_topic).sum()),
        ])
    }

    /// The end of every topic; nothing while one is not there yet.
    fn ends(&self) -> Option<Vec<u64>> {
        let end = |topic| {
            let bounds = self.consumer.fetch_watermarks(&name(PREFIX, topic), 0, PATIENCE);
            u64::try_from(bounds.ok()?.1).ok()
        };
        (0..n_topics()).map(end).collect()
    }

    /// Deletes the topics, so that the disk does not fill.
    pub(crate) fn delete(&self) {
        let names: Vec<_> = (0..n_topics()).map(|topic| name(PREFIX, topic)).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let deleted = block_on(self.admin.delete_topics(&names, &patient()));
        assert!(deleted.is_ok(), "topics can be deleted: {deleted:?}");
    }
}

fn patient() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}
