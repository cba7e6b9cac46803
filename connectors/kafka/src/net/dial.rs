//! Makes connections to brokers, set up so that requests can be sent at once: TCP, TLS, versions, login.
//!
//! Invariant: a connection is made in the set-up time or not at all, whatever the other side does; nothing secret outlives it.

use std::io::{self, Read};
use std::time::Instant;

use super::address::Address;
use super::bearer::Bearer;
use super::connect::connect;
use super::failure::{Failure, of_tls};
use super::sasl::{Proof, log_in};
use super::socket::Socket;
use super::stream::Stream;
use super::tls::shake_hands;
use super::tuning::Tuning;
use super::versions::Versions;
use crate::config::{Login, Security, SinkConfig};
use crate::trouble::Trouble;

/// How connections are made; shared by all of a writer.
#[derive(Debug)]
pub(crate) struct Dialer {
    security: Security,
    client_id: String,
    tuning: Tuning,
    /// Where the login wants tokens.
    bearer: Option<Bearer>,
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

/// The part of a login's life after which a connection is to be replaced, so that the broker never has to end it.
const USED_LIFE: f64 = 0.85;

impl Dialer {
    /// The name in the broker's logs is `client_id`; the options that speak of connections are taken from the settings.
    pub(crate) fn new(config: &SinkConfig, client_id: &str) -> Self {
        let tokens = config.security.login.as_ref().and_then(Login::tokens);
        Self {
            security: config.security.clone(),
            client_id: client_id.to_owned(),
            tuning: Tuning::new(&config.options),
            bearer: tokens.map(|tokens| Bearer::new(&tokens.keeper)),
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
        let made = self.set_up(address, deadline);
        if let (Err(failure), Some(bearer)) = (&made, &self.bearer)
            && failure.is_login()
        {
            bearer.is_refused();
        }
        made.map_err(|failure| failure.at(address))
    }

    fn set_up(&self, address: &Address, deadline: Instant) -> Result<Connection, Failure> {
        // First of all, so that the broker does not wait for it.
        let proof = self.proof(deadline)?;
        let mut stream = self.reach(address, deadline)?;
        let versions = Versions::ask(&mut stream, &self.client_id)
            .map_err(|error| Failure::broken(&last_words(&mut stream, error)))?;
        let begin = Instant::now();
        let lifetime = match proof {
            Some((mechanism, proof)) => log_in(&mut stream, &self.client_id, mechanism, &proof)?,
            None => None,
        };
        let ends = lifetime.and_then(|lifetime| begin.checked_add(lifetime.mul_f64(USED_LIFE)));
        stream.set_timeout(None).map_err(|error| Failure::broken(&error))?;
        Ok(Connection { stream, versions, ends })
    }

    /// The mechanism of the login, and what proves who we are.
    fn proof(&self, deadline: Instant) -> Result<Option<(&'static str, Proof<'_>)>, Failure> {
        let Some(login) = &self.security.login else { return Ok(None) };
        let proof = match (login.credentials(), &self.bearer) {
            (Some(credentials), _) => Proof::of_credentials(login, credentials)?,
            (None, Some(bearer)) => Proof::of_bearer(bearer, deadline)?,
            (None, None) => return Ok(None),
        };
        Ok(Some((login.mechanism(), proof)))
    }

    /// Connects, and agrees on TLS where it is wanted.
    fn reach(&self, address: &Address, deadline: Instant) -> Result<Stream, Failure> {
        let tcp = connect(address, self.tuning.family, deadline).and_then(|tcp| {
            self.tuning.apply(&tcp)?;
            Ok(tcp)
        });
        let socket = Socket::new(tcp.map_err(|error| Failure::unreached(&error))?, deadline);
        let Some(tls) = &self.security.tls else { return Ok(Stream::Plain(socket)) };
        let stream = shake_hands((tls, &self.tuning), &address.host, socket)?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

/// A broker that refuses our certificate says so and hangs up at once: then what it said is still to be read after writing has failed.
fn last_words(stream: &mut Stream, error: io::Error) -> io::Error {
    if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
        return error;
    }
    stream.read(&mut [0]).err().filter(|said| of_tls(said).is_some()).unwrap_or(error)
}

#[cfg(test)]
mod on_broker;
#[cfg(test)]
mod tests;
