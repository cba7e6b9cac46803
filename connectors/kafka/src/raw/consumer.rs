//! A consumer whose partitions all lead to one queue of ours, read in batches.

use std::cell::Cell;
use std::ffi::CString;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::bindings as rd;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::login;
use super::message::{Fetched, Message};
use super::queue::{Bell, Queue};
use super::token::Supply;
use super::{Described, timeout_ms, topics};
use crate::error::is_refusal;
use crate::listener::Listener;

/// A consumer without a subscription: partitions are given to it, and it commits what it is told to.
///
/// Fields are dropped in their order, and all else must be gone before the client.
pub(crate) struct RawConsumer {
    fetched: Fetched,
    records: Queue,
    commits: Queue,
    /// What was asked of topics comes here.
    topics: Queue,
    events: Queue,
    bell: Bell,
    refusal: Cell<Option<RDKafkaErrorCode>>,
    _tokens: Option<Supply>,
    client: BaseConsumer<Listener>,
}

// SAFETY: librdkafka's handles may be used by any thread. What was fetched belongs to this consumer alone.
unsafe impl Send for RawConsumer {}

impl RawConsumer {
    pub(crate) fn new(config: &ClientConfig, listener: Listener) -> KafkaResult<Self> {
        let client: BaseConsumer<Listener> = config.create_with_context(listener)?;
        let queue = || {
            // SAFETY: the client is alive, and the new queue is ours.
            let queue =
                unsafe { Queue::take(rd::rd_kafka_queue_new(client.client().native_ptr())) };
            queue.ok_or_else(|| KafkaError::ClientCreation("no queue".to_owned()))
        };
        let (records, commits, topics) = (queue()?, queue()?, queue()?);
        let with_group = config.get("group.id").is_some();
        // SAFETY: the client is alive, and the reference to its queue is ours. The wrapper polls the same one of the two.
        let events = unsafe {
            Queue::take(if with_group {
                rd::rd_kafka_queue_get_consumer(client.client().native_ptr())
            } else {
                rd::rd_kafka_queue_get_main(client.client().native_ptr())
            })
        };
        let events = events.ok_or_else(|| KafkaError::ClientCreation("no queue".to_owned()))?;
        let bell = Bell::new().map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        bell.attach(&records);
        // SAFETY: the field is dropped before the client is.
        let supply = |keeper| unsafe { Supply::new(client.client().native_ptr(), keeper) };
        let tokens = client.context().keeper().map(supply);
        let refusal = Cell::new(None);
        Ok(Self {
            fetched: Fetched::new(),
            records,
            commits,
            topics,
            events,
            bell,
            refusal,
            _tokens: tokens,
            client,
        })
    }

    /// The client, for everything that the safe wrapper does well.
    pub(crate) fn client(&self) -> &BaseConsumer<Listener> {
        &self.client
    }

    /// Looks the password up again.
    pub(crate) fn renew_login(&self) {
        // SAFETY: the client is alive.
        unsafe { login::renew(self.client.client().native_ptr(), self.listener()) };
    }

    pub(crate) fn listener(&self) -> &Listener {
        self.client.context()
    }

    /// Adds partitions, which start at the offsets of the list. Those assigned before go on undisturbed.
    pub(crate) fn assign(&self, partitions: &TopicPartitionList) -> KafkaResult<()> {
        for partition in partitions.elements() {
            self.forward(partition.topic(), partition.partition())?;
        }
        self.client.incremental_assign(partitions)
    }

    /// Leads a partition's records to our queue. Done before the partition is assigned, it holds from its first record on.
    fn forward(&self, topic: &str, partition: i32) -> KafkaResult<()> {
        let topic = CString::new(topic)?;
        // SAFETY: the client is alive; the reference to the partition's queue is given back when `queue` is dropped.
        let queue = unsafe {
            Queue::take(rd::rd_kafka_queue_get_partition(
                self.client.client().native_ptr(),
                topic.as_ptr(),
                partition,
            ))
        };
        let queue = queue.ok_or(KafkaError::Global(RDKafkaErrorCode::UnknownPartition))?;
        // SAFETY: both queues are alive and belong to one client.
        unsafe { rd::rd_kafka_queue_forward(queue.as_ptr(), self.records.as_ptr()) };
        Ok(())
    }

