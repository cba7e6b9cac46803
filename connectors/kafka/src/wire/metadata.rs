//! Which brokers there are, and who leads the partitions of topics.

use rdkafka::types::RDKafkaErrorCode;

use super::codec::{Malformed, Reader, put_n_elements, put_str};
use super::error_code;
use crate::net::address::Address;
use crate::net::exchange::Kind;

pub(crate) const KIND: Kind = Kind { key: 3, version: 7 };

/// What a broker knows of its cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The brokers that are up, by id.
    pub(crate) brokers: Vec<(i32, Address)>,
    /// The broker that creates topics; -1 where there is none at present.
    pub(crate) controller: i32,
    pub(crate) topics: Vec<TopicMetadata>,
}

/// What it knows of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicMetadata {
    pub(crate) name: String,
    /// The leader of each partition, `None` while one is elected; or why there is nothing to say of the topic.
    pub(crate) leaders: Result<Leaders, RDKafkaErrorCode>,
}

/// The broker that leads each partition; `None` while one is elected.
pub(crate) type Leaders = Vec<Option<i32>>;

/// Writes a question for these topics, or for all of them. It creates none.
pub(crate) fn write(out: &mut Vec<u8>, topics: Option<&[&str]>) {
    match topics {
        Some(topics) => {
            put_n_elements(out, topics.len());
            for topic in topics {
                put_str(out, topic);
            }
        }
        None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
    }
    out.push(0);
}

pub(crate) fn read(answer: &[u8]) -> Result<Metadata, Malformed> {
    let mut reader = Reader::new(answer);
    let _throttle_ms = reader.i32()?;
    // Nothing is reserved for elements that were only announced.
    let mut brokers = Vec::new();
    for _ in 0..reader.n_elements()? {
        brokers.push(read_broker(&mut reader)?);
    }
    let _cluster_id = reader.nullable_str()?;
    let controller = reader.i32()?;
    let mut topics = Vec::new();
    for _ in 0..reader.n_elements()? {
        topics.push(read_topic(&mut reader)?);
    }
    Ok(Metadata { brokers, controller, topics })
}

fn read_broker(reader: &mut Reader<'_>) -> Result<(i32, Address), Malformed> {
    let (id, host) = (reader.i32()?, reader.str()?.to_owned());
    let port = u16::try_from(reader.i32()?).or(Err(Malformed))?;
    let _rack = reader.nullable_str()?;
    Ok((id, Address { host, port, is_told: true }))
}

fn read_topic(reader: &mut Reader<'_>) -> Result<TopicMetadata, Malformed> {
    let outcome = error_code::outcome(reader.i16()?);
    let name = reader.str()?.to_owned();
    let _is_internal = reader.bool()?;
    let mut partitions = Vec::new();
    for _ in 0..reader.n_elements()? {
        partitions.push(read_partition(reader)?);
    }
    let mut leaders = vec![None; partitions.len()];
    for (index, leader) in partitions {
        // They come in any order, each once.
        let index = usize::try_from(index).or(Err(Malformed))?;
        *leaders.get_mut(index).ok_or(Malformed)? = leader;
    }
    Ok(TopicMetadata { name, leaders: outcome.map(|()| leaders) })
}

/// The number of a partition and its leader. The error that comes with them says no more than a leader of -1.
fn read_partition(reader: &mut Reader<'_>) -> Result<(i32, Option<i32>), Malformed> {
    let _error = reader.i16()?;
    let (index, leader, _leader_epoch) = (reader.i32()?, reader.i32()?, reader.i32()?);
    for _copies in ["all", "in sync", "offline"] {
        let n_bytes = reader.n_elements()?.checked_mul(4).ok_or(Malformed)?;
        reader.take(n_bytes)?;
    }
    Ok((index, Some(leader).filter(|leader| *leader >= 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand from the protocol guide: two brokers, a topic with two partitions of which one has no leader, an unknown topic.
    const ANSWER: &[u8] = b"\0\0\0\0\
        \0\0\0\x02\
        \0\0\0\x01\0\x01a\0\0\x23\x84\xff\xff\
        \0\0\0\x02\0\x01b\0\0\x23\x85\0\x01r\
        \0\x01c\0\0\0\x02\
        \0\0\0\x02\
        \0\0\0\x06orders\0\0\0\0\x02\
        \0\0\0\0\0\x01\0\0\0\x02\0\0\0\x07\0\0\0\x02\0\0\0\x01\0\0\0\x02\0\0\0\x01\0\0\0\x02\0\0\0\0\
        \0\x05\0\0\0\0\xff\xff\xff\xff\0\0\0\x03\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x01\
        \0\x03\0\x04gone\0\0\0\0\0";

    #[test]
    fn question_names_topics_and_creates_none() {
        let mut out = Vec::new();
        write(&mut out, Some(&["ab", "c"]));
        assert_eq!(out, b"\0\0\0\x02\0\x02ab\0\x01c\0");
        out.clear();
        write(&mut out, None);
        assert_eq!(out, b"\xff\xff\xff\xff\0");
    }

    #[test]
    fn answer_tells_brokers_and_leaders() {
        let told = |host: &str, port| Address { host: host.to_owned(), port, is_told: true };
        let topic = |name: &str, leaders| TopicMetadata { name: name.to_owned(), leaders };
        let expected = Metadata {
            brokers: vec![(1, told("a", 9092)), (2, told("b", 9093))],
            controller: 2,
            topics: vec![
                topic("orders", Ok(vec![None, Some(2)])),
                topic("gone", Err(RDKafkaErrorCode::UnknownTopicOrPartition)),
            ],
        };
        assert_eq!(read(ANSWER), Ok(expected));
    }

    #[test]
    fn answer_cut_anywhere_is_malformed() {
        for end in 0..ANSWER.len() {
            assert_eq!(read(&ANSWER[..end]), Err(Malformed), "{end}");
        }
    }
}
