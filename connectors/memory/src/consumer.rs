//! A consumer: reads partitions of one topic in batches. The source's reader stands on it, and programs use it alone.
//!
//! Invariant: a cursor moves past a record only by handing it out, or by the policy for expired positions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_engine::Result;
use millstream_engine::batch::{Origin, OwnedRecord, Record, RecordBatch};

use crate::config::{End, Expired, Start};
use crate::error;
use crate::log::{Limits, Log};
use crate::source::origin;
use crate::topic::{State, Topic};

/// One partition and where reading it stands.
#[derive(Debug)]
struct Cursor {
    origin: Origin,
    position: u64,
    /// Where it ends, for a bounded reading.
    until: u64,
}

/// Reads the records of one topic; from [`crate::Broker::consumer`] or [`crate::Broker::group_consumer`].
///
/// Records of one partition come in their order. Partitions added later are read too, from their first record. Dropping a
/// consumer commits nothing.
#[derive(Debug)]
pub struct Consumer {
    topic: Arc<Topic>,
    cursors: Vec<Cursor>,
    turn: usize,
    group: Option<String>,
    expired: Expired,
    takes_all: bool,
    /// Whether reading is over once every assigned partition has reached its end; otherwise it waits.
    ends: bool,
    scratch: RecordBatch,
}

impl Consumer {
    /// A consumer of all partitions there are and will be.
    pub(crate) fn of_all(topic: &Arc<Topic>, group: Option<&str>) -> Self {
        let mut consumer = Self::of_none(Arc::clone(topic), Expired::Stop);
        consumer.takes_all = true;
        consumer.group = group.map(str::to_owned);
        consumer.follow(&topic.lock());
        if group.is_some() {
            consumer.commit();
        }
        consumer
    }

    /// A consumer that partitions are assigned to one by one.
    pub(crate) fn of_none(topic: Arc<Topic>, expired: Expired) -> Self {
        Self {
            topic,
            cursors: Vec::new(),
            turn: 0,
            group: None,
            expired,
            takes_all: false,
            ends: false,
            scratch: RecordBatch::default(),
        }
    }

    pub(crate) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Adds a partition; where reading it ends is decided now.
    pub(crate) fn assign(&mut self, partition: u32, position: u64, end: &End) -> Result<()> {
        let state = self.topic.lock();
        let log = state.log(&self.topic.name, partition)?;
        let until = match end {
            End::Never => u64::MAX,
            End::Latest => log.next(),
            End::Time(millis) => log.start(Start::Time(*millis)),
            End::Positions(ends) => ends.get(&partition).copied().unwrap_or(log.next()),
        };
        drop(state);
        self.cursors.push(Cursor { origin: origin(&self.topic.name, partition), position, until });
        Ok(())
    }

    /// Lets reading end once every assigned partition has reached its end; also when there is none.
    pub(crate) fn with_end(mut self, ends: bool) -> Self {
        self.ends = ends;
        self
    }

    /// Whether reading is over.
    pub(crate) fn has_ended(&self) -> bool {
        self.ends && self.cursors.iter().all(|cursor| cursor.position >= cursor.until)
    }

    /// Records that were not read yet.
    pub fn lag(&self) -> u64 {
        let state = self.topic.lock();
        let behind = |cursor: &Cursor| {
            let end = state.logs.get(cursor.origin.partition as usize).map_or(0, Log::next);
            end.min(cursor.until).saturating_sub(cursor.position)
        };
        self.cursors.iter().map(behind).sum()
    }

    /// Reads the next record; none within `wait`.
    ///
    /// # Blocking
    /// At most `wait`; woken by the next record.
    ///
    /// # Errors
    /// *Corrupt* when the topic gave up records that were not read yet; *unavailable* when a test asked for it.
    pub fn read(&mut self, wait: Duration) -> Result<Option<OwnedRecord>> {
        let mut batch = std::mem::take(&mut self.scratch);
        batch.clear();
        let one = Limits { bytes: usize::MAX, records: 1 };
        let outcome = self.read_up_to(&mut batch, one, wait);
        let record = batch.get(0).map(Record::to_owned);
        self.scratch = batch;
        outcome.map(|()| record)
    }

    /// Reads records into an empty batch, until it holds `max_bytes`; it stays empty when there is none within `wait`.
    ///
    /// # Blocking
    /// As for [`Consumer::read`].
    ///
    /// # Errors
    /// As for [`Consumer::read`].
    pub fn read_batch(
        &mut self,
        batch: &mut RecordBatch,
        max_bytes: usize,
        wait: Duration,
    ) -> Result<()> {
        self.read_up_to(batch, Limits { bytes: max_bytes, records: usize::MAX }, wait)
    }

    pub(crate) fn read_up_to(
        &mut self,
        batch: &mut RecordBatch,
        limits: Limits,
        wait: Duration,
    ) -> Result<()> {
        let topic = Arc::clone(&self.topic);
        let mut deadline = None;
        let mut state = topic.lock();
        loop {
            if state.planned.take_read_failure() {
                return Err(error::away(&topic.name, "read from the embedded broker"));
            }
            if self.takes_all {
                self.follow(&state);
            }
            if !state.planned.frozen {
                self.fill(&state, batch, limits)?;
            }
            if !batch.is_empty() || wait.is_zero() || self.has_ended() {
                return Ok(());
            }
            let until = *deadline.get_or_insert_with(|| Instant::now() + wait);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            state = topic.wait(state, left);
        }
    }

