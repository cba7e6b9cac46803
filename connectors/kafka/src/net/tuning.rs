//! What the options of a program say about connections, by librdkafka's names, of which faults were told before.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::str::FromStr;
use std::time::Duration;

use super::connect::Family;
use crate::config::Options;
use crate::raw::{SocketOption, set_socket_option};

/// Milliseconds that a connection may take to be set up.
const SETUP_MILLIS: u64 = 30_000;

/// How connections are made, apart from who makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tuning {
    pub(super) setup_time: Duration,
    pub(super) family: Family,
    is_kept_alive: bool,
    is_undelayed: bool,
    /// Bytes; none leaves them to the system.
    send_buffer: Option<i32>,
    receive_buffer: Option<i32>,
    /// OpenSSL's lists, which it reads.
    pub(super) ciphers: Option<String>,
    pub(super) curves: Option<String>,
    pub(super) signatures: Option<String>,
    /// The file of certificates that were revoked.
    pub(super) revoked: Option<String>,
}

impl Tuning {
    pub(super) fn new(Options(options): &Options) -> Self {
        let text = |key| options.get(key).filter(|text| !text.is_empty()).cloned();
        Self {
            setup_time: Duration::from_millis(
                number(options.get("socket.connection.setup.timeout.ms")).unwrap_or(SETUP_MILLIS),
            ),
            family: match options.get("broker.address.family").map(String::as_str) {
                Some("v4") => Family::V4,
                Some("v6") => Family::V6,
                _ => Family::Any,
            },
            is_kept_alive: truth(options.get("socket.keepalive.enable"), false),
            is_undelayed: truth(options.get("socket.nagle.disable"), true),
            send_buffer: number(options.get("socket.send.buffer.bytes")).filter(|n| *n > 0),
            receive_buffer: number(options.get("socket.receive.buffer.bytes")).filter(|n| *n > 0),
            ciphers: text("ssl.cipher.suites"),
            curves: text("ssl.curves.list"),
            signatures: text("ssl.sigalgs.list"),
            revoked: text("ssl.crl.location"),
        }
    }

    pub(super) fn apply(&self, tcp: &TcpStream) -> io::Result<()> {
        tcp.set_nodelay(self.is_undelayed)?;
        let set = |option, value| set_socket_option(tcp.as_fd(), option, value);
        if self.is_kept_alive {
            set(SocketOption::KeepAlive, 1)?;
        }
        if let Some(n_bytes) = self.send_buffer {
            set(SocketOption::SendBuffer, n_bytes)?;
        }
        self.receive_buffer.map_or(Ok(()), |n_bytes| set(SocketOption::ReceiveBuffer, n_bytes))
    }
}

fn number<N: FromStr>(text: Option<&String>) -> Option<N> {
    text?.trim().parse().ok()
}

/// A truth as librdkafka reads it.
fn truth(text: Option<&String>, default: bool) -> bool {
    text.map_or(default, |text| {
        ["true", "t", "1"].iter().any(|word| text.eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn tuning(pairs: &[(&str, &str)]) -> Tuning {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Tuning::new(&Options(pairs.iter().map(owned).collect()))
    }

    #[test]
    fn defaults_are_those_of_librdkafka() {
        let default = tuning(&[]);
        assert_eq!(default.setup_time, Duration::from_secs(30));
        assert!(default.is_undelayed && !default.is_kept_alive && default.family == Family::Any);
        let zero = [("socket.send.buffer.bytes", "0"), ("ssl.cipher.suites", "")];
        assert_eq!(tuning(&zero), default);
    }

    #[test]
    fn options_reach_the_socket() {
        let tuning = tuning(&[
            ("socket.connection.setup.timeout.ms", "1500"),
            ("broker.address.family", "v6"),
            ("socket.keepalive.enable", "True"),
            ("socket.nagle.disable", "f"),
            ("socket.send.buffer.bytes", "65536"),
            ("socket.receive.buffer.bytes", "32768"),
        ]);
        assert_eq!((tuning.setup_time, tuning.family), (Duration::from_millis(1500), Family::V6));
        assert!(tuning.is_kept_alive);
        assert_eq!((tuning.send_buffer, tuning.receive_buffer), (Some(65536), Some(32768)));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let tcp = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        tuning.apply(&tcp).expect("a socket takes them");
        assert!(!tcp.nodelay().expect("a socket"));
    }
}
