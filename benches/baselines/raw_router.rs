//! Writes records to many topics of one partition with librdkafka's batch call, each topic's in one go, and waits for all
//! confirmations at the end.
#![expect(unsafe_code, reason = "the batch call is reached by librdkafka's C functions alone")]

use std::cell::Cell;
use std::ffi::{CString, c_char, c_void};
use std::ptr::null_mut;

use rdkafka::bindings as rd;
use rdkafka::types::{RDKafkaConfRes, RDKafkaRespErr};

/// Writes to many topics by one client.
pub(crate) struct RawRouter {
    client: *mut rd::rd_kafka_t,
    topics: Vec<*mut rd::rd_kafka_topic_t>,
    /// Records taken and not confirmed yet.
    n_waiting: Box<Cell<usize>>,
    /// Per topic, what goes there of the batch at hand.
    buckets: Vec<Vec<rd::rd_kafka_message_t>>,
    /// The buckets that are not empty.
    filled: Vec<usize>,
}

impl RawRouter {
    /// The settings are those of the connector.
    pub(crate) fn new(brokers: &str, names: impl Iterator<Item = String>) -> Self {
        let settings = [
            ("bootstrap.servers", brokers),
            ("compression.type", "lz4"),
            ("linger.ms", "5"),
            ("batch.num.messages", "10000"),
            ("batch.size", "1000000"),
            ("queue.buffering.max.messages", "20000"),
            ("queue.buffering.max.kbytes", "2097151"),
            ("acks", "all"),
            ("enable.idempotence", "true"),
        ];
        let n_waiting = Box::new(Cell::new(0));
        let mut reason = [0 as c_char; 512];
        // SAFETY: the configuration goes over to the client; the counter outlives the client, whose callbacks run in `poll`.
        let client = unsafe {
            let config = rd::rd_kafka_conf_new();
            for (key, value) in settings {
                let (key, value) =
                    (CString::new(key).expect("no zero"), CString::new(value).expect("no zero"));
                let set = rd::rd_kafka_conf_set(
                    config,
                    key.as_ptr(),
                    value.as_ptr(),
                    reason.as_mut_ptr(),
                    reason.len(),
                );
                assert_eq!(set, RDKafkaConfRes::RD_KAFKA_CONF_OK, "{key:?} is a setting");
            }
            rd::rd_kafka_conf_set_opaque(config, (&raw const *n_waiting).cast_mut().cast());
            rd::rd_kafka_conf_set_dr_msg_cb(config, Some(on_report));
            let kind = rd::rd_kafka_type_t::RD_KAFKA_PRODUCER;
            let client = rd::rd_kafka_new(kind, config, reason.as_mut_ptr(), reason.len());
            assert!(!client.is_null(), "a producer can be made");
            client
        };
        let topic = |name: String| {
            let name = CString::new(name).expect("a topic's name has no zero byte");
            // SAFETY: the client is alive, and copies the name.
            unsafe { rd::rd_kafka_topic_new(client, name.as_ptr(), null_mut()) }
        };
        let topics: Vec<_> = names.map(topic).collect();
        let buckets = topics.iter().map(|_| Vec::with_capacity(16)).collect();
        Self { client, topics, n_waiting, buckets, filled: Vec::with_capacity(1000) }
    }

    /// Writes records of topic, key and value, which the client copies; waits while its queue is full.
    #[inline]
    pub(crate) fn write<'b>(
        &mut self,
        records: impl Iterator<Item = (u64, Option<&'b [u8]>, &'b [u8])>,
    ) {
        for (topic, key, value) in records {
            let bucket = usize::try_from(topic).expect("few topics");
            if self.buckets[bucket].is_empty() {
                self.filled.push(bucket);
            }
            let (key, key_len) = key.map_or((null_mut(), 0), |key| (pointer(key), key.len()));
            self.buckets[bucket].push(rd::rd_kafka_message_t {
                err: RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
                rkt: null_mut(),
                partition: 0,
                payload: pointer(value),
                len: value.len(),
                key,
                key_len,
                offset: 0,
                _private: null_mut(),
            });
        }
        let mut filled = std::mem::take(&mut self.filled);
        for at in filled.drain(..) {
            self.produce(at);
        }
        self.filled = filled;
        self.poll(0);
    }

    fn produce(&mut self, at: usize) {
        let mut from = 0;
        loop {
            let bucket = &mut self.buckets[at][from..];
            let n_messages = i32::try_from(bucket.len()).expect("buckets are small");
            if n_messages == 0 {
                break;
            }
            // SAFETY: the topic is alive, and the messages and their bytes are; the bytes are copied.
            let taken = unsafe {
                rd::rd_kafka_produce_batch(
                    self.topics[at],
                    0,
                    rd::RD_KAFKA_MSG_F_COPY,
                    bucket.as_mut_ptr(),
                    n_messages,
                )
            };
            let n_taken = usize::try_from(taken).expect("no error is told this way");
            self.n_waiting.set(self.n_waiting.get() + n_taken);
            if let Some(first) = bucket.get(n_taken) {
                // A full queue takes the records before; everything else would be lost here.
                assert_eq!(
                    first.err,
                    RDKafkaRespErr::RD_KAFKA_RESP_ERR__QUEUE_FULL,
                    "writing failed"
                );
                self.poll(5);
            }
            from += n_taken;
        }
        self.buckets[at].clear();
    }

    fn poll(&self, wait_ms: i32) {
        // SAFETY: the client is alive.
        unsafe { rd::rd_kafka_poll(self.client, wait_ms) };
    }

    /// Waits until everything is confirmed.
    pub(crate) fn finish(self) {
        while self.n_waiting.get() > 0 {
            self.poll(5);
        }
        // SAFETY: topics and client are used no more.
        unsafe {
            self.topics.iter().for_each(|topic| rd::rd_kafka_topic_destroy(*topic));
            rd::rd_kafka_destroy(self.client);
        }
    }
}

unsafe extern "C" fn on_report(
    _client: *mut rd::rd_kafka_t,
    message: *const rd::rd_kafka_message_t,
    n_waiting: *mut c_void,
) {
    // SAFETY: the message is alive, and the counter is the one of the producer, on the thread that polls.
    let (message, n_waiting) = unsafe { (&*message, &*n_waiting.cast::<Cell<usize>>()) };
    assert_eq!(message.err, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR, "delivery failed");
    n_waiting.set(n_waiting.get() - 1);
}

fn pointer(bytes: &[u8]) -> *mut c_void {
    bytes.as_ptr().cast_mut().cast()
}
