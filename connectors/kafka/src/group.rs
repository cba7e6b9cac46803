//! Commits offsets to the consumer group: one commit at a time, the newest offsets each time.

use std::collections::HashMap;
use std::time::Duration;

use millstream_engine::error::Result;
use millstream_engine::source::Partition;
use rdkafka::types::RDKafkaErrorCode;

use crate::consumer::{Consumer, commit_list};
use crate::position::Position;

/// What is to be committed, and what is on its way.
#[derive(Debug, Default)]
pub(crate) struct Group {
    waiting: HashMap<Partition, Position>,
    under_way: HashMap<Partition, Position>,
}

impl Group {
    /// A partition's newest durable position.
    pub(crate) fn add(&mut self, partition: &Partition, position: Position) {
        self.waiting.insert(partition.clone(), position);
    }

    /// Takes in how the last commit went, and starts the next one. Never waits.
    pub(crate) fn poll(&mut self, consumer: &Consumer) {
        if !self.under_way.is_empty() {
            match consumer.raw.committed(Duration::ZERO) {
                Some(outcome) => self.settle(consumer, outcome),
                None => return,
            }
        }
        if !self.waiting.is_empty() {
            match consumer.raw.commit(&commit_list(self.waiting.iter())) {
                Ok(()) => self.under_way = std::mem::take(&mut self.waiting),
                Err(code) => self.settle(consumer, Err(code)),
            }
        }
    }

    /// Finishes the commit under way and makes a last one, within the time given.
    pub(crate) fn finish(&mut self, consumer: &Consumer, wait: Duration) -> Result<()> {
        if !self.under_way.is_empty() {
            match consumer.raw.committed(wait / 2) {
                Some(outcome) => self.settle(consumer, outcome),
                None => self.keep(),
            }
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        consumer.commit_and_wait(&commit_list(self.waiting.iter()), wait / 2)
    }

    fn settle(&mut self, consumer: &Consumer, outcome: Result<(), RDKafkaErrorCode>) {
        match outcome {
            Ok(()) => self.under_way.clear(),
            Err(code) => {
                let reason = crate::error::reason(code);
                consumer
                    .raw
                    .listener()
                    .hear(&format!("committing offsets to the consumer group failed: {reason}"));
                self.keep();
            }
        }
    }

    /// What did not get through waits again, unless something newer does.
    fn keep(&mut self) {
        for (partition, position) in self.under_way.drain() {
            self.waiting.entry(partition).or_insert(position);
        }
    }
}
