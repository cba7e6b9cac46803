//! The running half of a sink: hands records to the client, partition by partition, and hears what became of them.

use std::sync::Arc;

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::sink::{Rejected, Writer as WriterContract, WriterContext};
use rdkafka::types::RDKafkaErrorCode;

use crate::config::{Security, SinkConfig};
use crate::error::{from_code, is_refusal, name_user, not_delivered, unknown_topic};
use crate::partitioner::Chooser;
use crate::producer::Producer;
use crate::raw::Outgoing;
use crate::slots::Tag;
use crate::stall::Stall;

/// Writes one share of a sink's records.
pub(crate) struct Writer {
    /// `None` once closed.
    producer: Option<Producer>,
    chooser: Chooser,
    stall: Stall,
    topic: Arc<str>,
    max_records: usize,
    max_bytes: usize,
    cx: WriterContext,
    /// Per partition, the records of the batch at hand that go there and were not handed over yet.
    buckets: Vec<Vec<u32>>,
    /// Kept for its memory.
    outgoing: Vec<Outgoing<'static>>,
}

/// The batch at hand.
struct Job<'b> {
    batch: &'b RecordBatch,
    epoch: u64,
    slot: u32,
}

impl Writer {
    pub(crate) fn new(producer: Producer, config: &SinkConfig, cx: WriterContext) -> Self {
        let linger = u64::try_from(config.linger.as_micros()).unwrap_or(u64::MAX);
        let seed =
            cx.open.clock.micros() ^ (cx.shard as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self {
            producer: Some(producer),
            chooser: Chooser::new(config.partitioner, config.batch_bytes, linger, seed),
            stall: Stall::default(),
            topic: config.topic.as_str().into(),
            max_records: config.queue_records,
            max_bytes: config.queue_bytes,
            cx,
            buckets: Vec::new(),
            outgoing: Vec::new(),
        }
    }

    /// The index of the first record that the queue has no room for, and the bytes of those before. A record that is larger than
    /// the whole queue goes alone.
    fn admit(&self, producer: &Producer, batch: &RecordBatch, from: usize) -> (usize, usize) {
        let (n_records, queued) = producer.raw.slots(|slots| (slots.n_records(), slots.n_bytes()));
        let room = self.max_records.saturating_sub(n_records).min(batch.len() - from);
        let bytes_left = self.max_bytes.saturating_sub(queued);
        let mut n_bytes = 0;
        for index in from..from + room {
            let size = batch.get(index).map_or(0, size_of_record);
            if n_bytes + size > bytes_left && (n_records > 0 || index > from) {
                return (index, n_bytes);
            }
            n_bytes += size;
        }
        (from + room, n_bytes)
    }

    /// Hands the records of one partition over, in their order.
    fn flush<'b>(&mut self, producer: &Producer, job: &Job<'b>, partition: u32) {
        let mut bucket = std::mem::take(&mut self.buckets[partition as usize]);
        let mut outgoing: Vec<Outgoing<'b>> = recycle(std::mem::take(&mut self.outgoing));
        let tag = Tag::new(job.slot, 0, false);
        let records = bucket.iter().filter_map(|index| job.batch.get(*index as usize));
        outgoing.extend(records.map(|record| Outgoing::new(record, tag)));
        if producer.raw.produce(partition, &mut outgoing) < outgoing.len() {
            for (index, message) in bucket.iter().zip(&outgoing) {
                let refused = message.error().zip(job.batch.get(*index as usize));
                if let Some((code, record)) = refused {
                    self.refuse(producer, job, tag, (record, partition, code));
                }
            }
        }
        bucket.clear();
        self.buckets[partition as usize] = bucket;
        self.outgoing = recycle(outgoing);
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
        let tag = Tag::new(job.slot, record.headers().encoded().len(), record.time().is_some());
        if let Err(code) = producer.raw.produce_one(partition, record, tag) {
            self.refuse(producer, job, tag, (record, partition, code));
        }
    }

