//! A connection to a broker that reads and answers as it likes.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use mio::{Events, Poll};

use super::*;
use crate::config::SinkConfig;
use crate::net::address::Address;
use crate::net::dial::Dialer;

/// Nothing here takes this long.
const LONG: Duration = Duration::from_mins(1);

/// Both ends of a connection.
struct Pair {
    channel: Channel,
    poll: Poll,
    broker: TcpStream,
}

impl Pair {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let to = listener.local_addr().expect("it is bound");
        let accept = std::thread::spawn(move || {
            let (mut broker, _) = listener.accept().expect("somebody comes");
            let mut n_bytes = [0; 4];
            broker.read_exact(&mut n_bytes).expect("which versions there are");
            let mut asked = vec![0; u32::from_be_bytes(n_bytes) as usize];
            broker.read_exact(&mut asked).expect("a question");
            let versions = b"\0\0\0\x10\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\x08";
            broker.write_all(versions).expect("it is waited for");
            broker
        });
        let address = Address { host: to.ip().to_string(), port: to.port(), is_told: true };
        let dialer = Dialer::new(&SinkConfig::new("", ""), "test");
        let connection = dialer.dial(&address).expect("a broker");
        let poll = Poll::new().expect("a poll");
        let channel = Channel::new(connection, Token(1), poll.registry()).expect("a channel");
        assert_eq!(channel.version, 8);
        Self { channel, poll, broker: accept.join().expect("it accepts") }
    }

    fn send(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let correlation = self.channel.next_correlation();
        let due = Instant::now() + LONG;
        self.channel.send(Request { correlation, bytes, parts: Vec::new(), due })
    }

    fn wait(&mut self) {
        let mut events = Events::with_capacity(4);
        self.poll.poll(&mut events, Some(LONG)).expect("it can be waited for");
        assert!(!events.is_empty(), "something comes in time");
    }

    /// Waits for so many answers; returns their requests' numbers and what they say.
    fn answers(&mut self, n_answers: usize) -> io::Result<Vec<(i32, Vec<u8>)>> {
        let mut answers = Vec::new();
        loop {
            let take = |request: Request, answer: &[u8]| {
                answers.push((request.correlation, answer.to_vec()));
            };
            self.channel.write()?;
            self.channel.read(take)?;
            if answers.len() >= n_answers {
                return Ok(answers);
            }
            self.wait();
        }
    }
}

/// An answer to a request.
fn answer(correlation: i32, says: &[u8]) -> Vec<u8> {
    let n_bytes = i32::try_from(4 + says.len()).expect("few");
    [&n_bytes.to_be_bytes(), &correlation.to_be_bytes(), says].concat()
}

#[test]
fn request_that_is_not_taken_at_once_is_written_on() {
    let mut pair = Pair::new();
    let large = vec![7; 32 << 20];
    pair.send(large.clone()).expect("written as far as it goes");
    pair.send(b"next".to_vec()).expect("it waits");
    assert_eq!((pair.channel.n_written, pair.channel.n_under_way()), (0, 2));
    assert!(pair.channel.written > 0, "some of it has gone");
    let mut broker = pair.broker.try_clone().expect("a socket");
    let reads = std::thread::spawn(move || {
        let mut read = vec![0; large.len() + 4];
        broker.read_exact(&mut read).expect("all of it comes");
        assert!(read == [&large[..], b"next"].concat(), "and in order");
        broker.write_all(&[answer(1, b"a"), answer(2, b"b")].concat()).expect("answered");
    });
    let answers = pair.answers(2).expect("the broker answers");
    assert_eq!(answers, [(1, b"a".to_vec()), (2, b"b".to_vec())]);
    reads.join().expect("the broker has read it");
    assert_eq!((pair.channel.n_under_way(), pair.channel.due()), (0, None));
}

#[test]
fn answers_in_pieces_are_put_together() {
    let mut pair = Pair::new();
    for _ in 0..3 {
        pair.send(b"request".to_vec()).expect("sent");
    }
    let bytes = [answer(1, b"first"), answer(2, b""), answer(3, b"third")].concat();
    let (last, most) = bytes.split_last().expect("some");
    let mut seen = Vec::new();
    for byte in most {
        pair.broker.write_all(&[*byte]).expect("sent");
        pair.wait();
        pair.channel.read(|request, _| seen.push(request.correlation)).expect("a piece");
    }
    assert_eq!(seen, [1, 2], "the third lacks a byte");
    pair.broker.write_all(&[*last]).expect("sent");
    assert_eq!(pair.answers(1).expect("the rest"), [(3, b"third".to_vec())]);
}

#[test]
fn answer_to_another_request_ends_the_connection() {
    for bytes in [answer(2, b"too early"), answer(9, b"to nobody"), b"\0\0\0\x03\0\0\0\x01".into()]
    {
        let mut pair = Pair::new();
        pair.send(b"first".to_vec()).expect("sent");
        pair.send(b"second".to_vec()).expect("sent");
        pair.broker.write_all(&bytes).expect("sent");
        let error = pair.answers(1).expect_err("it is not an answer to the first");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let left: Vec<_> = pair.channel.close().iter().map(|at| at.correlation).collect();
        assert_eq!(left, [1, 2], "both are given back");
    }
}

#[test]
fn answer_nobody_has_asked_for_ends_the_connection() {
    let mut pair = Pair::new();
    pair.broker.write_all(&answer(1, b"")).expect("sent");
    assert_eq!(pair.answers(1).expect_err("unasked").kind(), ErrorKind::InvalidData);
}

#[test]
fn promise_of_much_is_not_waited_for() {
    for promised in [i32::MAX, -1, i32::try_from(MAX_ANSWER).expect("a number")] {
        let mut pair = Pair::new();
        pair.send(b"request".to_vec()).expect("sent");
        let head = [promised.to_be_bytes(), 1_i32.to_be_bytes()].concat();
        pair.broker.write_all(&head).expect("sent");
        assert_eq!(pair.answers(1).expect_err("too much").kind(), ErrorKind::InvalidData);
        assert!(pair.channel.input.capacity() <= 4 * READ, "nothing is reserved for it");
    }
}

#[test]
fn end_of_the_connection_is_told() {
    let mut pair = Pair::new();
    pair.send(b"request".to_vec()).expect("sent");
    let mut read = [0; 7];
    pair.broker.read_exact(&mut read).expect("it comes");
    pair.broker.shutdown(std::net::Shutdown::Both).expect("a socket");
    assert_eq!(pair.answers(1).expect_err("it is over").kind(), ErrorKind::UnexpectedEof);
}
