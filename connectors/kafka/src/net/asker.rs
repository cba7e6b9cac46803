//! Asks brokers rare questions: which brokers and topics there are, for new topics, for a producer's id. It waits for the answers.
//!
//! Invariant: one connection at most, one question at a time; each ends within the time that a connection and an answer may take.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::address::Address;
use super::dial::{Connection, Dialer};
use super::exchange::{Kind, exchange, malformed};
use crate::trouble::{Cause, Trouble};
use crate::wire::codec::Malformed;
use crate::wire::create_topics::{self, Created};
use crate::wire::metadata::{self, Metadata};
use crate::wire::producer_id::{self, Given};

/// How long a broker may take for an answer.
const QUESTION: Duration = Duration::from_secs(5);

/// How long it may take to create topics.
const CREATION: Duration = Duration::from_secs(30);

/// Asks whichever broker can be reached, and goes to another one when that fails.
pub(crate) struct Asker {
    dialer: Arc<Dialer>,
    client_id: String,
    bootstrap: Vec<Address>,
    /// Those that the cluster told us last.
    brokers: Vec<(i32, Address)>,
    /// The one of them that creates topics.
    controller: i32,
    /// Whose turn it is when a new connection is needed.
    turn: usize,
    line: Option<Line>,
    correlation: i32,
}

/// An open connection, and where it goes.
struct Line {
    address: Address,
    connection: Connection,
}

/// A request, apart from whom it goes to.
struct Question<'w> {
    kind: Kind,
    timeout: Duration,
    write: &'w dyn Fn(&mut Vec<u8>),
}

impl Asker {
    /// One that begins with a broker of `bootstrap`, with each of several askers at another one.
    pub(crate) fn new(
        dialer: Arc<Dialer>,
        client_id: &str,
        bootstrap: Vec<Address>,
        seed: usize,
    ) -> Self {
        Self {
            dialer,
            client_id: client_id.to_owned(),
            bootstrap,
            brokers: Vec::new(),
            controller: -1,
            turn: seed,
            line: None,
            correlation: 0,
        }
    }

    /// Asks for these topics, many with one question. None is created by it.
    pub(crate) fn topics(&mut self, names: &[&str]) -> Result<Metadata, Trouble> {
        self.metadata(Some(names))
    }

    /// Asks for all topics of the cluster.
    pub(crate) fn all_topics(&mut self) -> Result<Metadata, Trouble> {
        self.metadata(None)
    }

    fn metadata(&mut self, names: Option<&[&str]>) -> Result<Metadata, Trouble> {
        let write = |out: &mut Vec<u8>| metadata::write(out, names);
        let question = Question { kind: metadata::KIND, timeout: QUESTION, write: &write };
        let told = self.ask(&question, None, metadata::read)?;
        // A broker that has just come up may know of none.
        if !told.brokers.is_empty() {
            self.brokers.clone_from(&told.brokers);
        }
        self.controller = told.controller;
        Ok(told)
    }

    /// Creates topics of so many partitions, with the cluster's default replication, and says what became of each.
    pub(crate) fn create_topics(
        &mut self,
        names: &[&str],
        n_partitions: u32,
    ) -> Result<Vec<Created>, Trouble> {
        let write = |out: &mut Vec<u8>| create_topics::write(out, names, n_partitions, CREATION);
        // The controller answers when its time is over; that answer is still to arrive.
        let timeout = CREATION + QUESTION;
        let question = Question { kind: create_topics::KIND, timeout, write: &write };
        let controller = self.brokers.iter().find(|(id, _)| *id == self.controller);
        let controller = controller.map(|(_, address)| address.clone());
        self.ask(&question, controller, create_topics::read)
    }

    /// Gets an id for an idempotent producer; the inner error is what the broker says.
    pub(crate) fn producer_id(&mut self) -> Result<Given, Trouble> {
        let question = Question {
            kind: producer_id::KIND,
            timeout: QUESTION,
            write: &|out| producer_id::write(out),
        };
        self.ask(&question, None, producer_id::read)
    }

    /// Asks at this address, or anywhere.
    fn ask<T>(
        &mut self,
        question: &Question<'_>,
        at: Option<Address>,
        read: fn(&[u8]) -> Result<T, Malformed>,
    ) -> Result<T, Trouble> {
        if let Some(mut line) = self.line.take().filter(|line| line.leads_to(at.as_ref())) {
            match self.put(&mut line, question, read) {
                Ok(answer) => {
                    self.line = Some(line);
                    return Ok(answer);
                }
                // Brokers hang up on those who ask so rarely; that is no trouble before a new connection has failed as well.
                Err(error) => tracing::debug!(broker = %line.address, "ask Kafka anew: {error}"),
            }
        }
        let address = at.or_else(|| self.next_broker()).ok_or_else(nowhere)?;
        let connection = self.dialer.dial(&address)?;
        let mut line = Line { address, connection };
        let answer = self
            .put(&mut line, question, read)
            .map_err(|error| Trouble::broken(&line.address, &error))?;
        self.line = Some(line);
        Ok(answer)
    }

    fn put<T>(
        &mut self,
        line: &mut Line,
        question: &Question<'_>,
        read: fn(&[u8]) -> Result<T, Malformed>,
    ) -> io::Result<T> {
        self.correlation = self.correlation.wrapping_add(1);
        let deadline = Instant::now() + question.timeout;
        let mut stream = Timed { connection: &mut line.connection, deadline };
        let head = (question.kind, self.correlation, &*self.client_id);
        let answer = exchange(&mut stream, head, |out| (question.write)(out))?;
        read(&answer).map_err(malformed)
    }

    /// The broker to try next: in turn those of the program and those that the cluster told us.
    fn next_broker(&mut self) -> Option<Address> {
        let told = self.brokers.iter().map(|(_, address)| address);
        let new = told.filter(|told| !self.bootstrap.iter().any(|known| is_same(known, told)));
        let n_brokers = self.bootstrap.len() + new.clone().count();
        let at = self.turn.checked_rem(n_brokers)?;
        self.turn = at + 1;
        self.bootstrap.iter().chain(new).nth(at).cloned()
    }
}

impl Line {
    /// Whether it may be used, for a question that goes to this address or to any.
    fn leads_to(&self, at: Option<&Address>) -> bool {
        let is_over = self.connection.ends.is_some_and(|ends| ends <= Instant::now());
        !is_over && at.is_none_or(|at| is_same(at, &self.address))
    }
}

fn is_same(one: &Address, other: &Address) -> bool {
    (&*one.host, one.port) == (&*other.host, other.port)
}

fn nowhere() -> Trouble {
    Trouble {
        cause: Cause::Connection,
        reason: "no address is given".to_owned(),
        address: String::new(),
        is_told: false,
    }
}

/// A connection that is waited for until a time is over, however the bytes trickle.
struct Timed<'c> {
    connection: &'c mut Connection,
    deadline: Instant,
}

impl Timed<'_> {
    fn set_time_left(&mut self) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.connection.stream.set_timeout(Some(left))
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.set_time_left()?;
        self.connection.stream.read(into)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.set_time_left()?;
        self.connection.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.connection.stream.flush()
    }
}
