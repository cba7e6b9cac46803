//! Sends records at a steady rate, receives their copies, and tells how long they were under way.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use crate::job::is_large;
use crate::orders::{Order, order};
use crate::topics::N_PARTITIONS;

/// How long after the last record was sent its copy may come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A steady load on one topic, whose copies come back on another.
#[derive(Clone, Copy)]
pub(crate) struct Steady<'a> {
    pub(crate) brokers: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) per_second: u64,
    /// Records of this time are sent and received, and do not count.
    pub(crate) warm_up: Duration,
    pub(crate) seconds: u64,
}

/// Percentiles over all records of a run.
pub(crate) struct Latencies {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Steady<'_> {
    /// Sends and receives at once; ends when every copy has come.
    pub(crate) fn measure(self) -> Latencies {
        let started = Instant::now();
        let n_records = (self.warm_up.as_secs() + self.seconds) * self.per_second;
        thread::scope(|threads| {
            threads.spawn(|| self.send(started, n_records));
            let latencies = self.receive(started, n_records);
            percentiles(latencies)
        })
    }

    /// Sends each record when its time has come, in groups of those that are due.
    fn send(&self, started: Instant, n_records: u64) {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.brokers)
            .set("linger.ms", "1")
            .set("partitioner", "murmur2_random")
            .create()
            .expect("the settings are known");
        let mut id = 0;
        while id < n_records {
            let due = n_records.min(micros(started) * self.per_second / 1_000_000);
            while id < due {
                let order = order(id, micros(started));
                let value = serde_json::to_vec(&order).expect("an order is JSON");
                let record = BaseRecord::to(self.from).key(order.key()).payload(&value);
                assert!(producer.send(record).is_ok(), "the queue has room for this rate");
                id += 1;
            }
            producer.poll(Duration::ZERO);
            pause();
        }
        producer.flush(PATIENCE).expect("everything is sent");
    }

    /// Microseconds under way of every record that counts.
    fn receive(&self, started: Instant, n_records: u64) -> Vec<u64> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.brokers)
            .set("group.id", "latency")
            .set("enable.auto.commit", "false")
            .create()
            .expect("the settings are known");
        let mut partitions = TopicPartitionList::new();
        for partition in 0..N_PARTITIONS {
            let added = partitions.add_partition_offset(self.to, partition, Offset::Beginning);
            added.expect("an offset is valid");
        }
        consumer.assign(&partitions).expect("partitions can be assigned");
        let counts_from = u64::try_from(self.warm_up.as_micros()).expect("a short time");
        let until = started + self.warm_up + Duration::from_secs(self.seconds) + PATIENCE;
        let mut left = (0..n_records).filter(|id| is_large(&order(*id, 0))).count();
        let mut latencies = Vec::with_capacity(left);
        while left > 0 {
            assert!(Instant::now() < until, "{left} records were lost");
            let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
            let message = message.expect("reading goes on");
            let now = micros(started);
            let payload = message.payload().unwrap_or_default();
            let order: Order = serde_json::from_slice(payload).expect("copies are JSON");
            left -= 1;
            if order.time >= counts_from {
                latencies.push(now - order.time);
            }
        }
        latencies
    }
}

/// A fraction of the linger, so that the rate is steady as seen from the program under test.
#[expect(
    clippy::disallowed_methods,
    reason = "the sender is a thread of its own that has nothing else to do"
)]
fn pause() {
    thread::sleep(Duration::from_micros(200));
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).expect("a short time")
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn percentiles(mut micros: Vec<u64>) -> Latencies {
    micros.sort_unstable();
    let at = |percent: usize| micros[(micros.len() - 1) * percent / 100] as f64 / 1000.0;
    Latencies { p50_ms: at(50), p99_ms: at(99) }
}
