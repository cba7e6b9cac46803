//! The running half of a sink to one topic: chooses partitions, hands records to the producer, and hears what became of them.

use std::sync::Arc;

use millstream_engine::batch::RecordBatch;
use millstream_engine::error::{Error, Result};
use millstream_engine::routing;
use millstream_engine::sink::{Rejected, Writer as WriterContract, WriterContext};

use crate::config::SinkConfig;
use crate::control::{Refusal, is_unknown};
use crate::error::unknown_topic;
use crate::outbox::{Admission, Outbox, size_of_record};
use crate::partitioner::Chooser;
use crate::producer::Ways;

/// Writes one share of a sink's records.
pub(crate) struct Writer {
    /// `None` once closed.
    outbox: Option<Outbox>,
    chooser: Chooser,
    topic: Arc<str>,
    /// The ways to the topic's partitions, once they are known.
    ways: Option<Ways>,
    refusal: Option<Refusal>,
}

impl Writer {
    pub(crate) fn open(config: &SinkConfig, cx: WriterContext) -> Result<Self> {
        let chooser = Chooser::of_writer(config, &cx);
        let outbox = Outbox::open(config, cx)?;
        let topic: Arc<str> = config.topic.as_str().into();
        outbox.control.ask(&topic);
        Ok(Self { outbox: Some(outbox), chooser, topic, ways: None, refusal: None })
    }

    /// Puts records down as far as there is room; says how far it came.
    fn put_down(
        &mut self,
        outbox: &mut Outbox,
        epoch: u64,
        batch: &RecordBatch,
        from: usize,
    ) -> usize {
        let Some(ways) = &self.ways else {
            return from;
        };
        let n_partitions = ways.n_partitions();
        let control = Arc::clone(&outbox.control);
        let (mut filling, books) = outbox.fill();
        self.chooser.set_now(books.cx.open.clock.micros());
        let job = books.job(epoch, batch);
        let some_say_where = batch.has_destinations();
        for index in from..batch.len() {
            let Some(record) = batch.get(index) else { break };
            match books.admit(|| &self.topic, record, epoch) {
                Admission::Take => {}
                Admission::Wait => return index,
                Admission::Rejected => continue,
            }
            let said = if some_say_where { batch.partition_number(index) } else { None };
            let partition = said.unwrap_or_else(|| {
                self.chooser.choose(record.key(), record.n_bytes(), n_partitions)
            });
            match ways.get(partition) {
                Some(lane) if books.take((&self.topic, Some(partition)), record, &job) => {
                    filling.push(lane, record, job.slot, size_of_record(record));
                }
                Some(_) => {}
                None => {
                    control.refresh();
                    let error = routing::unknown_partition(&self.topic, partition, n_partitions);
                    books.reject(epoch, record, error);
                }
            }
        }
        batch.len()
    }

    /// Takes in how many partitions the topic has, or why it cannot be written.
    fn hear(&mut self, outbox: &Outbox) {
        for (_, found) in outbox.control.answers() {
            match found {
                Ok(n_partitions) => {
                    match &mut self.ways {
                        Some(ways) => ways.grow(n_partitions),
                        none => *none = Some(outbox.open_ways(&self.topic, n_partitions)),
                    }
                    self.refusal = None;
                }
                Err(refusal) => self.refusal = Some(refusal),
            }
        }
    }

    fn fatal(&self, outbox: &Outbox) -> Option<Error> {
        if let Some(error) = outbox.fatal() {
            return Some(error.at_topic(&self.topic));
        }
        let refusal = self.refusal.as_ref()?;
        let error = if is_unknown(refusal.code()) {
            unknown_topic(&self.topic, std::iter::empty())
        } else {
            outbox.books.refused(refusal.code()).at_topic(&self.topic)
        };
        Some(error.at_step(&outbox.books.cx.open.step))
    }
}

impl WriterContract for Writer {
    fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<usize> {
        let Some(mut outbox) = self.outbox.take() else {
            return Ok(from);
        };
        let end = self.put_down(&mut outbox, epoch, batch, from);
        self.outbox = Some(outbox);
        Ok(end)
    }

    fn poll(&mut self, rejected: &mut Vec<Rejected>) -> Result<()> {
        let Some(mut outbox) = self.outbox.take() else {
            return Ok(());
        };
        self.hear(&outbox);
        outbox.collect(rejected);
        let fatal = self.fatal(&outbox);
        self.outbox = Some(outbox);
        fatal.map_or(Ok(()), Err)
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        self.outbox.as_ref()?.books.slots.oldest()
    }

    fn close(&mut self) {
        (self.ways, self.outbox) = (None, None);
    }
}
