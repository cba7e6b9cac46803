//! A real broker as the conformance suite wants to see it.

mod plain;
mod secrets;
mod stalling;

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use millstream_conformance::{
    End, Expired, QUEUED_RECORDS, Secretive, SourceSetup, Start, Subject,
};
use millstream_engine::batch::OwnedRecord;
use millstream_engine::routing::TopicPolicy;
use millstream_engine::{sink, source};
use millstream_kafka as kafka;
use millstream_kafka::WhenFull;

use plain::Plain;
use stalling::Turn;

/// What topics take at once at most, in bytes: a larger record is refused by the broker.
const MAX_MESSAGE_BYTES: usize = 150_000;

/// Bytes of a batch at most, so that the broker never refuses one for its good records: a larger record travels alone.
const BATCH_BYTES: usize = 100_000;

/// The broker of `MILLSTREAM_TEST_KAFKA`, or one that may be frozen.
#[derive(Debug, Default)]
pub(crate) struct KafkaSubject {
    /// The turn on the broker that may be frozen, where the case asked for it.
    turn: OnceLock<Option<Turn>>,
    plain: OnceLock<Plain>,
    topics: Mutex<Vec<String>>,
}

impl KafkaSubject {
    fn turn(&self) -> Option<&Turn> {
        self.turn.get()?.as_ref()
    }

    fn brokers(&self) -> String {
        let shared = || std::env::var("MILLSTREAM_TEST_KAFKA").expect("the case is skipped");
        self.turn().map_or_else(shared, |turn| turn.address().to_owned())
    }

    fn plain(&self) -> &Plain {
        self.plain.get_or_init(|| Plain::new(&self.brokers()))
    }

    fn new_sink(&self, topic: &str) -> kafka::Sink {
        kafka::Sink::new(self.brokers(), topic).with_batch_bytes(BATCH_BYTES)
    }
}

impl Subject for KafkaSubject {
    fn unavailable(&self) -> Option<String> {
        let named = std::env::var_os("MILLSTREAM_TEST_KAFKA").is_some();
        (!named).then(|| "MILLSTREAM_TEST_KAFKA is not set".to_owned())
    }

    fn patience(&self) -> Duration {
        Duration::from_mins(1)
    }

    fn isolate(&self) {
        self.turn.get_or_init(Turn::take);
    }

    fn create_topic(&self, n_partitions: u32) -> String {
        let name = self.new_name();
        self.plain().create_topic(&name, n_partitions, MAX_MESSAGE_BYTES);
        name
    }

    fn create_topics(&self, n_topics: usize, n_partitions: u32) -> Vec<String> {
        let names: Vec<_> = (0..n_topics).map(|_| self.new_name()).collect();
        self.plain().create_topics(&names, n_partitions, MAX_MESSAGE_BYTES);
        names
    }

    /// It is deleted at the end, should it be a topic's by then.
    fn new_name(&self) -> String {
        let name = format!("conformance-{:016x}", RandomState::new().hash_one("topic"));
        self.topics.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        name
    }

    fn records_of(&self, topics: &[String], n_each: usize) -> Vec<Vec<OwnedRecord>> {
        self.plain().records_of(topics, n_each * topics.len(), self.patience())
    }

    fn routed_sink(&self, policy: TopicPolicy) -> Option<Box<dyn sink::Sink>> {
        Some(Box::new(kafka::Sink::routed(self.brokers(), policy).with_batch_bytes(BATCH_BYTES)))
    }

    fn produce(&self, topic: &str, partition: u32, records: &[OwnedRecord]) {
        self.plain().produce(topic, partition, records, self.patience());
    }

    fn records(&self, topic: &str, n_expected: usize) -> Vec<OwnedRecord> {
        self.plain().records(topic, n_expected, self.patience())
    }

    fn source(&self, topic: &str, setup: &SourceSetup) -> Option<Box<dyn source::Source>> {
        let source = kafka::Source::new(self.brokers(), topic)
            .with_group(&setup.group)
            .with_start(match setup.start {
                Start::Earliest => kafka::Start::Earliest,
                Start::Latest => kafka::Start::Latest,
            })
            .with_expired(match setup.expired {
                Expired::Stop => kafka::Expired::Stop,
                Expired::Earliest => kafka::Expired::Earliest,
                Expired::Latest => kafka::Expired::Latest,
            });
        let end = match &setup.end {
            End::Never => kafka::End::Never,
            End::Latest => kafka::End::Latest,
            End::Time(millis) => kafka::End::Timestamp(*millis),
            End::Positions(ends) => {
                let of = |(index, end): (&u32, &u64)| (source::Partition::new(topic, *index), *end);
                kafka::End::Explicit(ends.iter().map(of).collect())
            }
        };
        Some(Box::new(source.with_end(end)))
    }

    fn sink(&self, topic: &str) -> Option<Box<dyn sink::Sink>> {
        Some(Box::new(self.new_sink(topic)))
    }

    fn small_sink(&self) -> Option<(String, Box<dyn sink::Sink>)> {
        let topic = self.create_topic(1);
        let sink = self.new_sink(&topic).with_queue_records(100).with_queue_bytes(10_000);
        Some((topic, Box::new(sink.with_linger(Duration::ZERO))))
    }

    /// A record waits for company for as long as `linger`, whatever the broker does.
    fn sink_of_ten(&self, when_full: WhenFull) -> Option<(String, Box<dyn sink::Sink>)> {
        // Writers do not reject yet.
        let topic = self.create_topic(1);
        let sink = self.new_sink(&topic).with_queue_records(QUEUED_RECORDS);
        let sink = sink.with_linger(Duration::from_secs(1)).with_when_full(when_full);
        Some((topic, Box::new(sink)))
    }

    fn impatient_sink(&self) -> Option<(String, Box<dyn sink::Sink>)> {
        let topic = self.create_topic(2);
        let sink = self.new_sink(&topic).with_delivery_timeout(Duration::from_secs(3));
        Some((topic, Box::new(sink)))
    }

    fn secretive(&self, topic: &str) -> Option<Secretive> {
        Some(secrets::secretive(&self.brokers(), topic))
    }

    fn add_partitions(&self, topic: &str, n_more: u32) -> bool {
        self.plain().add_partitions(topic, n_more);
        true
    }

    fn expire(&self, topic: &str, partition: u32, n_records: u64) -> bool {
        self.plain().delete_before(topic, partition, n_records);
        true
    }

    fn stall(&self, _topic: &str) -> bool {
        self.turn().is_some_and(Turn::freeze)
    }

    fn hold_confirmations(&self, topic: &str) -> bool {
        // Its kernel takes what is sent until its buffers are full, which a few records never are.
        self.stall(topic)
    }

    fn release(&self, _topic: &str) {
        assert!(self.turn().is_none_or(Turn::thaw), "the broker goes on");
    }

    fn refuse(&self, _topic: &str) -> Option<Vec<u8>> {
        Some(vec![b'x'; MAX_MESSAGE_BYTES + BATCH_BYTES])
    }
}

impl Drop for KafkaSubject {
    fn drop(&mut self) {
        // What a case left frozen would hold up this and all that follow.
        self.turn().map(Turn::thaw);
        let topics = self.topics.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(plain) = self.plain.get().filter(|_| !topics.is_empty()) {
            plain.delete_topics(topics);
        }
    }
}
