//! What a writer has to know of its cluster: the partitions of topics, who leads them, which brokers there are, a producer's id.
//!
//! One thread asks for it, many topics with one question, and creates topics where it may. Two threads listen: the writer's learns
//! how many partitions a topic has, the producer's where they are.
//!
//! Invariant: every topic that is asked for is answered, at the latest when the patience is over; what is kept here never outgrows
//! the topics that the writer has in use.

mod clerk;
mod exchange;
mod kept;
#[cfg(test)]
mod on_broker;
mod refusal;
mod terms;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::runtime::Wake;
use rdkafka::types::RDKafkaErrorCode;

use self::clerk::{Clerk, Wakes};
use self::exchange::Shared;
pub(crate) use self::refusal::{Found, Refusal, is_unknown};
pub(crate) use self::terms::Terms;
use crate::listener::Listener;
use crate::net::address::Address;
use crate::net::asker::Asker;
use crate::wire::metadata::Leaders;

/// The end of both threads that listen. Dropped, it tells the thread that asks to end, and does not wait for it.
pub(crate) struct Control {
    shared: Arc<Shared>,
}

/// What a producer has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The brokers that are up, by id; told before any leader that is new among them.
    Brokers(Vec<(i32, Address)>),
    /// Who leads the partitions of a topic.
    Leaders { topic: Arc<str>, leaders: Leaders },
    /// The id by which brokers know the producer, and its epoch.
    ProducerId(i64, i16),
    /// There is none, and will be none until somebody acts.
    NoProducerId(RDKafkaErrorCode),
}

impl Control {
    /// Starts the thread. `wake_writer` is called when there are answers, `wake_producer` when there are news.
    pub(crate) fn start(
        asker: Asker,
        terms: Terms,
        listener: Arc<Listener>,
        wake_writer: Wake,
        wake_producer: impl Fn() + Send + 'static,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let wakes = Wakes { writer: wake_writer, producer: Box::new(wake_producer) };
        let clerk = Clerk::new((asker, terms), Arc::clone(&shared), listener, wakes);
        std::thread::Builder::new()
            .name("kafka-control".to_owned())
            .spawn(move || clerk.run())
            .map_err(|error| {
                let what = "start a thread for the Kafka client";
                Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what).with_source(error)
            })?;
        Ok(Self { shared })
    }

    /// Asks for a topic, and keeps it: it is looked up again now and then, until it is forgotten or refused.
    pub(crate) fn ask(&self, topic: &Arc<str>) {
        self.shared.wish(|wishes| wishes.topics.insert(Arc::clone(topic), true));
    }

    /// Lets go of a topic.
    pub(crate) fn forget(&self, topic: &Arc<str>) {
        self.shared.wish(|wishes| wishes.topics.insert(Arc::clone(topic), false));
    }

    /// Looks all topics up again, soon: leaders have moved. All of them are told of, changed or not.
    pub(crate) fn refresh(&self) {
        self.shared.wish(|wishes| wishes.refresh = true);
    }

    /// Gets an id for an idempotent producer.
    pub(crate) fn want_producer_id(&self) {
        self.shared.wish(|wishes| wishes.producer_id = true);
    }

    /// What has come for the writer, the last of each topic: what it asked for, another number of partitions, a topic that is gone.
    /// One that is refused is no longer kept.
    pub(crate) fn answers(&self) -> Vec<(Arc<str>, Found)> {
        self.shared.take_answers()
    }

    /// What has come for the producer, the last of each kind and topic.
    pub(crate) fn news(&self) -> Vec<News> {
        self.shared.take_news()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.shared.close();
    }
}
