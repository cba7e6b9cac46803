//! A producer that takes records in batches for one partition at a time, and singly where they have headers or a time.

use std::ffi::{c_char, c_void};
use std::marker::PhantomData;
use std::ptr::null_mut;
use std::sync::Arc;

use millstream_engine::batch::{NO_TIME, Record};
use millstream_engine::runtime::Wake;
use rd::{rd_kafka_vtype_t as Vtype, rd_kafka_vu_s__bindgen_ty_1 as Value};
use rdkafka::bindings as rd;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::client::Client;
use super::queue::Queue;
use super::text;
use super::topic::Topic;
use crate::listener::Listener;
use crate::slots::{Slots, Tag};
use crate::stall::Order;

/// A record on its way into the client, which copies its bytes.
#[repr(transparent)]
pub(crate) struct Outgoing<'b> {
    message: rd::rd_kafka_message_t,
    bytes: PhantomData<&'b [u8]>,
}

impl<'b> Outgoing<'b> {
    #[inline]
    pub(crate) fn new(record: Record<'b>, tag: Tag) -> Self {
        let (key, key_len) = parts(record.key());
        let (payload, len) = parts(record.value());
        let message = rd::rd_kafka_message_t {
            err: RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
            rkt: null_mut(),
            partition: 0,
            payload,
            len,
            key,
            key_len,
            offset: 0,
            _private: opaque(tag),
        };
        Self { message, bytes: PhantomData }
    }

    /// Why the client did not take it.
    #[inline]
    pub(crate) fn error(&self) -> Option<RDKafkaErrorCode> {
        (self.message.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR)
            .then(|| self.message.err.into())
    }
}

/// The producer as its writer uses it. It stays on the writer's thread, for which the callbacks are made.
///
/// Fields are dropped in their order, and the queue must be gone before the client.
pub(crate) struct RawProducer {
    main: Queue,
    client: Arc<Client>,
    one_thread: PhantomData<*const ()>,
}

impl RawProducer {
    /// The producing half of a client. Its wake is called when there is something to poll for.
    pub(crate) fn new(client: Arc<Client>) -> KafkaResult<Self> {
        // SAFETY: the client is alive; the reference to its queue is ours.
        let main = unsafe { Queue::take(rd::rd_kafka_queue_get_main(client.as_ptr())) };
        let main = main.ok_or_else(|| KafkaError::ClientCreation("no queue".to_owned()))?;
        let wake = &raw const client.seat().wake;
        // SAFETY: the wake lives as long as the client, and the event is switched off before that, in `drop`.
        unsafe {
            rd::rd_kafka_queue_cb_event_enable(
                main.as_ptr(),
                Some(on_event),
                wake.cast_mut().cast(),
            );
        };
        Ok(Self { main, client, one_thread: PhantomData })
    }

    pub(crate) fn listener(&self) -> &Listener {
        self.client.listener()
    }

    /// Runs `with` on the counters. It must not poll.
    #[inline]
    pub(crate) fn slots<T>(&self, with: impl FnOnce(&mut Slots) -> T) -> T {
        with(&mut self.client.seat().slots.borrow_mut())
    }

