//! What writers have in common, to one topic or to many: the bound of the queue, handing records over, and what was refused.
//!
//! Invariant: every record counted as taken is settled once, by its report or by being refused here.

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::error::{Error, ErrorKind, codes};
use millstream_engine::sink::{Rejected, WriterContext};
use rdkafka::types::RDKafkaErrorCode;

use crate::config::SinkConfig;
use crate::error::{from_code, is_refusal, name_user, not_delivered};
use crate::raw::{Outgoing, RawProducer, Topic};
use crate::slots::Tag;

/// Hands records to a client, within the bounds of a writer.
pub(crate) struct Outbox {
    max_records: usize,
    max_bytes: usize,
    pub(crate) cx: WriterContext,
    /// Kept for its memory.
    outgoing: Vec<Outgoing<'static>>,
}

/// Records that are taken, and where their epoch is counted.
pub(crate) struct Job<'b> {
    pub(crate) batch: &'b RecordBatch,
    pub(crate) epoch: u64,
    pub(crate) slot: u32,
}

/// Where records go.
#[derive(Clone, Copy)]
pub(crate) struct Target<'t> {
    pub(crate) topic: &'t Topic,
    pub(crate) name: &'t str,
    pub(crate) partition: u32,
}

/// What the client knows of a partition that records were handed over for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Known {
    Yes,
    /// The topic or the partition is gone, or never was: its number should be asked for again.
    No,
}

impl Outbox {
    pub(crate) fn new(config: &SinkConfig, cx: WriterContext) -> Self {
        Self {
            max_records: config.queue_records,
            max_bytes: config.queue_bytes,
            cx,
            outgoing: Vec::new(),
        }
    }