    /// Commits everything read so far for the group; nothing without a group. False while a test freezes the topic.
    pub fn commit(&self) -> bool {
        let Some(group) = &self.group else {
            return true;
        };
        let positions =
            self.cursors.iter().map(|cursor| (cursor.origin.partition, cursor.position));
        self.topic.commit(group, positions)
    }

    /// Takes up partitions that it does not read yet.
    fn follow(&mut self, state: &State) {
        for (partition, log) in (0..).zip(state.logs.iter()).skip(self.cursors.len()) {
            let committed = self.group.as_ref().and_then(|group| state.position(group, partition));
            let position = committed.unwrap_or_else(|| log.start(Start::Earliest));
            let origin = origin(&self.topic.name, partition);
            self.cursors.push(Cursor { origin, position, until: u64::MAX });
        }
    }

    /// Fills the batch, beginning with another partition each time: a busy one must not starve the rest.
    fn fill(&mut self, state: &State, batch: &mut RecordBatch, limits: Limits) -> Result<()> {
        let n_cursors = self.cursors.len();
        for offset in 0..n_cursors {
            let full = batch.len() >= limits.records || batch.n_bytes() >= limits.bytes;
            if full && !batch.is_empty() {
                break;
            }
            let cursor = &mut self.cursors[(self.turn + offset) % n_cursors];
            if cursor.position >= cursor.until {
                continue;
            }
            let log = state.log(&self.topic.name, cursor.origin.partition)?;
            let kept = (log.first(), log.next());
            if cursor.position < kept.0 || cursor.position > kept.1 {
                cursor.position = self.expired.settle(&cursor.origin, cursor.position, kept)?;
            }
            if cursor.position < kept.1 {
                batch.set_origin(&cursor.origin);
                cursor.position = log.copy(cursor.position, cursor.until, batch, limits);
            }
        }
        self.turn = (self.turn + 1) % n_cursors.max(1);
        Ok(())
    }
}

impl Expired {
    /// Where to go on instead of at `position`, which is not among those kept.
    pub(crate) fn settle(self, origin: &Origin, position: u64, kept: (u64, u64)) -> Result<u64> {
        let instead = match self {
            Self::Stop => {
                return Err(error::expired(&origin.topic, origin.partition, position, kept));
            }
            Self::Earliest => kept.0,
            Self::Latest => kept.1,
        };
        tracing::warn!(
            topic = &*origin.topic,
            partition = origin.partition,
            position,
            instead,
            "a position has expired; records in between are not read"
        );
        Ok(instead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Broker, Full, TopicOptions};

    const SOON: Duration = Duration::from_secs(30);

    #[test]
    fn group_goes_on_where_it_committed() {
        let broker = Broker::new();
        broker.create_topic("t", 2).unwrap();
        let mut producer = broker.producer("t").unwrap();
        for value in ["a", "b", "c"] {
            producer.send_to(1, OwnedRecord::of(value)).unwrap();
        }
        let mut first = broker.group_consumer("t", "g").unwrap();
        assert_eq!(first.read(SOON).unwrap().unwrap().text(), Some("a"));
        assert!(first.commit());
        assert_eq!(first.read(SOON).unwrap().unwrap().text(), Some("b"));
        drop(first);
        let mut second = broker.group_consumer("t", "g").unwrap();
        assert_eq!(second.lag(), 2);
        assert_eq!(second.read(SOON).unwrap().unwrap().text(), Some("b"));
        assert_eq!(broker.committed("t", "g").unwrap(), [Some(0), Some(1)]);
    }

    #[test]
    fn partition_added_later_is_read_from_its_start() {
        let broker = Broker::new();
        broker.create_topic("t", 1).unwrap();
        let mut consumer = broker.consumer("t").unwrap();
        broker.add_partitions("t", 1).unwrap();
        broker.producer("t").unwrap().send_to(1, OwnedRecord::of("new")).unwrap();
        assert_eq!(consumer.read(SOON).unwrap().unwrap().text(), Some("new"));
        assert!(consumer.read(Duration::ZERO).unwrap().is_none());
    }

    #[test]
    fn reader_that_fell_behind_is_told() {
        let broker = Broker::new();
        let options = TopicOptions { max_bytes: 1000, full: Full::DropOldest };
        broker.create_topic_with("t", 1, options).unwrap();
        let mut consumer = broker.consumer("t").unwrap();
        let mut producer = broker.producer("t").unwrap();
        for _ in 0..100 {
            producer.send(OwnedRecord::of("0123456789")).unwrap();
        }
        let error = consumer.read(SOON).unwrap_err();
        assert_eq!(error.code(), millstream_engine::error::codes::EXPIRED_POSITION);
        assert!(broker.len("t").unwrap() > 10);
    }

    #[test]
    fn read_is_woken_by_a_record() {
        let broker = Broker::new();
        broker.create_topic("t", 1).unwrap();
        let mut consumer = broker.consumer("t").unwrap();
        let mut producer = broker.producer("t").unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || producer.send(OwnedRecord::of("x")).unwrap());
            assert!(consumer.read(SOON).unwrap().is_some());
        });
    }
}