    /// Hands one record over, with its headers and its time.
    pub(crate) fn produce_one(
        &self,
        topic: &Topic,
        partition: u32,
        record: Record<'_>,
        tag: Tag,
    ) -> Result<(), RDKafkaErrorCode> {
        let (key, key_len) = parts(record.key());
        let (payload, len) = parts(record.value());
        let mem =
            |ptr, size| Value { mem: rd::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr, size } };
        let time = record.time().unwrap_or(NO_TIME);
        let headers = headers_of(record);
        let mut arguments = [
            argument(Vtype::RD_KAFKA_VTYPE_RKT, Value { rkt: topic.as_ptr() }),
            argument(
                Vtype::RD_KAFKA_VTYPE_PARTITION,
                Value { i32_: i32::try_from(partition).unwrap_or(i32::MAX) },
            ),
            argument(Vtype::RD_KAFKA_VTYPE_MSGFLAGS, Value { i: rd::RD_KAFKA_MSG_F_COPY }),
            argument(Vtype::RD_KAFKA_VTYPE_VALUE, mem(payload, len)),
            argument(Vtype::RD_KAFKA_VTYPE_KEY, mem(key, key_len)),
            argument(Vtype::RD_KAFKA_VTYPE_OPAQUE, Value { ptr: opaque(tag) }),
            argument(Vtype::RD_KAFKA_VTYPE_END, Value { i: 0 }),
            argument(Vtype::RD_KAFKA_VTYPE_END, Value { i: 0 }),
        ];
        let mut n_arguments = 6;
        if time != NO_TIME {
            arguments[n_arguments] =
                argument(Vtype::RD_KAFKA_VTYPE_TIMESTAMP, Value { i64_: time });
            n_arguments += 1;
        }
        if !headers.is_null() {
            arguments[n_arguments] = argument(Vtype::RD_KAFKA_VTYPE_HEADERS, Value { headers });
            n_arguments += 1;
        }
        // SAFETY: client and topic are alive, the bytes are copied, and so many arguments are set. Headers belong to the client
        // when it took the record, else to us.
        unsafe {
            let error =
                rd::rd_kafka_produceva(self.client.as_ptr(), arguments.as_ptr(), n_arguments);
            if error.is_null() {
                return Ok(());
            }
            let code = rd::rd_kafka_error_code(error);
            rd::rd_kafka_error_destroy(error);
            if !headers.is_null() {
                rd::rd_kafka_headers_destroy(headers);
            }
            Err(code.into())
        }
    }

    /// Serves reports, errors and logs: the callbacks run now, on this thread.
    pub(crate) fn poll(&self) {
        // SAFETY: the client is alive, and no borrow of the counters is open.
        unsafe { rd::rd_kafka_poll(self.client.as_ptr(), 0) };
    }

    /// Errors that the client has retried by itself, ever.
    pub(crate) fn n_errors(&self) -> u64 {
        self.client.seat().n_errors.get()
    }

    /// Lets the partitions of topics rest, or go on at once; each topic comes with the number of its partitions.
    ///
    /// The client's own thread is waited for, which waits for nobody; it is rare. Going on, a flush that waits for nothing is the
    /// only call that wakes the threads that send.
    pub(crate) fn obey<'t>(&self, order: Order, topics: impl Iterator<Item = (&'t Topic, u32)>) {
        // SAFETY: client and topics are alive, the list is ours, and no borrow of the counters is open when the flush polls.
        unsafe {
            let list = rd::rd_kafka_topic_partition_list_new(0);
            for (topic, count) in topics.filter(|(_, count)| *count > 0) {
                let highest = i32::try_from(count - 1).unwrap_or(i32::MAX);
                let name = rd::rd_kafka_topic_name(topic.as_ptr());
                rd::rd_kafka_topic_partition_list_add_range(list, name, 0, highest);
            }
            match order {
                Order::Pause => {
                    rd::rd_kafka_pause_partitions(self.client.as_ptr(), list);
                }
                Order::Resume => {
                    rd::rd_kafka_resume_partitions(self.client.as_ptr(), list);
                    rd::rd_kafka_flush(self.client.as_ptr(), 0);
                }
            }
            rd::rd_kafka_topic_partition_list_destroy(list);
        }
    }

    /// The error that the client cannot go on after, with its words.
    pub(crate) fn fatal(&self) -> Option<(RDKafkaErrorCode, String)> {
        let mut reason = [0 as c_char; 512];
        // SAFETY: the client is alive, and the text has this room.
        let (error, reason) = unsafe {
            let error =
                rd::rd_kafka_fatal_error(self.client.as_ptr(), reason.as_mut_ptr(), reason.len());
            (error, text(reason.as_ptr()))
        };
        (error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| (error.into(), reason))
    }
}

impl Drop for RawProducer {
    fn drop(&mut self) {
        // SAFETY: the queue is alive. Its lock is held while an event is told of, so none is told of after this.
        unsafe { rd::rd_kafka_queue_cb_event_enable(self.main.as_ptr(), None, null_mut()) };
    }
}

/// There is something to poll for. Called by a thread of librdkafka's, which must not be held up.
unsafe extern "C" fn on_event(_client: *mut rd::rd_kafka_t, wake: *mut c_void) {
    // SAFETY: the wake lives until the event was switched off, and may be used by any thread.
    unsafe { (*wake.cast::<Wake>()).wake() };
}

#[inline]
fn parts(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    bytes.map_or((null_mut(), 0), |bytes| (bytes.as_ptr().cast_mut().cast(), bytes.len()))
}

#[inline]
fn opaque(tag: Tag) -> *mut c_void {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "pointers have 64 bits where this is built"
    )]
    std::ptr::without_provenance_mut(tag.to_bits() as usize)
}

const _: () = assert!(size_of::<usize>() == 8, "a tag must fit a pointer");

fn argument(vtype: Vtype, value: Value) -> rd::rd_kafka_vu_t {
    rd::rd_kafka_vu_t { vtype, u: value }
}

/// The headers as the client wants them; null where there are none.
fn headers_of(record: Record<'_>) -> *mut rd::rd_kafka_headers_t {
    if record.headers().is_empty() {
        return null_mut();
    }
    // SAFETY: the new headers are alive; names and values are copied, with their lengths given.
    unsafe {
        let headers = rd::rd_kafka_headers_new(record.headers().count());
        for header in record.headers() {
            let (value, len) = parts(header.value);
            rd::rd_kafka_header_add(
                headers,
                header.name.as_ptr().cast(),
                header.name.len().cast_signed(),
                value,
                len.cast_signed(),
            );
        }
        headers
    }
}
