//! Kafka by the plain client: topics, producing and reading back, without a line of the connector.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_executor::block_on;
use millstream_engine::batch::{Origin, OwnedDestination, OwnedRecord};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

/// Clients of one broker.
pub(crate) struct Plain {
    brokers: String,
    admin: AdminClient<DefaultClientContext>,
    producer: BaseProducer<Reports>,
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

/// Counts what was not delivered.
struct Reports(AtomicUsize);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.0.fetch_add(usize::from(result.is_err()), Ordering::Relaxed);
    }
}

impl Plain {
    pub(crate) fn new(brokers: &str) -> Self {
        Self::with_compression(brokers, "none")
    }

    /// A client that produces with this codec.
    pub(crate) fn with_compression(brokers: &str, codec: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers);
        let admin = config.create().expect("an admin client");
        config
            .set("batch.size", "100000")
            .set("enable.idempotence", "true")
            .set("compression.type", codec);
        let producer =
            config.create_with_context(Reports(AtomicUsize::new(0))).expect("a producer");
        Self { brokers: brokers.to_owned(), admin, producer }
    }

    pub(crate) fn create_topic(&self, name: &str, n_partitions: u32, max_message_bytes: usize) {
        self.create_topics(&[name.to_owned()], n_partitions, max_message_bytes);
    }

    /// Creates topics, all with one question, and waits until the broker knows them: with many it tells so before it does.
    pub(crate) fn create_topics(
        &self,
        names: &[String],
        n_partitions: u32,
        max_message_bytes: usize,
    ) {
        let n_partitions = i32::try_from(n_partitions).expect("a few partitions");
        let max_message_bytes = max_message_bytes.to_string();
        let new = |name| {
            NewTopic::new(name, n_partitions, TopicReplication::Fixed(1))
                .set("max.message.bytes", &max_message_bytes)
        };
        let new: Vec<_> = names.iter().map(|name| new(name)).collect();
        let limit = Some(Duration::from_mins(1));
        let options = AdminOptions::new().operation_timeout(limit).request_timeout(limit);
        let made = block_on(self.admin.create_topics(&new, &options)).expect("an answer");
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        let (consumer, start) = (self.consumer(), Instant::now());
        while Self::counts(&consumer, names).len() < names.len() {
            assert!(start.elapsed() < Duration::from_mins(1), "new topics are there in time");
            consumer.poll(Duration::from_millis(50));
        }
    }

    pub(crate) fn delete_topics(&self, names: &[String]) {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        // A topic that stays behind is no failure of the case.
        drop(block_on(self.admin.delete_topics(&names, &AdminOptions::new())));
    }

    pub(crate) fn add_partitions(&self, topic: &str, n_more: u32) {
        let n_partitions = Self::n_partitions(&self.consumer(), topic) + n_more;
        let n_partitions = usize::try_from(n_partitions).expect("a few partitions");
        let new = NewPartitions::new(topic, n_partitions);
        let made = block_on(self.admin.create_partitions([&new], &AdminOptions::new()))
            .expect("an answer");
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }

    /// Deletes the records of a partition before an offset.
    pub(crate) fn delete_before(&self, topic: &str, partition: u32, offset: u64) {
        let offset = Offset::Offset(i64::try_from(offset).expect("an offset"));
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, index(partition), offset).expect("an offset");
        block_on(self.admin.delete_records(&list, &AdminOptions::new())).expect("an answer");
    }

    /// Writes records to a partition, and waits until they are durable.
    pub(crate) fn produce(
        &self,
        topic: &str,
        partition: u32,
        records: &[OwnedRecord],
        patience: Duration,
    ) {
        for record in records {
            let mut unsent = BaseRecord {
                topic,
                partition: Some(index(partition)),
                payload: record.value.as_deref(),
                key: record.key.as_deref(),
                timestamp: record.time,
                headers: headers_of(record),
                delivery_opaque: (),
            };
            while let Err((error, back)) = self.producer.send::<[u8], [u8]>(unsent) {
                let full = Some(RDKafkaErrorCode::QueueFull);
                assert_eq!(error.rdkafka_error_code(), full, "the client takes a record");
                self.producer.poll(Duration::from_millis(10));
                unsent = back;
            }
        }
        self.producer.flush(patience).expect("records are written in time");
        let n_failed = self.producer.context().0.load(Ordering::Relaxed);
        assert_eq!(n_failed, 0, "every record is delivered");
    }

    /// All records of a topic, partition by partition, read from the start to the end by a consumer of its own; waits until there
    /// are `n_expected`.
    pub(crate) fn records(
        &self,
        topic: &str,
        n_expected: usize,
        patience: Duration,
    ) -> Vec<OwnedRecord> {
        let consumer = self.consumer();
        let n_partitions = Self::n_partitions(&consumer, topic);
        let mut list = TopicPartitionList::new();
        for partition in 0..n_partitions {
            list.add_partition_offset(topic, index(partition), Offset::Beginning)
                .expect("an offset");
        }
        consumer.assign(&list).expect("partitions are assigned");
        let mut by_partition: Vec<Partition> =
            (0..n_partitions).map(|_| Partition::default()).collect();
        let deadline = Instant::now() + patience;
        loop {
            let n_records: usize = by_partition.iter().map(|found| found.records.len()).sum();
            let at_end = by_partition.iter().all(|found| found.at_end);
            if at_end && (n_records >= n_expected || Instant::now() > deadline) {
                return by_partition.into_iter().flat_map(|found| found.records).collect();
            }
            assert!(Instant::now() < deadline + patience, "the end of the topic is reached");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    let found = &mut by_partition[position(message.partition())];
                    found.at_end = false;
                    found.records.push(owned(&message));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    by_partition[position(partition)].at_end = true;
                }
                // The client tries again by itself.
                Some(Err(_)) | None => {}
            }
        }
    }

    /// All records of each topic, partition by partition, read by one consumer; waits until there are `n_expected` in all. They
    /// are durable already, so that each partition ends once.
    pub(crate) fn records_of(
        &self,
        topics: &[String],
        n_expected: usize,
        patience: Duration,
    ) -> Vec<Vec<OwnedRecord>> {
        let consumer = self.consumer();
        let mut list = TopicPartitionList::new();
        for (topic, n_partitions) in Self::counts(&consumer, topics) {
            for partition in 0..n_partitions {
                list.add_partition_offset(&topic, partition, Offset::Beginning).expect("an offset");
            }
        }
        consumer.assign(&list).expect("partitions are assigned");
        let mut found: BTreeMap<(String, i32), Vec<OwnedRecord>> = BTreeMap::new();
        let deadline = Instant::now() + patience;
        let (mut n_records, mut n_ended) = (0, 0);
        while n_ended < list.count() || (n_records < n_expected && Instant::now() < deadline) {
            assert!(Instant::now() < deadline + patience, "the end of the topics is reached");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    let place = (message.topic().to_owned(), message.partition());
                    found.entry(place).or_default().push(owned(&message));
                    n_records += 1;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => n_ended += 1,
                // The client tries again by itself.
                Some(Err(_)) | None => {}
            }
        }
        let of_topic = |topic: &String| {
            let first = (topic.clone(), 0);
            let partitions = found.range(first..).take_while(|((name, _), _)| name == topic);
            partitions.flat_map(|(_, records)| records.clone()).collect()
        };
        topics.iter().map(of_topic).collect()
    }

    fn consumer(&self) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", "read-back")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "10")
            .set("isolation.level", "read_committed")
            .create()
            .expect("a consumer")
    }

    /// How many partitions each topic has, asked with one question.
    fn counts(consumer: &BaseConsumer, topics: &[String]) -> Vec<(String, i32)> {
        let only = (topics.len() == 1).then(|| topics[0].as_str());
        let metadata = consumer.fetch_metadata(only, Duration::from_secs(30)).expect("an answer");
        let wanted: BTreeSet<_> = topics.iter().map(String::as_str).collect();
        let found = metadata.topics().iter().map(|found| (found.name(), found.partitions().len()));
        found
            .filter(|(name, n_partitions)| wanted.contains(name) && *n_partitions > 0)
            .map(|(name, n_partitions)| (name.to_owned(), n_partitions.try_into().expect("a few")))
            .collect()
    }

    fn n_partitions(consumer: &BaseConsumer, topic: &str) -> u32 {
        let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(30));
        let metadata = metadata.expect("an answer");
        u32::try_from(metadata.topics()[0].partitions().len()).expect("a few partitions")
    }
}

/// What was read of a partition.
#[derive(Default)]
struct Partition {
    records: Vec<OwnedRecord>,
    at_end: bool,
}

fn index(partition: u32) -> i32 {
    i32::try_from(partition).expect("a few partitions")
}

fn position(partition: i32) -> usize {
    usize::try_from(partition).expect("the number of a partition")
}

fn headers_of(record: &OwnedRecord) -> Option<OwnedHeaders> {
    let none = OwnedHeaders::new_with_capacity(record.headers.len());
    let insert = |headers: OwnedHeaders, (key, value): &(String, Option<Vec<u8>>)| {
        headers.insert(Header { key, value: value.as_ref() })
    };
    (!record.headers.is_empty()).then(|| record.headers.iter().fold(none, insert))
}

fn owned(message: &BorrowedMessage<'_>) -> OwnedRecord {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    OwnedRecord {
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers
            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
            .collect(),
        time: message.timestamp().to_millis(),
        position: u64::try_from(message.offset()).expect("an offset"),
        origin: Some(Origin {
            connector: "kafka".into(),
            topic: message.topic().into(),
            partition: u32::try_from(message.partition()).expect("the number of a partition"),
        }),
        destination: OwnedDestination::default(),
        envelope: None,
    }
}
