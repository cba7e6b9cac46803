//! The running half of a sink to one topic: chooses partitions, hands records to the producer, and hears what became of them.

use std::sync::Arc;

use millstream_engine::batch::RecordBatch;
use millstream_engine::error::{Error, Result};
use millstream_engine::routing;
use millstream_engine::sink::{Rejected, Writer as WriterContract, WriterContext};

use crate::config::SinkConfig;
use crate::net::Trouble;
use crate::outbox::{Admission, Outbox, not_found};
use crate::partitioner::Chooser;
use crate::producer::Ways;
use crate::survey::Kept;

/// Writes one share of a sink's records.
pub(crate) struct Writer {
    /// `None` once closed.
    outbox: Option<Outbox>,
    chooser: Chooser,
    topic: Arc<str>,
    _kept: Kept,
    /// The ways to the topic's partitions, once they are known.
    ways: Option<Ways>,
    refusal: Option<Trouble>,
}

impl Writer {
    pub(crate) fn open(config: &SinkConfig, cx: WriterContext) -> Self {
        let chooser = Chooser::of_writer(config, &cx);
        let outbox = Outbox::open(config, cx);
        let topic: Arc<str> = config.topic.as_str().into();
        let kept = outbox.survey.keep(&topic);
        outbox.survey.ask(&topic);
        let outbox = Some(outbox);
        Self { outbox, chooser, topic, _kept: kept, ways: None, refusal: None }
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
            let partition = said
                .unwrap_or_else(|| self.chooser.choose(record.key(), record.n_bytes(), ways.len()));
            if let Some(lane) = ways.get(partition) {
                books.send(&mut filling, (lane, &self.topic), record, &job);
            } else {
                let error = routing::unknown_partition(&self.topic, partition, ways.len());
                books.reject(epoch, record, error);
            }
        }
        batch.len()
    }

    /// Takes in how many partitions the topic has, or why it cannot be written. What may pass is asked for again.
    fn hear(&mut self, outbox: &Outbox) -> Result<()> {
        for (topic, found) in outbox.survey.answers() {
            match found {
                Ok(n_partitions) => match &mut self.ways {
                    Some(ways) => ways.grow(n_partitions)?,
                    none => *none = Some(outbox.open_ways(&topic, n_partitions)?),
                },
                Err(trouble) if trouble.may_pass() => outbox.survey.ask(&topic),
                Err(trouble) => self.refusal = Some(trouble),
            }
        }
        Ok(())
    }

    fn fatal(&self, outbox: &Outbox) -> Option<Error> {
        let refused = || {
            let error = not_found(self.refusal.as_ref()?, &self.topic).at_topic(&self.topic);
            Some(error.at_step(&outbox.books.cx.open.step))
        };
        outbox.fatal().or_else(refused)
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
        let heard = self.hear(&outbox);
        outbox.collect(rejected);
        let fatal = self.fatal(&outbox);
        self.outbox = Some(outbox);
        heard.and(fatal.map_or(Ok(()), Err))
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        self.outbox.as_ref()?.books.slots.oldest()
    }

    fn close(&mut self) {
        (self.ways, self.outbox) = (None, None);
    }
}
