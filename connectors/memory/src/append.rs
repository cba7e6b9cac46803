//! Appending batches to a topic: what producers and writers stand on.
//!
//! Invariant: each record of the prefix taken is in the log or among the refused, never in both.

use millstream_engine::batch::{Record, RecordBatch};
use millstream_engine::routing;
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

/// How records are appended.
#[derive(Clone, Copy)]
pub(crate) struct Manner<'w> {
    pub(crate) placing: Placing,
    /// The time of records that bring none.
    pub(crate) now: i64,
    /// Whoever is woken when records that were not taken may find room.
    pub(crate) waiter: Option<(u64, &'w Wake)>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Appended {
    /// The index of the first record not taken.
    pub(crate) left: Option<usize>,
    pub(crate) n_taken: usize,
    /// Taken but refused, by index.
    pub(crate) refused: Vec<(usize, Error)>,
    /// Whether confirmations are held back.
    pub(crate) held: bool,
    /// The topic's count of changes at that moment, where a record is left.
    pub(crate) n_changes: u64,
}

impl Appended {
    /// Whether all records were taken, and are confirmed.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.left.is_none() && self.refused.is_empty() && !self.held
    }
}

impl Topic {
    /// Appends the records of these indices, until the topic is full or frozen.
    ///
    /// # Errors
    /// *Unavailable* when a test asked for it; *config* for a partition that does not exist.
    pub(crate) fn append(
        &self,
        batch: &RecordBatch,
        indices: impl Iterator<Item = usize>,
        manner: Manner<'_>,
    ) -> Result<Appended> {
        let mut appended = Appended::default();
        self.append_to(&mut self.lock(), (batch, indices), manner, &mut appended)?;
        Ok(appended)
    }

    /// The same, to the topic's state, which the caller has locked; nothing is left or refused in `appended` yet. It is written
    /// where it stays: a copy would wait for all that was written before it, the records among it.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub(crate) fn append_to(
        &self,
        state: &mut State,
        (batch, mut indices): (&RecordBatch, impl Iterator<Item = usize>),
        manner: Manner<'_>,
        appended: &mut Appended,
    ) -> Result<()> {
        if state.planned.take_write_failure() {
            return Err(error::away(&self.name, "write to the embedded broker"));
        }
        if let Placing::To(partition) = manner.placing {
            state.log(&self.name, partition)?;
        }
        (appended.held, appended.n_taken) = (state.planned.holds_confirmations, 0);
        if state.planned.frozen {
            appended.left = indices.next();
        } else {
            self.append_open(state, (batch, indices), manner, appended);
        }
        if let Some((number, wake)) = manner.waiter
            && (appended.left.is_some() || appended.held)
        {
            state.wake_later(number, wake);
        }
        if appended.left.is_some() {
            appended.n_changes = state.n_changes;
        }
        if appended.n_taken > 0 {
            self.notify(state);
        }
        Ok(())
    }

    fn append_open(
        &self,
        state: &mut State,
        (batch, indices): (&RecordBatch, impl Iterator<Item = usize>),
        Manner { placing, now, .. }: Manner<'_>,
        appended: &mut Appended,
    ) {
        let segment_bytes = self.segment_bytes();
        let n_partitions = state.logs.len();
        let some_say_where = matches!(placing, Placing::ByKey { .. }) && batch.has_destinations();
        for index in indices {
            let Some(record) = batch.get(index) else {
                break;
            };
            let n_bytes = size_of_record(record);
            let said = if some_say_where { batch.partition_number(index) } else { None };
            if let Some(why) = self.refuses(state, record, n_bytes, said) {
                appended.refused.push((index, why));
            } else if state.bytes + n_bytes > self.options.max_bytes
                && !state.make_room(n_bytes, self.options)
            {
                appended.left = Some(index);
                return;
            } else {
                let partition = match said {
                    Some(partition) => partition as usize,
                    None => place(record, placing, n_partitions),
                };
                let State { logs, spare, bytes, .. } = state;
                logs[partition].append(record, now, segment_bytes, spare);
                *bytes += n_bytes;
            }
            appended.n_taken += 1;
        }
    }

    #[inline]
    fn refuses(
        &self,
        state: &mut State,
        record: Record<'_>,
        n_bytes: usize,
        said: Option<u32>,
    ) -> Option<Error> {
        let n_partitions = u32::try_from(state.logs.len()).unwrap_or(u32::MAX);
        if let Some(partition) = said.filter(|partition| *partition >= n_partitions) {
            return Some(routing::unknown_partition(&self.name, partition, n_partitions));
        }
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
