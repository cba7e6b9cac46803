//! The embedded broker as the conformance suite wants to see it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use millstream_conformance::{End, Expired, QUEUED_RECORDS, SourceSetup, Start, Subject};
use millstream_engine::batch::OwnedRecord;
use millstream_engine::routing::TopicPolicy;
use millstream_engine::{sink, source};
use millstream_memory as memory;
use millstream_memory::{Broker, Consumer, Full, TopicOptions, WhenFull};

/// Room for about 100 records of 100 bytes.
const SMALL: TopicOptions = TopicOptions { max_bytes: 100 * 132, full: Full::Wait };

/// Room for exactly ten.
const TEN: TopicOptions = TopicOptions { max_bytes: QUEUED_RECORDS * 132, full: Full::Wait };

/// A broker of its own, and what was read back of each topic.
#[derive(Debug, Default)]
pub(crate) struct MemorySubject {
    broker: Broker,
    n_topics: AtomicU64,
    read: Mutex<BTreeMap<String, ReadBack>>,
}

#[derive(Debug)]
struct ReadBack {
    consumer: Consumer,
    records: Vec<OwnedRecord>,
}

impl MemorySubject {
    fn create(&self, n_partitions: u32, options: TopicOptions) -> String {
        let number = self.n_topics.fetch_add(1, Ordering::Relaxed);
        let name = format!("orders-{number}");
        let n_partitions = usize::try_from(n_partitions).expect("a few partitions");
        self.broker.create_topic_with(&name, n_partitions, options).expect("a fresh name");
        name
    }
}

impl Subject for MemorySubject {
    /// Nothing is sent anywhere, so nothing is given up on, and nobody logs in.
    fn not_owed(&self) -> &[&'static str] {
        &["given_up_records_are_told_once", "secrets_are_shown_nowhere"]
    }

    fn create_topic(&self, n_partitions: u32) -> String {
        self.create(n_partitions, TopicOptions::default())
    }

    fn produce(&self, topic: &str, partition: u32, records: &[OwnedRecord]) {
        let mut producer = self.broker.producer(topic).expect("the topic exists");
        for record in records {
            producer.send_to(partition, record).expect("the topic has room");
        }
    }

    fn records(&self, topic: &str, n_expected: usize) -> Vec<OwnedRecord> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let back = read.entry(topic.to_owned()).or_insert_with(|| ReadBack {
            consumer: self.broker.group_consumer(topic, "read-back").expect("the topic exists"),
            records: Vec::new(),
        });
        loop {
            let missing = n_expected > back.records.len();
            let wait = if missing { Duration::from_millis(500) } else { Duration::ZERO };
            match back.consumer.read(wait).expect("nothing expires") {
                Some(record) => back.records.push(record),
                None => break,
            }
        }
        assert!(back.consumer.commit(), "nothing is stalled while reading back");
        back.records.sort_by_key(|record| record.origin.as_ref().map(|at| at.partition));
        back.records.clone()
    }

    fn source(&self, topic: &str, setup: &SourceSetup) -> Option<Box<dyn source::Source>> {
        let source = memory::Source::new(&self.broker, topic)
            .with_group(&setup.group)
            .with_start(match setup.start {
                Start::Earliest => memory::Start::Earliest,
                Start::Latest => memory::Start::Latest,
            })
            .with_expired(match setup.expired {
                Expired::Stop => memory::Expired::Stop,
                Expired::Earliest => memory::Expired::Earliest,
                Expired::Latest => memory::Expired::Latest,
            });
        let end = match &setup.end {
            End::Never => memory::End::Never,
            End::Latest => memory::End::Latest,
            End::Time(millis) => memory::End::Time(*millis),
            End::Positions(ends) => memory::End::Positions(ends.clone()),
        };
        Some(Box::new(source.with_end(end)))
    }

    fn sink(&self, topic: &str) -> Option<Box<dyn sink::Sink>> {
        Some(Box::new(memory::Sink::new(&self.broker, topic)))
    }

    fn routed_sink(&self, policy: TopicPolicy) -> Option<Box<dyn sink::Sink>> {
        Some(Box::new(memory::Sink::routed(&self.broker, policy)))
    }

    /// What was written is there at once.
    fn records_of(&self, topics: &[String], _n_each: usize) -> Vec<Vec<OwnedRecord>> {
        let all = topics.iter().map(|topic| self.broker.records(topic));
        all.collect::<Result<_, _>>().expect("the topics exist")
    }

    fn small_sink(&self) -> Option<(String, Box<dyn sink::Sink>)> {
        let topic = self.create(1, SMALL);
        let sink = self.sink(&topic)?;
        Some((topic, sink))
    }

    fn sink_of_ten(&self, when_full: WhenFull) -> Option<(String, Box<dyn sink::Sink>)> {
        let topic = self.create(1, TEN);
        let sink = memory::Sink::new(&self.broker, &topic).with_when_full(when_full);
        Some((topic, Box::new(sink)))
    }

    fn add_partitions(&self, topic: &str, n_more: u32) -> bool {
        let n_more = usize::try_from(n_more).expect("a few partitions");
        self.broker.add_partitions(topic, n_more).is_ok()
    }

    fn expire(&self, topic: &str, partition: u32, n_records: u64) -> bool {
        self.broker.drop_before(topic, partition, n_records).is_ok()
    }

    fn stall(&self, topic: &str) -> bool {
        self.broker.faults(topic).map(|faults| faults.freeze()).is_ok()
    }

    fn hold_confirmations(&self, topic: &str) -> bool {
        self.broker.faults(topic).map(|faults| faults.hold_confirmations()).is_ok()
    }

    fn release(&self, topic: &str) {
        let faults = self.broker.faults(topic).expect("the topic exists");
        faults.thaw();
        faults.release_confirmations();
    }

    fn refuse(&self, topic: &str) -> Option<Vec<u8>> {
        let faults = self.broker.faults(topic).ok()?;
        faults.reject(|record| (record.value() == Some(b"bad")).then(|| "as asked".to_owned()));
        Some(b"bad".to_vec())
    }
}
