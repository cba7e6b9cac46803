//! A topic of orders of which some are bad: JSON, but with text where a number should be.

use crate::orders::order;
use crate::raw_producer::RawProducer;
use crate::topics::Topics;

/// Orders serialised at once.
const N_AT_ONCE: u64 = 1000;

/// Makes a topic that holds the orders of the numbers below `n_records`; the first `n_bad` of every hundred are bad.
pub(crate) fn fill(topics: &mut Topics, n_records: u64, n_bad: u64) -> String {
    let topic = topics.make("orders");
    let mut producer = RawProducer::new(&topics.brokers, &topic);
    let mut next = 0;
    while next < n_records {
        let end = n_records.min(next + N_AT_ONCE);
        let orders: Vec<_> = (next..end).map(|id| order(id, 1_700_000_000_000 + id)).collect();
        let values = orders.iter().map(|order| {
            let good = serde_json::to_string(order).expect("an order is JSON");
            if order.id % 100 < n_bad { spoil(&good) } else { good }
        });
        let values: Vec<_> = values.collect();
        let records = orders.iter().zip(&values);
        producer.write(records.map(|(order, value)| (Some(order.key()), value.as_bytes())));
        next = end;
    }
    producer.finish();
    topic
}

/// Numbers below `n_records` that are bad.
pub(crate) fn n_spoiled(n_records: u64, n_bad: u64) -> u64 {
    n_records / 100 * n_bad + (n_records % 100).min(n_bad)
}

fn spoil(order: &str) -> String {
    order.replacen("\"amount\":", "\"amount\":\"about\",\"about\":", 1)
}
