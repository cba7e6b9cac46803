//! Creates topics, with the cluster's default replication and settings.

use std::time::Duration;

use rdkafka::types::RDKafkaErrorCode;

use super::codec::{Malformed, Reader, put_i16, put_i32, put_n_elements, put_str};
use super::error_code;
use crate::net::exchange::Kind;

pub(crate) const KIND: Kind = Kind { key: 19, version: 4 };

/// What became of one topic.
pub(crate) type Created = (String, Result<(), RDKafkaErrorCode>);

/// Writes a request for topics of so many partitions; the controller may take so long for all of them.
pub(crate) fn write(out: &mut Vec<u8>, names: &[&str], n_partitions: u32, timeout: Duration) {
    put_n_elements(out, names.len());
    for name in names {
        put_str(out, name);
        put_i32(out, i32::try_from(n_partitions).unwrap_or(i32::MAX));
        // The cluster's default.
        put_i16(out, -1);
        // It places the partitions itself.
        put_n_elements(out, 0);
        // No settings.
        put_n_elements(out, 0);
    }
    put_i32(out, i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
    // Not only a check.
    out.push(0);
}

pub(crate) fn read(answer: &[u8]) -> Result<Vec<Created>, Malformed> {
    let mut reader = Reader::new(answer);
    let _throttle_ms = reader.i32()?;
    let mut created = Vec::new();
    for _ in 0..reader.n_elements()? {
        let name = reader.str()?.to_owned();
        let outcome = error_code::outcome(reader.i16()?);
        let _words = reader.nullable_str()?;
        created.push((name, outcome));
    }
    Ok(created)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_leaves_replication_and_settings_to_the_cluster() {
        let mut out = Vec::new();
        write(&mut out, &["ab", "c"], 3, Duration::from_secs(30));
        let expected = b"\0\0\0\x02\
            \0\x02ab\0\0\0\x03\xff\xff\0\0\0\0\0\0\0\0\
            \0\x01c\0\0\0\x03\xff\xff\0\0\0\0\0\0\0\0\
            \0\0\x75\x30\0";
        assert_eq!(out, expected);
    }

    #[test]
    fn answer_tells_what_became_of_each() {
        let answer = b"\0\0\0\0\0\0\0\x02\0\x02ab\0\0\xff\xff\0\x01c\0\x24\0\x05there";
        let expected = vec![
            ("ab".to_owned(), Ok(())),
            ("c".to_owned(), Err(RDKafkaErrorCode::TopicAlreadyExists)),
        ];
        assert_eq!(read(answer), Ok(expected));
        for end in 0..answer.len() {
            assert_eq!(read(&answer[..end]), Err(Malformed), "{end}");
        }
    }
}
