//! What does a record cost to write to the embedded broker, and to read from it?
//!
//! Unit: nanoseconds per record of 200 bytes (8 key, 192 value), one thread, batches of 128 KiB. The first pass touches fresh
//! memory; the steady passes reuse it, a group confirming as it reads. Not measured: contention of several threads.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::time::{Duration, Instant};

use millstream_engine::Result;
use millstream_engine::batch::{BATCH_BYTES, NO_TIME, RecordBatch};
use millstream_memory::{Broker, Consumer, Producer, TopicOptions};

const N_RECORDS: u64 = 640;
const N_BATCHES: u64 = 2000;

fn main() -> Result<()> {
    for n_partitions in [1, 8] {
        let broker = Broker::new();
        let options = TopicOptions { max_bytes: 512 << 20, ..TopicOptions::default() };
        broker.create_topic_with("t", n_partitions, options)?;
        let mut producer = broker.producer("t")?;
        let mut consumer = broker.group_consumer("t", "g")?;
        let batch = batch_of_200_bytes();
        for pass in ["fresh", "steady", "steady"] {
            let write = time(|| write_all(&mut producer, &batch))?;
            let read = time(|| read_all(&mut consumer))?;
            println!("{n_partitions} partitions, {pass}: write {write:.1} ns, read {read:.1} ns");
        }
        let both = time(|| write_and_read(&mut producer, &mut consumer, &batch))?;
        println!("{n_partitions} partitions, a batch written, then read: {both:.1} ns for both");
    }
    Ok(())
}

fn batch_of_200_bytes() -> RecordBatch {
    let mut batch = RecordBatch::default();
    for n in 0..N_RECORDS {
        batch.push(Some(&n.to_le_bytes()), Some(&[7; 192]), NO_TIME, 0);
    }
    batch
}

#[expect(clippy::cast_precision_loss, reason = "a mean for people")]
fn time(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_nanos() as f64 / (N_RECORDS * N_BATCHES) as f64)
}

fn write_all(producer: &mut Producer, batch: &RecordBatch) -> Result<()> {
    let mut refused = Vec::new();
    for _ in 0..N_BATCHES {
        assert_eq!(producer.try_send_batch(batch, 0, &mut refused)?, batch.len());
    }
    Ok(())
}

fn read_all(consumer: &mut Consumer) -> Result<()> {
    let mut out = RecordBatch::default();
    let mut left = N_RECORDS * N_BATCHES;
    while left > 0 {
        out.clear();
        consumer.read_batch(&mut out, BATCH_BYTES, Duration::ZERO)?;
        left -= out.len() as u64;
    }
    consumer.commit();
    Ok(())
}

fn write_and_read(
    producer: &mut Producer,
    consumer: &mut Consumer,
    batch: &RecordBatch,
) -> Result<()> {
    let mut refused = Vec::new();
    let mut out = RecordBatch::default();
    for _ in 0..N_BATCHES {
        producer.try_send_batch(batch, 0, &mut refused)?;
        out.clear();
        consumer.read_batch(&mut out, 2 * BATCH_BYTES, Duration::ZERO)?;
        assert!(!out.is_empty(), "what was written can be read");
        consumer.commit();
    }
    Ok(())
}
