//! Messages as librdkafka hands them out, and the queue of those that were taken and not copied yet.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};
use std::sync::LazyLock;

use rdkafka::bindings as rd;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::{bytes, text};

/// Messages taken at once at most. They hold on to the client's fetch buffers until they are copied.
const N_AT_ONCE: usize = 1000;

/// A message of the client; its bytes lie in the fetch buffer.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    raw: NonNull<rd::rd_kafka_message_t>,
    bytes: PhantomData<&'a [u8]>,
}

/// The version of librdkafka whose private message has its undecoded headers at [`HEADERS`].
const KNOWN_VERSION: i32 = 0x020c_01ff;

/// Where the private message has the length (`i32`) and the address of its undecoded headers, in bytes from the public one on.
const HEADERS: (usize, usize) = (120, 128);

static IS_KNOWN_VERSION: LazyLock<bool> =
    // SAFETY: a plain question.
    LazyLock::new(|| unsafe { rd::rd_kafka_version() } == KNOWN_VERSION);

impl<'a> Message<'a> {
    /// Borrows a message of librdkafka's.
    ///
    /// # Safety
    /// It is one of librdkafka's own, which lives for `'a`.
    #[inline]
    pub(super) unsafe fn borrow(raw: NonNull<rd::rd_kafka_message_t>) -> Self {
        Self { raw, bytes: PhantomData }
    }

    #[inline]
    fn fields(self) -> &'a rd::rd_kafka_message_t {
        // SAFETY: alive by the contract of `borrow`.
        unsafe { self.raw.as_ref() }
    }

    #[inline]
    pub(crate) fn error(self) -> Option<RDKafkaErrorCode> {
        (self.fields().err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR)
            .then(|| self.fields().err.into())
    }

    /// The client's own words about an error.
    pub(crate) fn error_text(self) -> String {
        // SAFETY: the message is alive; the text belongs to it or is static.
        unsafe { text(rd::rd_kafka_message_errstr(self.raw.as_ptr())) }
    }

    /// Where the message came from, as two numbers that are cheap to compare: neighbours of one partition have them equal.
    #[inline]
    pub(crate) fn place(self) -> (usize, i32) {
        (self.fields().rkt as usize, self.fields().partition)
    }

    pub(crate) fn topic(self) -> &'a str {
        if self.fields().rkt.is_null() {
            return "";
        }
        // SAFETY: the message keeps its topic alive, and the topic its name.
        unsafe { CStr::from_ptr(rd::rd_kafka_topic_name(self.fields().rkt)) }
            .to_str()
            .unwrap_or_default()
    }

    #[inline]
    pub(crate) fn offset(self) -> u64 {
        u64::try_from(self.fields().offset).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn key(self) -> Option<&'a [u8]> {
        // SAFETY: the key is null or `key_len` bytes that live as long as the message.
        unsafe { bytes(self.fields().key, self.fields().key_len) }
    }

    #[inline]
    pub(crate) fn value(self) -> Option<&'a [u8]> {
        // SAFETY: the payload is null or `len` bytes that live as long as the message.
        unsafe { bytes(self.fields().payload, self.fields().len) }
    }

    /// Milliseconds since the Unix epoch, where the message has a time.
    #[inline]
    pub(crate) fn time(self) -> Option<i64> {
        let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive and `kind` may be written.
        let time = unsafe { rd::rd_kafka_message_timestamp(self.raw.as_ptr(), &raw mut kind) };
        (time != -1).then_some(time)
    }

    /// Calls `each` with the name and value of every header.
    #[inline]
    pub(crate) fn headers(self, each: impl FnMut(&str, Option<&[u8]>)) {
        let mut headers = null_mut();
        // SAFETY: the message is alive; the headers belong to it.
        let found = unsafe { rd::rd_kafka_message_headers(self.raw.as_ptr(), &raw mut headers) };
        if found == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            // SAFETY: librdkafka has just given these headers, and the message is alive.
            unsafe { each_header(headers, each) };
        }
    }

    /// Whether a message that was read certainly has no header. librdkafka allocates memory to answer that, which costs more than copying the
    /// record, so its undecoded headers are looked at: on the wire they follow the value, and a count of 0 is one zero byte.
    ///
    /// When the address found is not where the value ends, what was read is not what it was taken for, and librdkafka is asked.
    #[inline]
    pub(crate) fn is_without_headers(self) -> bool {
        let Some(value) = self.value().filter(|_| *IS_KNOWN_VERSION) else {
            return false;
        };
        // SAFETY: in this version the private message, which the public one is the head of, has these two fields there. A byte at
        // the address is read only when it is that of one byte of headers behind the value.
        unsafe {
            let base = self.raw.as_ptr();
            let n_bytes = base.byte_add(HEADERS.0).cast::<i32>().read();
            let headers = base.byte_add(HEADERS.1).cast::<*const u8>().read();
            n_bytes == 1 && headers == value.as_ptr_range().end && *headers == 0
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

/// Messages taken from a queue and not copied yet, in order.
pub(super) struct Fetched {
    messages: Vec<*mut rd::rd_kafka_message_t>,
    next: usize,
}

impl Fetched {
    pub(super) fn new() -> Self {
        Self { messages: Vec::with_capacity(N_AT_ONCE), next: 0 }
    }

    /// Takes what `queue` has, without waiting; says whether there may be more. Called when nothing is left.
    ///
    /// # Safety
    /// `queue` belongs to a live client, which outlives what is fetched.
    pub(super) unsafe fn refill(&mut self, queue: *mut rd::rd_kafka_queue_t) -> bool {
        debug_assert!(self.next == self.messages.len(), "messages left behind would be lost");
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
        let message = self.messages.get(self.next).copied().and_then(NonNull::new)?;
        // SAFETY: a message of the client's, alive until `pop` destroys it, and then nobody borrows it.
        Some(unsafe { Message::borrow(message) })
    }

    /// Destroys the messages that are unwanted, and keeps the order of the others.
    pub(super) fn discard(&mut self, unwanted: impl Fn(Message<'_>) -> bool) {
        self.messages.drain(..self.next);
        self.next = 0;
        self.messages.retain(|message| {
            let Some(raw) = NonNull::new(*message) else {
                return false;
            };
            // SAFETY: a message of the client's that was not passed, so alive.
            let keeps = !unwanted(unsafe { Message::borrow(raw) });
            if !keeps {
                // SAFETY: it is destroyed once: it leaves the list now.
                unsafe { rd::rd_kafka_message_destroy(*message) };
            }
            keeps
        });
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
