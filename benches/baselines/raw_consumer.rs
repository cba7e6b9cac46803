//! Reads a topic to its end with librdkafka's batch call: one queue for all partitions, nothing between the client and the loop.
#![expect(unsafe_code, reason = "the batch call is reached by librdkafka's C functions alone")]

use std::ffi::{CString, c_void};

use rdkafka::bindings as rd;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::topics::N_PARTITIONS;

/// Messages taken at once at most.
const N_AT_ONCE: usize = 1000;

/// How long a call waits for that many.
const WAIT_MS: i32 = 5;

/// Reads all partitions of one topic.
pub(crate) struct RawConsumer {
    client: BaseConsumer,
    queue: *mut rd::rd_kafka_queue_t,
    messages: Vec<*mut rd::rd_kafka_message_t>,
    n_open: i32,
}

impl RawConsumer {
    /// The settings are those of the connector.
    pub(crate) fn new(brokers: &str, topic: &str) -> Self {
        let settings = [
            ("bootstrap.servers", brokers),
            ("group.id", "baseline"),
            ("isolation.level", "read_committed"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            ("queued.max.messages.kbytes", "16384"),
            ("queued.min.messages", "50000"),
            ("fetch.max.bytes", "8388608"),
            ("fetch.message.max.bytes", "1048576"),
            ("fetch.queue.backoff.ms", "5"),
            ("check.crcs", "true"),
        ];
        let config: ClientConfig =
            settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect();
        let client: BaseConsumer = config.create().expect("the settings are known");
        let name = CString::new(topic).expect("a topic's name has no zero byte");
        let mut partitions = TopicPartitionList::new();
        // SAFETY: the client is alive; each reference to a queue is given back once.
        let queue = unsafe {
            let queue = rd::rd_kafka_queue_new(client.client().native_ptr());
            for partition in 0..N_PARTITIONS {
                let of_partition = rd::rd_kafka_queue_get_partition(
                    client.client().native_ptr(),
                    name.as_ptr(),
                    partition,
                );
                rd::rd_kafka_queue_forward(of_partition, queue);
                rd::rd_kafka_queue_destroy(of_partition);
            }
            queue
        };
        for partition in 0..N_PARTITIONS {
            partitions
                .add_partition_offset(topic, partition, Offset::Beginning)
                .expect("an offset is valid");
        }
        client.assign(&partitions).expect("partitions can be assigned");
        Self { client, queue, messages: Vec::with_capacity(N_AT_ONCE), n_open: N_PARTITIONS }
    }

    /// The next messages, which live until the next call; `None` at the end of all partitions.
    pub(crate) fn take(&mut self) -> Option<impl Iterator<Item = RawMessage<'_>> + Clone> {
        self.let_go();
        if self.n_open == 0 {
            return None;
        }
        // SAFETY: the queue is alive and there is room for so many pointers, of which as many are set as it says.
        unsafe {
            let taken = rd::rd_kafka_consume_batch_queue(
                self.queue,
                WAIT_MS,
                self.messages.as_mut_ptr(),
                N_AT_ONCE,
            );
            self.messages.set_len(usize::try_from(taken).expect("no error is told this way"));
        }
        // SAFETY: messages live until `let_go`, which needs this consumer for itself.
        let messages = self.messages.iter().map(|message| RawMessage(unsafe { &**message }));
        self.n_open -= i32::try_from(messages.clone().filter(|m| m.is_end()).count())
            .expect("few partitions end");
        Some(messages.filter(|message| !message.is_end()))
    }

    fn let_go(&mut self) {
        for message in self.messages.drain(..) {
            // SAFETY: each message is ours and is destroyed once.
            unsafe { rd::rd_kafka_message_destroy(message) };
        }
    }
}

impl Drop for RawConsumer {
    fn drop(&mut self) {
        self.let_go();
        // SAFETY: the queue is given back once, before the client goes.
        unsafe { rd::rd_kafka_queue_destroy(self.queue) };
        self.client.unassign().expect("partitions can be given up");
    }
}

/// A message that librdkafka owns.
#[derive(Clone, Copy)]
pub(crate) struct RawMessage<'a>(pub(crate) &'a rd::rd_kafka_message_t);

impl<'a> RawMessage<'a> {
    fn is_end(self) -> bool {
        match self.0.err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => false,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF => true,
            error => panic!("reading failed: {error:?}"),
        }
    }

    #[inline]
    pub(crate) fn key(self) -> Option<&'a [u8]> {
        (!self.0.key.is_null()).then(|| slice(self.0.key, self.0.key_len))
    }

    #[inline]
    pub(crate) fn value(self) -> &'a [u8] {
        if self.0.payload.is_null() { &[] } else { slice(self.0.payload, self.0.len) }
    }
}

#[inline]
fn slice<'a>(start: *mut c_void, len: usize) -> &'a [u8] {
    // SAFETY: the caller has looked for null; so many bytes are there as long as the message is.
    unsafe { std::slice::from_raw_parts(start.cast(), len) }
}
