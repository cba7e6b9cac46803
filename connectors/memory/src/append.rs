//! Appending batches to a topic: what producers and writers stand on.
//!
//! Invariant: each record of the prefix taken is in the log or among the refused, never in both.

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::runtime::Wake;
use millstream_engine::{Error, Result};

use crate::error;
use crate::log::size_of_record;
use crate::partitioner::partition_of;
use crate::topic::{State, Topic};

/// Where records go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Placing {
    /// By the hash of the key; those without one go to the partition of this turn.
    ByKey { turn: usize },
    /// All to one partition.
    To(u32),
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Appended {
    /// The index of the first record not taken.
    pub(crate) taken: usize,
    /// Taken but refused, by index.
    pub(crate) refused: Vec<(usize, Error)>,
    /// Whether confirmations are held back.
    pub(crate) held: bool,
    /// The topic's count of changes at that moment.
    pub(crate) n_changes: u64,
}

impl Topic {
    /// Appends records from index `from` on, until the topic is full or frozen. Then `waiter` is woken when that changes.
    ///
    /// # Errors
    /// *Unavailable* when a test asked for it; *config* for a partition that does not exist.
    pub(crate) fn append(
        &self,
        batch: &RecordBatch,
        from: usize,
        placing: Placing,
        waiter: Option<(u64, &Wake)>,
    ) -> Result<Appended> {
        let mut state = self.lock();
        if state.planned.take_write_failure() {
            return Err(error::away(&self.name, "write to the embedded broker"));
        }
        if let Placing::To(partition) = placing {
            state.log(&self.name, partition)?;
        }
        let mut appended = Appended {
            taken: from,
            held: state.planned.holds_confirmations,
            n_changes: state.n_changes,
            refused: Vec::new(),
        };
        if !state.planned.frozen {
            self.append_open(&mut state, batch, placing, &mut appended);
        }
        if let Some((number, wake)) = waiter
            && (appended.taken < batch.len() || appended.held)
        {
            state.wake_later(number, wake);
        }
        if appended.taken > from {
            self.notify(&state);
        }
        Ok(appended)
    }

    fn append_open(
        &self,
        state: &mut State,
        batch: &RecordBatch,
        placing: Placing,
        appended: &mut Appended,
    ) {
        let now = self.clock.unix_millis();
        let segment_bytes = self.segment_bytes();
        let n_partitions = state.logs.len();
        for index in appended.taken..batch.len() {
            let Some(record) = batch.get(index) else {
                break;
            };
            let n_bytes = size_of_record(record);
            if let Some(why) = self.refuses(state, record, n_bytes) {
                appended.refused.push((index, why));
            } else if state.bytes + n_bytes > self.options.max_bytes
                && !state.make_room(n_bytes, self.options)
            {
                return;
            } else {
                let partition = place(record, placing, n_partitions);
                let State { logs, spare, bytes, .. } = state;
                logs[partition].append(record, now, n_bytes, segment_bytes, spare);
                *bytes += n_bytes;
            }
            appended.taken = index + 1;
        }
    }

    #[inline]
    fn refuses(&self, state: &mut State, record: Record<'_>, n_bytes: usize) -> Option<Error> {
        if n_bytes > self.options.max_bytes {
            return Some(error::too_large(&self.name, n_bytes, self.options.max_bytes));
        }
        let rule = state.planned.rule.as_mut()?;
        rule(record).map(|reason| error::refused(&self.name, reason))
    }
}

#[inline]
fn place(record: Record<'_>, placing: Placing, n_partitions: usize) -> usize {
    match placing {
        Placing::To(partition) => partition as usize,
        Placing::ByKey { .. } if n_partitions == 1 => 0,
        Placing::ByKey { turn } => {
            record.key().map_or(turn % n_partitions, |key| partition_of(key, n_partitions))
        }
    }
}
