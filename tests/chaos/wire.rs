//! The few requests of Kafka's protocol that the scenarios need from the outside, spoken by hand: what is checked about the
//! connector must not come through the client that the connector uses.
//!
//! Every request goes to the address given; [`ends`] goes on from there to the leaders.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const LIST_OFFSETS: i16 = 2;
const METADATA: i16 = 3;
const OFFSET_FETCH: i16 = 9;
const CREATE_TOPICS: i16 = 19;
const CREATE_PARTITIONS: i16 = 37;

const TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT_MILLIS: i32 = 10_000;

/// Kafka's codes for a partition without a leader, and for a topic that exists already.
const NO_LEADER: i16 = 5;
const EXISTS: i16 = 36;

/// A failed request: an error of the connection, or the broker's code.
pub(crate) enum Refusal {
    Io(io::Error),
    Code(i16),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Code(code) => write!(f, "error code {code}"),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(crate) fn create_topic(
    address: &str,
    topic: &str,
    n_partitions: usize,
    n_replicas: i16,
) -> Result<(), Refusal> {
    let mut body = Body::default();
    body.count(1).text(topic).int(small(n_partitions)).short(n_replicas);
    body.count(0).count(0).int(TIMEOUT_MILLIS).byte(0);
    let mut answer = ask(address, CREATE_TOPICS, 2, &body)?;
    answer.int()?;
    answer.int()?;
    answer.text()?;
    match answer.short()? {
        EXISTS => Ok(()),
        code => refuse(code),
    }
}

/// Gives a topic more partitions, `n_partitions` in all.
pub(crate) fn add_partitions(
    address: &str,
    topic: &str,
    n_partitions: usize,
) -> Result<(), Refusal> {
    let mut body = Body::default();
    body.count(1).text(topic).int(small(n_partitions)).int(-1);
    body.int(TIMEOUT_MILLIS).byte(0);
    let mut answer = ask(address, CREATE_PARTITIONS, 0, &body)?;
    answer.int()?;
    answer.int()?;
    answer.text()?;
    refuse(answer.short()?)
}

/// The offsets that a group has committed, by partition.
pub(crate) fn committed(
    address: &str,
    group: &str,
    topic: &str,
    n_partitions: usize,
) -> Result<Vec<Option<u64>>, Refusal> {
    let mut body = Body::default();
    body.text(group).count(1).text(topic).count(n_partitions);
    for partition in 0..n_partitions {
        body.int(small(partition));
    }
    let mut answer = ask(address, OFFSET_FETCH, 1, &body)?;
    let mut offsets = vec![None; n_partitions];
    for _topic in 0..answer.int()? {
        answer.text()?;
        for _partition in 0..answer.int()? {
            let (partition, offset) = (answer.int()?, answer.long()?);
            answer.text()?;
            refuse(answer.short()?)?;
            if let Some(slot) = usize::try_from(partition).ok().and_then(|at| offsets.get_mut(at)) {
                *slot = u64::try_from(offset).ok();
            }
        }
    }
    Ok(offsets)
}

/// Who has a partition.
pub(crate) struct Placed {
    /// The number of the broker that leads it, and its address.
    pub(crate) leader: usize,
    address: String,
    pub(crate) n_in_sync: usize,
}

/// Who has the partitions of a topic; all of them have leaders.
pub(crate) fn placed(address: &str, topic: &str) -> Result<Vec<Placed>, Refusal> {
    let mut body = Body::default();
    body.count(1).text(topic);
    let mut answer = ask(address, METADATA, 1, &body)?;
    let mut addresses = HashMap::new();
    for _broker in 0..answer.int()? {
        let (broker, host, port) = (answer.int()?, answer.text()?, answer.int()?);
        addresses.insert(broker, format!("{host}:{port}"));
        answer.text()?;
    }
    answer.int()?;
    let mut found = Vec::new();
    for _topic in 0..answer.int()? {
        refuse(answer.short()?)?;
        answer.text()?;
        answer.byte()?;
        for _partition in 0..answer.int()? {
            refuse(answer.short()?)?;
            let (index, leader) = (answer.int()?, answer.int()?);
            answer.ints()?;
            let n_in_sync = answer.ints()?.len();
            let of_leader = addresses.get(&leader).ok_or(Refusal::Code(NO_LEADER))?.clone();
            let leader = usize::try_from(leader).unwrap_or_default();
            found.push((index, Placed { leader, address: of_leader, n_in_sync }));
        }
    }
    found.sort_by_key(|(index, _)| *index);
    Ok(found.into_iter().map(|(_, placed)| placed).collect())
}

/// The end of each partition: the offset of its next record.
pub(crate) fn ends(address: &str, topic: &str, n_partitions: usize) -> Result<Vec<u64>, Refusal> {
    let mut ends = vec![0; n_partitions];
    let placed = placed(address, topic)?;
    for (index, end) in ends.iter_mut().enumerate() {
        let at = placed.get(index).ok_or(Refusal::Code(NO_LEADER))?;
        *end = end_of(&at.address, topic, index)?;
    }
    Ok(ends)
}

fn end_of(address: &str, topic: &str, partition: usize) -> Result<u64, Refusal> {
    let mut body = Body::default();
    body.int(-1).count(1).text(topic).count(1).int(small(partition)).long(-1);
    let mut answer = ask(address, LIST_OFFSETS, 1, &body)?;
    answer.int()?;
    answer.text()?;
    answer.int()?;
    answer.int()?;
    refuse(answer.short()?)?;
    answer.long()?;
    Ok(u64::try_from(answer.long()?).unwrap_or_default())
}

fn refuse(code: i16) -> Result<(), Refusal> {
    if code == 0 { Ok(()) } else { Err(Refusal::Code(code)) }
}

fn small(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn ask(address: &str, key: i16, version: i16, body: &Body) -> Result<Answer, Refusal> {
    let socket =
        address.parse().map_err(|_not_one| io::Error::other("the address is not one ip:port"))?;
    let mut stream = TcpStream::connect_timeout(&socket, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut head = Body::default();
    head.short(key).short(version).int(7).text("chaos");
    let length = small(head.0.len() + body.0.len());
    stream.write_all(&[&length.to_be_bytes(), &head.0[..], &body.0[..]].concat())?;
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix)?;
    let mut bytes = vec![0; usize::try_from(i32::from_be_bytes(prefix)).unwrap_or_default()];
    stream.read_exact(&mut bytes)?;
    let mut answer = Answer { bytes, at: 0 };
    answer.int()?;
    Ok(answer)
}

/// What a request carries.
#[derive(Default)]
struct Body(Vec<u8>);

impl Body {
    fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    fn short(&mut self, number: i16) -> &mut Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    fn int(&mut self, number: i32) -> &mut Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    fn long(&mut self, number: i64) -> &mut Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    fn count(&mut self, number: usize) -> &mut Self {
        self.int(small(number))
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.short(i16::try_from(text.len()).unwrap_or_default());
        self.0.extend(text.as_bytes());
        self
    }
}

/// What the broker answered, read from front to back.
struct Answer {
    bytes: Vec<u8>,
    at: usize,
}

impl Answer {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let bytes = *bytes.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.at += N;
        Ok(bytes)
    }

    fn short(&mut self) -> io::Result<i16> {
        self.take().map(i16::from_be_bytes)
    }

    fn int(&mut self) -> io::Result<i32> {
        self.take().map(i32::from_be_bytes)
    }

    fn long(&mut self) -> io::Result<i64> {
        self.take().map(i64::from_be_bytes)
    }

    fn byte(&mut self) -> io::Result<u8> {
        self.take().map(u8::from_be_bytes)
    }

    /// A list of numbers.
    fn ints(&mut self) -> io::Result<Vec<i32>> {
        (0..self.int()?).map(|_| self.int()).collect()
    }

    /// A text; empty where there is none.
    fn text(&mut self) -> io::Result<String> {
        let length = usize::try_from(self.short()?).unwrap_or_default();
        let bytes = self.bytes.get(self.at..self.at + length);
        self.at += length;
        let bytes = bytes.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}
