//! Options of a socket that the standard library does not set.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::c_int;

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketOption {
    /// Whether the system asks from time to time if the other side is still there.
    KeepAlive,
    /// Bytes of the system's buffers.
    SendBuffer,
    ReceiveBuffer,
}

/// Sets an option of a socket.
pub(crate) fn set_socket_option(
    socket: BorrowedFd<'_>,
    option: SocketOption,
    value: c_int,
) -> io::Result<()> {
    let name = match option {
        SocketOption::KeepAlive => libc::SO_KEEPALIVE,
        SocketOption::SendBuffer => libc::SO_SNDBUF,
        SocketOption::ReceiveBuffer => libc::SO_RCVBUF,
    };
    #[expect(clippy::cast_possible_truncation, reason = "four bytes")]
    let n_bytes = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as it is borrowed; the value is a number of the size that is said, which is copied.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            (&raw const value).cast(),
            n_bytes,
        )
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
