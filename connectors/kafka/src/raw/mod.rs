//! The only place that calls C functions: librdkafka's batch paths, which the safe wrapper lacks, behind safe types, and what the
//! standard library does not set on a socket.
//!
//! Used by the consumer of this package. Invariant: every pointer is owned by exactly one type here, which lets
//! go of it before the client that it belongs to.
#![expect(unsafe_code, reason = "batches of records are reached by librdkafka's C functions alone")]

mod consumer;
mod login;
mod message;
mod options;
mod queue;
mod socket;
mod token;
mod topics;

pub(crate) use consumer::RawConsumer;
pub(crate) use message::Message;
pub(crate) use options::{Refusal, check_option, known_options};
pub(crate) use socket::{SocketOption, set_socket_option};
pub(crate) use token::with_tokens;
pub(crate) use topics::Described;

use std::ffi::{CStr, c_char, c_int};
use std::time::Duration;

/// A wait as librdkafka takes it: whole milliseconds, rounded up so that a short wait is not a busy loop.
fn timeout_ms(wait: Duration) -> c_int {
    c_int::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX)
}

/// Text from C; empty for null.
///
/// # Safety
/// `text` is null or points to a string that ends with a zero byte and outlives the call.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and a C string by the contract above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Bytes from C: null is none, which is not empty.
///
/// # Safety
/// `start` is null or points to `len` bytes that stay as they are for `'a`.
#[inline]
unsafe fn bytes<'a>(start: *const std::ffi::c_void, len: usize) -> Option<&'a [u8]> {
    if start.is_null() {
        return None;
    }
    // SAFETY: not null, and `len` bytes by the contract above.
    Some(unsafe { std::slice::from_raw_parts(start.cast(), len) })
}
