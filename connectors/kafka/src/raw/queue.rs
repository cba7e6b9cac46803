//! A queue of our own at a client, and the event that tells of its first entry.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::bindings as rd;

use super::timeout_ms;

/// A queue of librdkafka's. It must be dropped before the client is.
pub(super) struct Queue(NonNull<rd::rd_kafka_queue_t>);

impl Queue {
    /// Takes over a queue; `None` for null.
    ///
    /// # Safety
    /// `queue` is null or a reference that nobody else gives back.
    pub(super) unsafe fn take(queue: *mut rd::rd_kafka_queue_t) -> Option<Self> {
        NonNull::new(queue).map(Self)
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        // SAFETY: the queue is alive.
        unsafe { rd::rd_kafka_queue_length(self.0.as_ptr()) }
    }

    pub(super) fn as_ptr(&self) -> *mut rd::rd_kafka_queue_t {
        self.0.as_ptr()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the reference is ours and is given back once.
        unsafe { rd::rd_kafka_queue_destroy(self.0.as_ptr()) };
    }
}

/// Tells that a queue is no longer empty: an event file descriptor that librdkafka writes to.
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: a plain system call.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Rings when `queue` gets its first entry. The bell must outlive the queue's client or be taken off by [`Bell::detach`].
    pub(super) fn attach(&self, queue: &Queue) {
        let one = 1_u64;
        // SAFETY: librdkafka copies the eight bytes; the descriptor is open until it was detached.
        unsafe {
            rd::rd_kafka_queue_io_event_enable(
                queue.as_ptr(),
                self.0.as_raw_fd(),
                (&raw const one).cast(),
                size_of::<u64>(),
            );
        }
    }

    pub(super) fn detach(queue: &Queue) {
        // SAFETY: a descriptor of -1 switches the event off.
        unsafe { rd::rd_kafka_queue_io_event_enable(queue.as_ptr(), -1, std::ptr::null(), 0) };
    }

    /// Waits until the bell rings, at most so long.
    pub(super) fn wait(&self, wait: Duration) {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, open, with its place to write to.
        if unsafe { libc::poll(&raw mut poll, 1, timeout_ms(wait)) } > 0 {
            let mut count = 0_u64;
            // SAFETY: eight bytes may be written. What the read returns tells nothing more: somebody rang.
            unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
        }
    }
}
