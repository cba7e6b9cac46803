//! The copy as one writes it with the `rdkafka` crate: `BaseConsumer::poll`, `BaseProducer::send`.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use crate::job::{double, is_large};
use crate::orders::Order;
use crate::topics::N_PARTITIONS;

/// Sends after which reports are taken in.
const POLL_EVERY: u64 = 100;

/// From where to where, and how.
pub(crate) struct PlainCopy<'a> {
    pub(crate) brokers: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    /// Settings of the producer beside those that all copies share.
    pub(crate) linger_ms: &'a str,
    pub(crate) compression: &'a str,
}

impl PlainCopy<'_> {
    /// Copies until all partitions have ended, or `go_on`, asked from time to time, says no. Returns records read and written.
    pub(crate) fn run(&self, until_end: bool, mut go_on: impl FnMut() -> bool) -> (u64, u64) {
        let (consumer, producer) = (self.consumer(until_end), self.producer());
        let (mut n_read, mut n_written, mut n_open) = (0, 0, N_PARTITIONS);
        let mut value = Vec::new();
        while n_open > 0 {
            let message = match consumer.poll(Duration::from_millis(10)) {
                Some(Ok(message)) => message,
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    n_open -= 1;
                    continue;
                }
                Some(Err(error)) => panic!("reading failed: {error}"),
                None if go_on() => {
                    producer.poll(Duration::ZERO);
                    continue;
                }
                None => break,
            };
            n_read += 1;
            let payload = message.payload().unwrap_or_default();
            let order: Order = serde_json::from_slice(payload).expect("all orders are JSON");
            if is_large(&order) {
                value.clear();
                serde_json::to_writer(&mut value, &double(order)).expect("an order is JSON");
                self.send(&producer, message.key().unwrap_or_default(), &value);
                n_written += 1;
                if n_written % POLL_EVERY == 0 {
                    producer.poll(Duration::ZERO);
                }
            }
        }
        producer.flush(Duration::from_mins(1)).expect("everything is confirmed");
        (n_read, n_written)
    }

    fn send(&self, producer: &BaseProducer, key: &[u8], value: &[u8]) {
        let mut record = BaseRecord::to(self.to).key(key).payload(value);
        while let Err((error, back)) = producer.send(record) {
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            assert!(is_full, "writing failed: {error}");
            producer.poll(Duration::from_millis(5));
            record = back;
        }
    }

    fn consumer(&self, until_end: bool) -> BaseConsumer {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.brokers)
            .set("group.id", "plain")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", until_end.to_string())
            .set("queued.max.messages.kbytes", "16384")
            .set("queued.min.messages", "50000")
            .set("fetch.max.bytes", "8388608")
            .set("fetch.message.max.bytes", "1048576")
            .set("fetch.queue.backoff.ms", "5")
            .set("check.crcs", "true")
            .create()
            .expect("the settings are known");
        let mut partitions = TopicPartitionList::new();
        for partition in 0..N_PARTITIONS {
            let added = partitions.add_partition_offset(self.from, partition, Offset::Beginning);
            added.expect("an offset is valid");
        }
        consumer.assign(&partitions).expect("partitions can be assigned");
        consumer
    }

    fn producer(&self) -> BaseProducer {
        ClientConfig::new()
            .set("bootstrap.servers", self.brokers)
            .set("compression.type", self.compression)
            .set("linger.ms", self.linger_ms)
            .set("batch.num.messages", "10000")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", "20000")
            .set("queue.buffering.max.kbytes", "2097151")
            .set("partitioner", "murmur2_random")
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .create()
            .expect("the settings are known")
    }
}
