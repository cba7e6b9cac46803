//! The copy written by hand on librdkafka's batch calls, in one loop on one thread.

use crate::job::{double, is_large};
use crate::orders::Order;
use crate::raw_consumer::{RawConsumer, RawMessage};
use crate::raw_producer::RawProducer;

/// Copies `from` to `to` until all partitions have ended; returns records read and written.
pub(crate) fn run(brokers: &str, from: &str, to: &str) -> (u64, u64) {
    let mut consumer = RawConsumer::new(brokers, from);
    let mut producer = RawProducer::new(brokers, to);
    let (mut n_read, mut n_written) = (0, 0);
    let mut values = Vec::new();
    let mut ends: Vec<(RawMessage<'_>, usize)> = Vec::new();
    while let Some(messages) = consumer.take() {
        values.clear();
        let mut written: Vec<(RawMessage<'_>, usize)> = recycle(ends);
        for message in messages {
            n_read += 1;
            let order: Order =
                serde_json::from_slice(message.value()).expect("all orders are JSON");
            if is_large(&order) {
                serde_json::to_writer(&mut values, &double(order)).expect("an order is JSON");
                written.push((message, values.len()));
            }
        }
        n_written += written.len() as u64;
        let mut start = 0;
        producer.write(written.iter().map(|(message, end)| {
            let value = &values[start..*end];
            start = *end;
            (message.key(), value)
        }));
        ends = recycle(written);
    }
    producer.finish();
    (n_read, n_written)
}

/// An empty vector of another lifetime in the same memory.
fn recycle<'b>(mut ends: Vec<(RawMessage<'_>, usize)>) -> Vec<(RawMessage<'b>, usize)> {
    ends.clear();
    ends.into_iter().map(|_| unreachable!("the vector was cleared")).collect()
}
