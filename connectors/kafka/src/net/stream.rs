//! What carries the bytes of a connection: TCP, or TLS on it.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use openssl::ssl::SslStream;

use super::failure::is_end_of_tls;
use super::socket::Socket;

/// A connection to a broker, in the clear or by TLS.
///
/// Non-blocking, a read or write that must wait says *would block*; by TLS, a read may wait until the socket can be written and a
/// write until it can be read, so that both are to be tried again on either.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Socket),
    Tls(Box<SslStream<Socket>>),
}

impl Stream {
    pub(crate) fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()> {
        self.socket().set_nonblocking(is_nonblocking)
    }

    /// How long each read, and each write, waits for the broker at most. A new connection waits without an end.
    pub(crate) fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.set_timeout(timeout),
            Self::Tls(tls) => tls.get_mut().set_timeout(timeout),
        }
    }

    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.get_ref(),
        }
    }
}

impl Read for Stream {
    #[inline]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(into),
            // Whoever hangs up says no good-bye; what was cut off is seen by the lengths of the protocol.
            Self::Tls(tls) => tls
                .read(into)
                .or_else(|error| if is_end_of_tls(&error) { Ok(0) } else { Err(error) }),
        }
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    #[inline]
    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write_vectored(bytes),
            Self::Tls(tls) => tls.write_vectored(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket().as_raw_fd()
    }
}
