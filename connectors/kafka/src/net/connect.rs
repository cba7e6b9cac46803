//! Finds a broker's host and connects to it.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::address::Address;

/// The addresses that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Any,
    V4,
    V6,
}

impl Family {
    fn takes(self, address: &SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// Connects to the first address of the host that answers, beginning anywhere: one that answers and is of no use must not be all that
/// is tried. None of them takes all of the time that the others need.
pub(super) fn connect(
    address: &Address,
    family: Family,
    deadline: Instant,
) -> io::Result<TcpStream> {
    let mut found = look_up(address, deadline)?;
    found.retain(|to| family.takes(to));
    if found.is_empty() {
        return Err(io::Error::other("the host has no address that may be used"));
    }
    let n_found = found.len();
    let random = RandomState::new().hash_one(address) % n_found as u64;
    found.rotate_left(usize::try_from(random).unwrap_or(0));
    let mut last = io::ErrorKind::TimedOut.into();
    for (n_tried, to) in found.iter().enumerate() {
        let n_left = u32::try_from(n_found - n_tried).unwrap_or(u32::MAX);
        let Ok(left) = left(deadline) else { break };
        match TcpStream::connect_timeout(to, left / n_left) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses of a host. The system may take longer than we have, so that a thread waits for it; it ends with the answer.
fn look_up(address: &Address, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    let Address { host, port, .. } = address.clone();
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let (say, answer) = channel();
    thread::Builder::new().name("kafka-names".to_owned()).spawn(move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Nobody may wait for it any more.
        drop(say.send(found));
    })?;
    answer.recv_timeout(left(deadline)?).unwrap_or_else(|_late| {
        Err(io::Error::new(io::ErrorKind::TimedOut, "nobody says in time where the host is"))
    })
}

/// The time that is left, which is never nothing.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left < Duration::from_millis(1) { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