    /// The index of the first record that the queue has no room for, and the bytes of those before. A record that is larger than
    /// the whole queue goes alone.
    pub(crate) fn admit(
        &self,
        raw: &RawProducer,
        batch: &RecordBatch,
        from: usize,
    ) -> (usize, usize) {
        let (n_records, queued) = raw.slots(|slots| (slots.n_records(), slots.n_bytes()));
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

    /// Counts records of a batch as taken.
    pub(crate) fn take<'b>(
        raw: &RawProducer,
        epoch: u64,
        batch: &'b RecordBatch,
        (n_records, n_bytes): (usize, usize),
    ) -> Job<'b> {
        let slot = raw.slots(|slots| {
            let slot = slots.open(epoch);
            slots.take(slot, n_records, n_bytes);
            slot
        });
        Job { batch, epoch, slot }
    }

    /// Hands records of one partition over, in their order; they have neither headers nor a time.
    pub(crate) fn hand_over<'b>(
        &mut self,
        raw: &RawProducer,
        job: &Job<'b>,
        target: Target<'_>,
        indices: impl Iterator<Item = u32> + Clone,
    ) -> Known {
        let mut outgoing: Vec<Outgoing<'b>> = recycle(std::mem::take(&mut self.outgoing));
        let tag = Tag::new(job.slot, 0, false);
        let records = indices.clone().filter_map(|index| job.batch.get(index as usize));
        outgoing.extend(records.map(|record| Outgoing::new(record, tag)));
        let mut known = Known::Yes;
        if target.topic.produce(target.partition, &mut outgoing) < outgoing.len() {
            for (index, message) in indices.zip(&outgoing) {
                let refused = message.error().zip(job.batch.get(index as usize));
                if let Some((code, record)) = refused
                    && self.refuse(raw, job, target, (record, tag, code)) == Known::No
                {
                    known = Known::No;
                }
            }
        }
        self.outgoing = recycle(outgoing);
        known
    }

    /// Hands one record over, whatever it has.
    pub(crate) fn hand_over_one(
        &self,
        raw: &RawProducer,
        job: &Job<'_>,
        target: Target<'_>,
        record: Record<'_>,
    ) -> Known {
        let tag = tag_of(job, record);
        match raw.produce_one(target.topic, target.partition, record, tag) {
            Ok(()) => Known::Yes,
            Err(code) => self.refuse(raw, job, target, (record, tag, code)),
        }
    }

    /// The client did not take a record: it is rejected, the others go on.
    #[cold]
    fn refuse(
        &self,
        raw: &RawProducer,
        job: &Job<'_>,
        target: Target<'_>,
        (record, tag, code): (Record<'_>, Tag, RDKafkaErrorCode),
    ) -> Known {
        debug_assert!(
            code != RDKafkaErrorCode::QueueFull,
            "the writer's bound comes before the client's"
        );
        let error = not_delivered(code, target.name).at_partition(target.name, target.partition);
        self.reject_tagged(raw, job, (record, tag), error);
        match code {
            RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopic => Known::No,
            _ => Known::Yes,
        }
    }

    /// Rejects a record that was taken and not handed over.
    #[cold]
    pub(crate) fn reject(
        &self,
        raw: &RawProducer,
        job: &Job<'_>,
        record: Record<'_>,
        error: Error,
    ) {
        self.reject_tagged(raw, job, (record, tag_of(job, record)), error);
    }

    fn reject_tagged(
        &self,
        raw: &RawProducer,
        job: &Job<'_>,
        (record, tag): (Record<'_>, Tag),
        error: Error,
    ) {
        let error = error.at_step(&self.cx.open.step).at_epoch(job.epoch);
        let rejected = Rejected { epoch: job.epoch, record: record.to_owned(), error, attempts: 0 };
        raw.slots(|slots| {
            slots.refuse(rejected);
            slots.settle(tag, record.n_bytes());
        });
        self.cx.wake.wake();
    }

    /// Hands out what was refused, with the step's name.
    pub(crate) fn collect(&self, raw: &RawProducer, rejected: &mut Vec<Rejected>) {
        let first = rejected.len();
        raw.slots(|slots| slots.collect(rejected));
        for late in &mut rejected[first..] {
            let error = std::mem::replace(&mut late.error, Error::config(""));
            late.error = error.at_step(&self.cx.open.step);
        }
    }

    /// The error that the client cannot go on after.
    pub(crate) fn fatal(&self, raw: &RawProducer) -> Option<Error> {
        let listener = raw.listener();
        if let Some(trouble) = listener.lasting_trouble() {
            let error = trouble.error_at_once("", listener.security());
            return Some(error.at_step(&self.cx.open.step));
        }
        let (code, reason) = raw.fatal()?;
        if is_refusal(code) {
            return Some(self.refused(raw, code));
        }
        let kind = match code {
            RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch => {
                ErrorKind::Stopped
            }
            _ => ErrorKind::Unavailable,
        };
        let what = "write to Kafka: the client cannot go on";
        let error = Error::new(kind, codes::NOT_DELIVERED, what).with_source(reason);
        Some(error.at_step(&self.cx.open.step))
    }

    /// The error of a client that the cluster does not let write.
    pub(crate) fn refused(&self, raw: &RawProducer, code: RDKafkaErrorCode) -> Error {
        let error = from_code(code, "write to Kafka");
        name_user(error, code, raw.listener().security()).at_step(&self.cx.open.step)
    }
}

/// Whether a record must go one by one: the batch call knows neither headers nor times.
#[inline]
pub(crate) fn goes_alone(record: Record<'_>) -> bool {
    record.time().is_some() || !record.headers().is_empty()
}

fn tag_of(job: &Job<'_>, record: Record<'_>) -> Tag {
    Tag::new(job.slot, record.headers().encoded().len(), record.time().is_some())
}

/// Bytes that a record is counted with.
pub(crate) fn size_of_record(record: Record<'_>) -> usize {
    record.n_bytes() + record.headers().encoded().len()
}

/// An empty vector of another lifetime in the same memory.
fn recycle<'b>(mut outgoing: Vec<Outgoing<'_>>) -> Vec<Outgoing<'b>> {
    outgoing.clear();
    outgoing.into_iter().map(|_| unreachable!("the vector was cleared")).collect()
}
