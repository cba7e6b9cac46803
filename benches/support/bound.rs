//! Prepared batches whose records say their topic: many topics in random order, the same for all contenders.

use std::collections::VecDeque;

use millstream::batch::RecordBatch;

/// Batches that are prepared, and written in turns.
pub(crate) const N_PREPARED: u64 = 64;

/// Records of one batch: about 128 KiB.
pub(crate) const N_RECORDS: u64 = 512;

/// Bytes of a value.
const VALUE_BYTES: usize = 200;

/// The topic of a record, in an order that has nothing to do with that of the records.
pub(crate) fn topic_of(id: u64, n_topics: u64) -> u64 {
    let mixed = (id ^ (id >> 13)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) % n_topics
}

/// The name of a topic.
pub(crate) fn name(prefix: &str, topic: u64) -> String {
    format!("{prefix}-{topic:05}")
}

/// Batches of keyed records to `n_topics`.
pub(crate) fn prepare(prefix: &str, n_topics: u64) -> Vec<RecordBatch> {
    let batch = |n: u64| {
        let mut batch = RecordBatch::default();
        for id in n * N_RECORDS..(n + 1) * N_RECORDS {
            let mut record = batch.writer();
            record.topic(&name(prefix, topic_of(id, n_topics)));
            record.key(format!("customer-{}", id % 977).as_bytes());
            record.value(&[u8::try_from(id % 251).expect("it fits"); VALUE_BYTES]).position(id);
            record.finish();
        }
        batch
    };
    (0..N_PREPARED).map(batch).collect()
}

/// Copies the next prepared batch: the sink keeps what it is given.
pub(crate) fn copy(batch: &mut RecordBatch, prepared: &mut VecDeque<RecordBatch>) {
    batch.clear();
    if let Some(next) = prepared.pop_front() {
        batch.push_range(&next, 0..next.len());
        prepared.push_back(next);
    }
}
