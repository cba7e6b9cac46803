//! The running half of a sink to one topic: hands records to the client, partition by partition, and hears what became of them.

use std::sync::Arc;

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::error::{Error, Result};
use millstream_engine::routing;
use millstream_engine::sink::{Rejected, Writer as WriterContract, WriterContext};
use rdkafka::types::RDKafkaErrorCode;

use crate::config::SinkConfig;
use crate::error::unknown_topic;
use crate::outbox::{Job, Known, Outbox, Target, goes_alone};
use crate::partitioner::Chooser;
use crate::producer::Producer;
use crate::stall::Stall;

/// Writes one share of a sink's records.
pub(crate) struct Writer {
    /// `None` once closed.
    producer: Option<Producer>,
    outbox: Outbox,
    chooser: Chooser,
    stall: Stall,
    topic: Arc<str>,
    /// Per partition, the records of the batch at hand that go there and were not handed over yet.
    buckets: Vec<Vec<u32>>,
}

impl Writer {
    pub(crate) fn new(producer: Producer, config: &SinkConfig, cx: WriterContext) -> Self {
        Self {
            producer: Some(producer),
            chooser: Chooser::of_writer(config, &cx),
            stall: Stall::default(),
            topic: config.topic.as_str().into(),
            outbox: Outbox::new(config, cx),
            buckets: Vec::new(),
        }
    }

    /// Hands the records of one partition over, in their order.
    fn flush(&mut self, producer: &Producer, job: &Job<'_>, partition: u32) {
        let target = Target { topic: &producer.topic, name: &self.topic, partition };
        let bucket = &mut self.buckets[partition as usize];
        let known = self.outbox.hand_over(&producer.raw, job, target, bucket.iter().copied());
        bucket.clear();
        refresh_unless(known, producer);
    }

    /// Hands one record over that has headers or a time, after those before it.
    fn write_one(
        &mut self,
        producer: &Producer,
        job: &Job<'_>,
        record: Record<'_>,
        partition: u32,
    ) {
        if !self.buckets[partition as usize].is_empty() {
            self.flush(producer, job, partition);
        }
        let target = Target { topic: &producer.topic, name: &self.topic, partition };
        refresh_unless(self.outbox.hand_over_one(&producer.raw, job, target, record), producer);
    }

    fn write_to(
        &mut self,
        producer: &Producer,
        epoch: u64,
        batch: &RecordBatch,
        from: usize,
    ) -> usize {
        let Some(n_partitions) = producer.n_partitions() else {
            return from;
        };
        let (end, n_bytes) = self.outbox.admit(&producer.raw, batch, from);
        if end == from {
            return from;
        }
        self.buckets.resize_with(self.buckets.len().max(n_partitions as usize), Vec::new);
        self.chooser.set_now(self.outbox.cx.open.clock.micros());
        let job = Outbox::take(&producer.raw, epoch, batch, (end - from, n_bytes));
        let some_say_where = batch.has_destinations();
        for index in from..end {
            let Some(record) = batch.get(index) else {
                break;
            };
            let said = if some_say_where { batch.partition_number(index) } else { None };
            let partition = match said {
                None => self.chooser.choose(record.key(), record.n_bytes(), n_partitions),
                Some(partition) if partition < n_partitions => partition,
                Some(partition) => {
                    producer.refresh();
                    let error = routing::unknown_partition(&self.topic, partition, n_partitions);
                    self.outbox.reject(&producer.raw, &job, record, error);
                    continue;
                }
            };
            if goes_alone(record) {
                self.write_one(producer, &job, record, partition);
            } else {
                self.buckets[partition as usize].push(u32::try_from(index).unwrap_or(u32::MAX));
            }
        }
        for partition in 0..n_partitions {
            if !self.buckets[partition as usize].is_empty() {
                self.flush(producer, &job, partition);
            }
        }
        end
    }

    fn fatal(&self, producer: &Producer) -> Option<Error> {
        if producer.raw.listener().is_login_due() {
            // Passwords are looked up again where partitions are.
            producer.refresh();
        }
        if let Some(error) = self.outbox.fatal(&producer.raw) {
            return Some(error.at_topic(&self.topic));
        }
        let code = producer.topic_error()?;
        let error = match code {
            RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition => {
                unknown_topic(&self.topic, std::iter::empty())
            }
            _ => self.outbox.refused(&producer.raw, code).at_topic(&self.topic),
        };
        Some(error.at_step(&self.outbox.cx.open.step))
    }
}

fn refresh_unless(known: Known, producer: &Producer) {
    if known == Known::No {
        producer.refresh();
    }
}

impl WriterContract for Writer {
    fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<usize> {
        let Some(producer) = self.producer.take() else {
            return Ok(from);
        };
        let end = self.write_to(&producer, epoch, batch, from);
        self.producer = Some(producer);
        Ok(end)
    }

    fn poll(&mut self, rejected: &mut Vec<Rejected>) -> Result<()> {
        let Some(producer) = &self.producer else {
            return Ok(());
        };
        producer.raw.poll();
        if let Some(order) = self.stall.watch(&producer.raw, self.outbox.cx.open.clock.micros()) {
            let n_partitions = producer.n_partitions().unwrap_or_default();
            producer.raw.obey(order, [(&*producer.topic, n_partitions)].into_iter());
        }
        self.outbox.collect(&producer.raw, rejected);
        self.fatal(producer).map_or(Ok(()), Err)
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        self.producer.as_ref()?.raw.slots(|slots| slots.oldest())
    }

    fn close(&mut self) {
        self.producer = None;
    }
}
