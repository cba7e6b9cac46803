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
    connect_to_one(&found, deadline)
}

/// Tries one after the other.
fn connect_to_one(found: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::ErrorKind::TimedOut.into();
    for (n_tried, to) in found.iter().enumerate() {
        let n_left = u32::try_from(found.len() - n_tried).unwrap_or(u32::MAX);
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn all_addresses_are_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let to = listener.local_addr().expect("it is bound");
        let closed = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr();
        let closed = closed.expect("it was bound");
        connect_to_one(&[closed, closed, to], soon()).expect("the last one takes it");
        let error = connect_to_one(&[closed, closed], soon()).expect_err("nobody is there");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let late = connect_to_one(&[to], Instant::now()).expect_err("there is no time");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn family_chooses_the_addresses() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let address = Address { host: "localhost".to_owned(), port, is_told: false };
        connect(&address, Family::V4, soon()).expect("it is this host");
        connect(&address, Family::V6, soon()).expect_err("nobody is there");
    }
}