    /// The client did not take a record: it is rejected, the others go on.
    #[cold]
    fn refuse(
        &self,
        producer: &Producer,
        job: &Job<'_>,
        tag: Tag,
        (record, partition, code): (Record<'_>, u32, RDKafkaErrorCode),
    ) {
        debug_assert!(
            code != RDKafkaErrorCode::QueueFull,
            "the writer's bound comes before the client's"
        );
        if matches!(code, RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopic) {
            producer.refresh();
        }
        let error = not_delivered(code, &self.topic)
            .at_partition(&self.topic, partition)
            .at_step(&self.cx.open.step)
            .at_epoch(job.epoch);
        let rejected = Rejected { epoch: job.epoch, record: record.to_owned(), error, attempts: 0 };
        producer.raw.slots(|slots| {
            slots.refuse(rejected);
            slots.settle(tag, record.n_bytes());
        });
        self.cx.wake.wake();
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
        let (end, n_bytes) = self.admit(producer, batch, from);
        if end == from {
            return from;
        }
        self.buckets.resize_with(self.buckets.len().max(n_partitions as usize), Vec::new);
        self.chooser.set_now(self.cx.open.clock.micros());
        let slot = producer.raw.slots(|slots| {
            let slot = slots.open(epoch);
            slots.take(slot, end - from, n_bytes);
            slot
        });
        let job = Job { batch, epoch, slot };
        for index in from..end {
            let Some(record) = batch.get(index) else {
                break;
            };
            let partition = self.chooser.choose(record.key(), record.n_bytes(), n_partitions);
            if record.time().is_none() && record.headers().is_empty() {
                self.buckets[partition as usize].push(u32::try_from(index).unwrap_or(u32::MAX));
            } else {
                self.write_one(producer, &job, record, partition);
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
        let listener = producer.raw.listener();
        if listener.is_login_due() {
            // Passwords are looked up again where partitions are.
            producer.refresh();
        }
        if let Some(trouble) = listener.lasting_trouble() {
            let error = trouble.error_at_once("", listener.security());
            return Some(error.at_topic(&self.topic).at_step(&self.cx.open.step));
        }
        if let Some((code, reason)) = producer.raw.fatal() {
            if is_refusal(code) {
                return Some(self.refused(code, listener.security()));
            }
            let (kind, ours) = match code {
                RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch => {
                    (ErrorKind::Stopped, codes::NOT_DELIVERED)
                }
                _ => (ErrorKind::Unavailable, codes::NOT_DELIVERED),
            };
            let error = Error::new(kind, ours, "write to Kafka: the client cannot go on")
                .with_source(reason);
            return Some(error.at_topic(&self.topic).at_step(&self.cx.open.step));
        }
        let code = producer.topic_error()?;
        let error = match code {
            RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition => {
                unknown_topic(&self.topic, std::iter::empty())
            }
            _ => self.refused(code, listener.security()),
        };
        Some(error.at_step(&self.cx.open.step))
    }

    fn refused(&self, code: RDKafkaErrorCode, security: &Security) -> Error {
        let error = name_user(from_code(code, "write to Kafka"), code, security);
        error.at_topic(&self.topic).at_step(&self.cx.open.step)
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
        self.stall.watch(producer, self.cx.open.clock.micros());
        let first = rejected.len();
        producer.raw.slots(|slots| slots.collect(rejected));
        for late in &mut rejected[first..] {
            let error = std::mem::replace(&mut late.error, Error::config(""));
            late.error = error.at_step(&self.cx.open.step);
        }
        self.fatal(producer).map_or(Ok(()), Err)
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        self.producer.as_ref()?.raw.slots(|slots| slots.oldest())
    }

    fn close(&mut self) {
        self.producer = None;
    }
}

/// Bytes that a record is counted with.
fn size_of_record(record: Record<'_>) -> usize {
    record.n_bytes() + record.headers().encoded().len()
}

/// An empty vector of another lifetime in the same memory.
fn recycle<'b>(mut outgoing: Vec<Outgoing<'_>>) -> Vec<Outgoing<'b>> {
    outgoing.clear();
    outgoing.into_iter().map(|_| unreachable!("the vector was cleared")).collect()
}
