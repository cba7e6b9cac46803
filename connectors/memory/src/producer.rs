//! A producer: appends records one by one or by the batch, for programs and tests.
//!
//! Invariant: what `send` returned `Ok` for is in the log.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_engine::batch::{NO_TIME, OwnedRecord, RecordBatch};
use millstream_engine::{Error, Result};

use crate::append::{Appended, Manner, Placing};
use crate::error;
use crate::topic::Topic;

/// How long [`Producer::send`] waits for room, unless told otherwise.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Appends records to one topic; from [`crate::Broker::producer`].
///
/// A record goes to the partition of its key (Kafka's murmur2, made positive, modulo the number of partitions); without a
/// key, each call takes the next partition. A record without a time gets the broker's.
///
/// # Examples
/// ```
/// let broker = millstream_memory::Broker::new();
/// broker.create_topic("greetings", 2)?;
/// let mut producer = broker.producer("greetings")?;
/// producer.send_keyed("anna", "hello")?;
/// producer.send_keyed("anna", "goodbye")?;
/// let texts: Vec<_> = broker.records("greetings")?.iter().map(|r| r.text().map(str::to_owned)).collect();
/// assert_eq!(texts, [Some("hello".to_owned()), Some("goodbye".to_owned())]);
/// # Ok::<_, millstream_engine::Error>(())
/// ```
#[derive(Debug)]
pub struct Producer {
    topic: Arc<Topic>,
    scratch: RecordBatch,
    turn: usize,
    send_timeout: Duration,
}

impl Producer {
    pub(crate) fn new(topic: Arc<Topic>) -> Self {
        Self { topic, scratch: RecordBatch::default(), turn: 0, send_timeout: SEND_TIMEOUT }
    }

    /// Sets how long `send` waits for room; 30 s by default.
    #[must_use]
    pub fn with_send_timeout(mut self, limit: Duration) -> Self {
        self.send_timeout = limit;
        self
    }

    /// Appends a record.
    ///
    /// # Blocking
    /// While the topic is full, up to the send timeout; woken as soon as there is room.
    ///
    /// # Errors
    /// *Unavailable* when the topic stayed full; *bad item* when it is larger than the topic, or refused.
    pub fn send(&mut self, record: impl Borrow<OwnedRecord>) -> Result<()> {
        self.fill(record.borrow());
        let placing = self.next_turn();
        self.send_scratch(placing)
    }

    /// Appends a record of a key and a value.
    ///
    /// # Blocking
    /// As for [`Producer::send`].
    ///
    /// # Errors
    /// As for [`Producer::send`].
    pub fn send_keyed(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.scratch.clear();
        self.scratch.push(Some(key.as_ref()), Some(value.as_ref()), NO_TIME, 0);
        let placing = self.next_turn();
        self.send_scratch(placing)
    }

    /// Appends a record to a partition of the caller's choice.
    ///
    /// # Blocking
    /// As for [`Producer::send`].
    ///
    /// # Errors
    /// As for [`Producer::send`]; *config* when the partition does not exist.
    pub fn send_to(&mut self, partition: u32, record: impl Borrow<OwnedRecord>) -> Result<()> {
        self.fill(record.borrow());
        self.send_scratch(Placing::To(partition))
    }

    /// Appends a record if there is room; false when there is none.
    ///
    /// # Errors
    /// *Bad item* when the record is larger than the topic, or refused.
    pub fn try_send(&mut self, record: impl Borrow<OwnedRecord>) -> Result<bool> {
        self.fill(record.borrow());
        let placing = self.next_turn();
        let appended =
            self.topic.append(&self.scratch, 0..self.scratch.len(), self.manner(placing))?;
        taken(appended)
    }

    /// Appends records of a batch from index `from` on, as far as there is room; returns the index of the first one not
    /// taken, and pushes those refused, by index.
    ///
    /// # Errors
    /// *Unavailable* when a test asked for it.
    pub fn try_send_batch(
        &mut self,
        batch: &RecordBatch,
        from: usize,
        refused: &mut Vec<(usize, Error)>,
    ) -> Result<usize> {
        let placing = self.next_turn();
        let manner = self.manner(placing);
        let mut appended = self.topic.append(batch, from..batch.len(), manner)?;
        refused.append(&mut appended.refused);
        Ok(appended.left.unwrap_or(batch.len()))
    }

    fn fill(&mut self, record: &OwnedRecord) {
        self.scratch.clear();
        self.scratch.push_owned(record);
    }

    fn next_turn(&mut self) -> Placing {
        self.turn = self.turn.wrapping_add(1);
        Placing::ByKey { turn: self.turn }
    }

    fn manner(&self, placing: Placing) -> Manner<'static> {
        Manner { placing, now: self.topic.clock.unix_millis(), waiter: None }
    }

    fn send_scratch(&mut self, placing: Placing) -> Result<()> {
        let deadline = Instant::now() + self.send_timeout;
        loop {
            let appended =
                self.topic.append(&self.scratch, 0..self.scratch.len(), self.manner(placing))?;
            let seen = appended.n_changes;
            if taken(appended)? {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(error::stayed_full(&self.topic.name, self.send_timeout.as_millis()));
            }
            self.topic.wait_past(seen, left);
        }
    }
}

fn taken(mut appended: Appended) -> Result<bool> {
    match appended.refused.pop() {
        Some((_, why)) => Err(why),
        None => Ok(appended.left.is_none()),
    }
}
