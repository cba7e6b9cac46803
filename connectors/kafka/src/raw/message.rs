//! Messages as librdkafka hands them out, and the queue of those that were taken and not copied yet.

use std::ffi::CStr;
use std::ptr::null_mut;

use rdkafka::bindings as rd;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::{bytes, text};

/// Messages taken at once at most. They hold on to the client's fetch buffers until they are copied.
const N_AT_ONCE: usize = 1000;

/// A message of the client; its bytes lie in the fetch buffer.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a>(&'a rd::rd_kafka_message_t);

impl<'a> Message<'a> {
    #[inline]
    pub(crate) fn error(self) -> Option<RDKafkaErrorCode> {
        (self.0.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| self.0.err.into())
    }

    /// The client's own words about an error.
    pub(crate) fn error_text(self) -> String {
        // SAFETY: the message is alive; the text belongs to it or is static.
        unsafe { text(rd::rd_kafka_message_errstr(self.0)) }
    }

    /// Where the message came from, as two numbers that are cheap to compare: neighbours of one partition have them equal.
    #[inline]
    pub(crate) fn place(self) -> (usize, i32) {
        (self.0.rkt as usize, self.0.partition)
    }

    pub(crate) fn topic(self) -> &'a str {
        if self.0.rkt.is_null() {
            return "";
        }
        // SAFETY: the message keeps its topic alive, and the topic its name.
        unsafe { CStr::from_ptr(rd::rd_kafka_topic_name(self.0.rkt)) }
            .to_str()
            .unwrap_or_default()
    }

    #[inline]
    pub(crate) fn offset(self) -> u64 {
        u64::try_from(self.0.offset).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn key(self) -> Option<&'a [u8]> {
        // SAFETY: the key is null or `key_len` bytes that live as long as the message.
        unsafe { bytes(self.0.key, self.0.key_len) }
    }

    #[inline]
    pub(crate) fn value(self) -> Option<&'a [u8]> {
        // SAFETY: the payload is null or `len` bytes that live as long as the message.
        unsafe { bytes(self.0.payload, self.0.len) }
    }

    /// Milliseconds since the Unix epoch, where the message has a time.
    #[inline]
    pub(crate) fn time(self) -> Option<i64> {
        let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive and `kind` may be written.
        let time = unsafe { rd::rd_kafka_message_timestamp(self.0, &raw mut kind) };
        (time != -1).then_some(time)
    }

    /// Calls `each` with the name and value of every header.
    #[inline]
    pub(crate) fn headers(self, each: impl FnMut(&str, Option<&[u8]>)) {
        let mut headers = null_mut();
        // SAFETY: the message is alive; the headers belong to it.
        let found = unsafe { rd::rd_kafka_message_headers(self.0, &raw mut headers) };
        if found == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            // SAFETY: librdkafka has just given these headers, and the message is alive.
            unsafe { each_header(headers, each) };
        }
    }
}

/// Calls `each` with the name and value of every header.
///
/// # Safety
/// `headers` belongs to a message that outlives the call.
unsafe fn each_header(
    headers: *mut rd::rd_kafka_headers_t,
    mut each: impl FnMut(&str, Option<&[u8]>),
) {
    for at in 0.. {
        let (mut name, mut value, mut len) = (std::ptr::null(), std::ptr::null(), 0);
        // SAFETY: the headers are alive by the contract above, and the three places may be written.
        let found = unsafe {
            rd::rd_kafka_header_get_all(headers, at, &raw mut name, &raw mut value, &raw mut len)
        };
        if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        // SAFETY: name and value belong to the headers; the value is null or `len` bytes.
        let (name, value) = unsafe { (CStr::from_ptr(name), bytes(value, len)) };
        each(&name.to_string_lossy(), value);
    }
}

impl<'a> Message<'a> {
    /// A message that a callback was given.
    pub(super) fn borrowed(message: &'a rd::rd_kafka_message_t) -> Self {
        Self(message)
    }
}

/// Messages taken from a queue and not copied yet, in order.
pub(super) struct Fetched {
    messages: Vec<*mut rd::rd_kafka_message_t>,
    next: usize,
}

impl Fetched {
    pub(super) fn new() -> Self {
        Self {
            messages: Vec::with_capacity(N_AT_ONCE),
            next: 0,
        }
    }

    /// Takes what `queue` has, without waiting; says whether there may be more. Called when nothing is left.
    ///
    /// # Safety
    /// `queue` belongs to a live client, which outlives what is fetched.
    pub(super) unsafe fn refill(&mut self, queue: *mut rd::rd_kafka_queue_t) -> bool {
        debug_assert!(
            self.next == self.messages.len(),
            "messages left behind would be lost"
        );
        self.messages.clear();
        self.next = 0;
        // SAFETY: the queue is alive, and there is room for `N_AT_ONCE` pointers.
        let n_messages = unsafe {
            rd::rd_kafka_consume_batch_queue(queue, 0, self.messages.as_mut_ptr(), N_AT_ONCE)
        };
        let n_messages = usize::try_from(n_messages).unwrap_or_default();
        // SAFETY: so many pointers were written, and they fit.
        unsafe { self.messages.set_len(n_messages) };
        n_messages == N_AT_ONCE
    }

    #[inline]
    pub(super) fn first(&self) -> Option<Message<'_>> {
        // SAFETY: a message is alive until `pop` destroys it, for which nobody may still borrow it.
        self.messages
            .get(self.next)
            .map(|message| Message(unsafe { &**message }))
    }

    #[inline]
    pub(super) fn pop(&mut self) {
        if let Some(message) = self.messages.get(self.next) {
            self.next += 1;
            // SAFETY: each message is destroyed once: `next` has just passed it.
            unsafe { rd::rd_kafka_message_destroy(*message) };
        }
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        while self.next < self.messages.len() {
            self.pop();
        }
    }
}
