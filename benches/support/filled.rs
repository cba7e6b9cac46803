//! A topic full of orders, written once per bench.

use crate::orders::order;
use crate::raw_producer::RawProducer;
use crate::topics::Topics;

/// Orders serialised at once.
const N_AT_ONCE: u64 = 1000;

/// Makes a topic that holds the orders of the numbers below `n_records`.
pub(crate) fn fill(topics: &mut Topics, n_records: u64) -> String {
    let topic = topics.make("orders");
    let mut producer = RawProducer::new(&topics.brokers, &topic);
    let mut next = 0;
    while next < n_records {
        let end = n_records.min(next + N_AT_ONCE);
        let orders: Vec<_> = (next..end).map(|id| order(id, 1_700_000_000_000 + id)).collect();
        let values =
            orders.iter().map(|order| serde_json::to_vec(order).expect("an order is JSON"));
        let values: Vec<_> = values.collect();
        let records = orders.iter().zip(&values);
        producer.write(records.map(|(order, value)| (Some(order.key()), &value[..])));
        next = end;
    }
    producer.finish();
    topic
}
