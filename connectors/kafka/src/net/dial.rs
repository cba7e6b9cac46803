//! Makes connections to brokers, set up so that requests can be sent at once: TCP, TLS, versions, login.
//!
//! Invariant: a connection is made in the set-up time or not at all, whatever the other side does; nothing secret outlives it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::address::Address;
use super::connect::connect;
use super::failure::Failure;
use super::socket::Socket;
use super::stream::Stream;
use super::tls::shake_hands;
use super::tuning::Tuning;
use super::versions::Versions;
use crate::config::{Security, SinkConfig};
use crate::trouble::Trouble;

/// How connections are made; shared by all of a writer.
#[derive(Debug)]
pub(crate) struct Dialer {
    security: Security,
    client_id: String,
    tuning: Tuning,
    /// Of the addresses that a name stands for, the one to begin with: one that answers and is of no use must not be all that is tried.
    turn: AtomicUsize,
}

/// A connection to a broker, in blocking mode and without a timeout.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    /// What the broker takes.
    pub(crate) versions: Versions,
    /// When the login is over and the broker hangs up: dial anew before. None is never.
    pub(crate) ends: Option<Instant>,
}

impl Dialer {
    /// The name in the broker's logs is `client_id`; the options that speak of connections are taken from the settings.
    pub(crate) fn new(config: &SinkConfig, client_id: &str) -> Self {
        Self {
            security: config.security.clone(),
            client_id: client_id.to_owned(),
            tuning: Tuning::new(&config.options),
            turn: AtomicUsize::new(0),
        }
    }

    /// Makes a connection to the first address of the host that takes one.
    ///
    /// # Blocking
    /// For the set-up time at most: 30 s, or as `socket.connection.setup.timeout.ms` says.
    ///
    /// # Errors
    /// Why not, in the words of whoever is in the way. No secret is in it.
    pub(crate) fn dial(&self, address: &Address) -> Result<Connection, Trouble> {
        let deadline = Instant::now() + self.tuning.setup_time;
        self.set_up(address, deadline).map_err(|failure| failure.at(address))
    }

    fn set_up(&self, address: &Address, deadline: Instant) -> Result<Connection, Failure> {
        let mut stream = self.reach(address, deadline)?;
        let versions = Versions::ask(&mut stream, &self.client_id);
        let versions = versions.map_err(|error| Failure::broken(&error))?;
        stream.set_timeout(None).map_err(|error| Failure::broken(&error))?;
        Ok(Connection { stream, versions, ends: None })
    }

    /// Connects, and agrees on TLS where it is wanted.
    fn reach(&self, address: &Address, deadline: Instant) -> Result<Stream, Failure> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let tcp = connect(address, self.tuning.family, turn, deadline).and_then(|tcp| {
            self.tuning.apply(&tcp)?;
            Ok(tcp)
        });
        let socket = Socket::new(tcp.map_err(|error| Failure::unreached(&error))?, deadline);
        let Some(tls) = &self.security.tls else { return Ok(Stream::Plain(socket)) };
        let stream = shake_hands((tls, &self.tuning), &address.host, socket)?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

#[cfg(test)]
mod tests;
