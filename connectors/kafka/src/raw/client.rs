//! A producing client, and the callbacks that librdkafka calls on it.

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr::{NonNull, null_mut};

use millstream_engine::batch::{OwnedDestination, OwnedRecord};
use millstream_engine::runtime::Wake;
use millstream_engine::sink::Rejected;
use rdkafka::ClientConfig;
use rdkafka::bindings as rd;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::login;
use super::token::Supply;
use super::{Message, text};
use crate::error::{name_user, not_delivered};
use crate::listener::Listener;
use crate::slots::{Slots, Tag};

/// A producing client. It is destroyed where its last owner lets go of it, which may take a moment.
///
/// It is shared with a thread that asks for topics and their partitions. Everything else is done by the one thread that owns the
/// [`super::RawProducer`]: that alone reaches the seat, and that alone polls, so that the callbacks run on it.
pub(crate) struct Client {
    handle: NonNull<rd::rd_kafka_t>,
    seat: Box<Seat>,
    tokens: Option<Supply>,
}

/// What callbacks find behind librdkafka's opaque pointer.
pub(super) struct Seat {
    pub(super) slots: RefCell<Slots>,
    /// Errors that the client retries by itself.
    pub(super) n_errors: Cell<u64>,
    pub(super) listener: Listener,
    pub(super) wake: Wake,
}

// SAFETY: librdkafka's handles may be used by any thread; the seat is reached by the owner of the `RawProducer` alone.
unsafe impl Send for Client {}
// SAFETY: as above; through a shared reference other threads can only ask the cluster.
unsafe impl Sync for Client {}

impl Client {
    pub(crate) fn new(config: &ClientConfig, listener: Listener, wake: Wake) -> KafkaResult<Self> {
        let seat =
            Box::new(Seat { slots: RefCell::default(), n_errors: Cell::new(0), listener, wake });
        let config = config.create_native_config()?;
        let mut reason = [0 as c_char; 512];
        // SAFETY: the configuration is alive; the seat outlives the client, see `drop`. A client that was made owns the
        // configuration, which must then not be destroyed by us.
        unsafe {
            rd::rd_kafka_conf_set_dr_msg_cb(config.ptr(), Some(on_report));
            rd::rd_kafka_conf_set_error_cb(config.ptr(), Some(on_error));
            rd::rd_kafka_conf_set_log_cb(config.ptr(), Some(on_log));
            rd::rd_kafka_conf_set_opaque(config.ptr(), (&raw const *seat).cast_mut().cast());
            let client = rd::rd_kafka_new(
                rd::rd_kafka_type_t::RD_KAFKA_PRODUCER,
                config.ptr(),
                reason.as_mut_ptr(),
                reason.len(),
            );
            let client = NonNull::new(client)
                .ok_or_else(|| KafkaError::ClientCreation(text(reason.as_ptr())))?;
            let _owned_by_client = ManuallyDrop::new(config);
            rd::rd_kafka_set_log_queue(client.as_ptr(), null_mut());
            // It is dropped before the client is, see `drop`.
            let supply = |keeper| Supply::new(client.as_ptr(), keeper);
            let tokens = seat.listener.keeper().map(supply);
            Ok(Self { handle: client, seat, tokens })
        }
    }

    pub(super) fn as_ptr(&self) -> *mut rd::rd_kafka_t {
        self.handle.as_ptr()
    }

    pub(super) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Looks the password up again; may be called by any thread.
    pub(crate) fn renew_login(&self) {
        // SAFETY: the client is alive.
        unsafe { login::renew(self.as_ptr(), self.listener()) };
    }

    pub(crate) fn listener(&self) -> &Listener {
        &self.seat.listener
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.tokens = None;
        // SAFETY: we are the last owner, so nobody uses the handle; the seat is freed after this, when no callback can come.
        unsafe { rd::rd_kafka_destroy(self.handle.as_ptr()) };
    }
}

/// A record was delivered, or given up on. Called by `rd_kafka_poll`, so by the writer's thread.
unsafe extern "C" fn on_report(
    _client: *mut rd::rd_kafka_t,
    message: *const rd::rd_kafka_message_t,
    seat: *mut c_void,
) {
    let Some(message) = NonNull::new(message.cast_mut()) else {
        return;
    };
    // SAFETY: librdkafka gives a live message, and the seat that it was made with.
    let (raw, borrowed, seat) =
        unsafe { (message.as_ref(), Message::borrow(message), &*seat.cast::<Seat>()) };
    let tag = Tag::from_bits(raw._private as u64);
    let mut slots = seat.slots.borrow_mut();
    if raw.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        let epoch = slots.epoch(tag);
        slots.refuse(rejected(seat, borrowed, tag, epoch));
    }
    slots.report(tag, raw.key_len + raw.len);
}

#[cold]
fn rejected(seat: &Seat, message: Message<'_>, tag: Tag, epoch: u64) -> Rejected {
    let mut headers = Vec::new();
    message.headers(|name, value| headers.push((name.to_owned(), value.map(<[u8]>::to_vec))));
    let code = message.error().unwrap_or(RDKafkaErrorCode::Unknown);
    let error = not_delivered(code, message.topic());
    let error = name_user(error, code, seat.listener.security()).at_epoch(epoch);
    let record = OwnedRecord {
        key: message.key().map(<[u8]>::to_vec),
        value: message.value().map(<[u8]>::to_vec),
        headers,
        time: message.time().filter(|_| tag.is_timed()),
        position: 0,
        origin: None,
        destination: OwnedDestination::default(),
    };
    let error = match u32::try_from(message.place().1) {
        Ok(partition) => error.at_partition(message.topic(), partition),
        Err(_) => error,
    };
    Rejected { epoch, record, error, attempts: 1 }
}

/// An error that the client retries, or a fatal one, which `poll` asks for. Called by `rd_kafka_poll`.
unsafe extern "C" fn on_error(
    _client: *mut rd::rd_kafka_t,
    _error: c_int,
    reason: *const c_char,
    seat: *mut c_void,
) {
    // SAFETY: librdkafka gives a C string or null, and the seat that it was made with.
    let (seat, reason) = unsafe { (&*seat.cast::<Seat>(), text(reason)) };
    seat.n_errors.set(seat.n_errors.get() + 1);
    seat.listener.hear(&reason);
}

/// A log line. Called by `rd_kafka_poll`, because the client's logs were sent to its main queue.
unsafe extern "C" fn on_log(
    client: *const rd::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    line: *const c_char,
) {
    // SAFETY: librdkafka gives a live client, whose opaque pointer is the seat, and two C strings.
    unsafe {
        let seat = rd::rd_kafka_opaque(client).cast::<Seat>();
        if let Some(seat) = seat.as_ref() {
            seat.listener.log_line(level, &text(facility), &text(line));
        }
    }
}