    /// The first message that was taken and not let go of.
    #[inline]
    pub(crate) fn first(&self) -> Option<Message<'_>> {
        self.fetched.first()
    }

    /// Lets go of the first message.
    #[inline]
    pub(crate) fn pop(&mut self) {
        self.fetched.pop();
    }

    /// Lets go of the messages of one partition that were taken: they are not wanted any more.
    pub(crate) fn discard(&mut self, topic: &str, partition: i32) {
        self.fetched.discard(|message| message.place().1 == partition && message.topic() == topic);
    }

    /// Takes what has been fetched, without waiting; says whether there may be more. Called when nothing is left.
    pub(crate) fn refill(&mut self) -> bool {
        // SAFETY: the queue belongs to our client, which outlives what is fetched.
        unsafe { self.fetched.refill(self.records.as_ptr()) }
    }

    /// Waits for the first record, at most so long.
    pub(crate) fn wait(&self, wait: Duration) {
        self.bell.wait(wait);
    }

    /// Serves what the client has to say beside records: logs, errors. Fatal errors come back.
    pub(crate) fn serve(&self) -> KafkaResult<()> {
        // The wrapper's poll returns nothing for a log line, so that its answer does not tell when the queue is empty.
        for _ in 0..self.events.len() {
            match self.client.poll(Duration::ZERO) {
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error),
                Some(Err(KafkaError::MessageConsumption(code))) if is_refusal(code) => {
                    self.refusal.set(Some(code));
                }
                // Other errors were heard by the listener; the client goes on by itself.
                Some(Err(_)) | None => {}
                Some(Ok(_)) => return Err(KafkaError::Global(RDKafkaErrorCode::State)),
            }
        }
        Ok(())
    }

    /// A permission that was missing for something that the client does by itself, such as finding the group's coordinator.
    pub(crate) fn take_refusal(&self) -> Option<RDKafkaErrorCode> {
        self.refusal.take()
    }

    /// The end of a partition as last fetched, where it is known.
    pub(crate) fn known_end(&self, topic: &str, partition: i32) -> Option<u64> {
        let topic = CString::new(topic).ok()?;
        let (mut low, mut high) = (0, 0);
        // SAFETY: the client is alive, and both numbers may be written.
        let found = unsafe {
            rd::rd_kafka_get_watermark_offsets(
                self.client.client().native_ptr(),
                topic.as_ptr(),
                partition,
                &raw mut low,
                &raw mut high,
            )
        };
        u64::try_from(high).ok().filter(|_| found == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR)
    }

    /// Asks the cluster for topics; [`RawConsumer::described`] has the answer, within `timeout`.
    pub(crate) fn describe(&self, names: &[String], timeout: Duration) -> KafkaResult<()> {
        let names: Vec<_> =
            names.iter().map(|name| CString::new(name.as_str())).collect::<Result<_, _>>()?;
        // SAFETY: the client is alive, and the queue is its own.
        unsafe { topics::ask(self.client.client().native_ptr(), &names, timeout, &self.topics) };
        Ok(())
    }

    /// What the cluster said of the topics asked for first, once it is known; waits for that at most so long.
    pub(crate) fn described(
        &self,
        wait: Duration,
    ) -> Option<Result<Vec<Described>, RDKafkaErrorCode>> {
        topics::answer(&self.topics, wait)
    }

    /// Starts to commit offsets to the group; [`RawConsumer::committed`] tells how it went.
    pub(crate) fn commit(&self, offsets: &TopicPartitionList) -> Result<(), RDKafkaErrorCode> {
        // SAFETY: client, list and queue are alive; the list is copied. Without a callback the answer comes to the queue.
        let refused = unsafe {
            rd::rd_kafka_commit_queue(
                self.client.client().native_ptr(),
                offsets.ptr(),
                self.commits.as_ptr(),
                None,
                std::ptr::null_mut(),
            )
        };
        outcome(refused)
    }

    /// How the oldest commit under way went, once it is known; waits for that at most so long.
    pub(crate) fn committed(&self, wait: Duration) -> Option<Result<(), RDKafkaErrorCode>> {
        // SAFETY: the queue is alive; the event is ours until it is destroyed.
        unsafe {
            let event = rd::rd_kafka_queue_poll(self.commits.as_ptr(), timeout_ms(wait));
            if event.is_null() {
                return None;
            }
            let error = rd::rd_kafka_event_error(event);
            rd::rd_kafka_event_destroy(event);
            Some(outcome(error))
        }
    }
}

impl Drop for RawConsumer {
    fn drop(&mut self) {
        Bell::detach(&self.records);
    }
}

fn outcome(error: RDKafkaRespErr) -> Result<(), RDKafkaErrorCode> {
    if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(error.into()) }
}
