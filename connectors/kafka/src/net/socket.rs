//! A TCP connection whose reads and writes can be given a common end, however many there are.
//!
//! Invariant: with a deadline, nothing waits beyond it, not even for a peer that sends a byte from time to time.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

/// A TCP connection.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: TcpStream,
    deadline: Option<Instant>,
}

impl Socket {
    /// The connection, blocking, all of whose reads and writes end at `deadline`.
    pub(super) fn new(tcp: TcpStream, deadline: Instant) -> Self {
        Self { tcp, deadline: Some(deadline) }
    }

    /// Lets go of the deadline; reads and writes then wait as long as `timeout` says, each.
    pub(super) fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.deadline = None;
        self.tcp.set_read_timeout(timeout)?;
        self.tcp.set_write_timeout(timeout)
    }

    pub(super) fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()> {
        self.tcp.set_nonblocking(is_nonblocking)
    }

    /// Does something with what is left of the time. A timeout is told as such: OpenSSL would take "would block" for a reason to go on.
    fn in_time<T>(
        &mut self,
        set: impl FnOnce(&TcpStream, Option<Duration>) -> io::Result<()>,
        act: impl FnOnce(&mut TcpStream) -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(deadline) = self.deadline else { return act(&mut self.tcp) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        set(&self.tcp, Some(left))?;
        act(&mut self.tcp).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

impl Read for Socket {
    #[inline]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.in_time(TcpStream::set_read_timeout, |tcp| tcp.read(into))
    }
}

impl Write for Socket {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.in_time(TcpStream::set_write_timeout, |tcp| tcp.write(bytes))
    }

    #[inline]
    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.in_time(TcpStream::set_write_timeout, |tcp| tcp.write_vectored(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.tcp.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn bytes_from_time_to_time_gain_no_time() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let ours = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let (mut theirs, _) = listener.accept().expect("connected");
        let start = Instant::now();
        let deadline = start + Duration::from_millis(200);
        let mut socket = Socket::new(ours, deadline);
        let mut byte = [0];
        let error = loop {
            theirs.write_all(b"x").expect("we read");
            // One is there, the next is not.
            if let Err(error) =
                socket.read_exact(&mut byte).and_then(|()| socket.read_exact(&mut byte))
            {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() < Duration::from_secs(10));
        // The system may end a wait a moment before its time.
        while Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(socket.write(b"x").expect_err("it is over").kind(), io::ErrorKind::TimedOut);
        socket.set_timeout(None).expect("a socket");
        theirs.write_all(b"y").expect("we read");
        socket.read_exact(&mut byte).expect("there is one");
    }
}
