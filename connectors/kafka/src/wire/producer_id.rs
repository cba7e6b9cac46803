//! Gets the id by which brokers know the batches of an idempotent producer again.

use rdkafka::types::RDKafkaErrorCode;

use super::codec::{Malformed, Reader, put_i32, put_null_str};
use super::error_code;
use crate::net::exchange::Kind;

pub(crate) const KIND: Kind = Kind { key: 22, version: 1 };

/// An id and its epoch, or why there is none.
pub(crate) type Given = Result<(i64, i16), RDKafkaErrorCode>;

/// Writes a request for an id without transactions.
pub(crate) fn write(out: &mut Vec<u8>) {
    put_null_str(out);
    // How long a transaction may take: there is none.
    put_i32(out, i32::MAX);
}

pub(crate) fn read(answer: &[u8]) -> Result<Given, Malformed> {
    let mut reader = Reader::new(answer);
    let _throttle_ms = reader.i32()?;
    let outcome = error_code::outcome(reader.i16()?);
    let given = (reader.i64()?, reader.i16()?);
    Ok(outcome.map(|()| given))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_names_no_transactions() {
        let mut out = Vec::new();
        write(&mut out);
        assert_eq!(out, b"\xff\xff\x7f\xff\xff\xff");
    }

    #[test]
    fn answer_is_an_id_or_a_refusal() {
        let given = b"\0\0\0\0\0\0\0\0\0\0\0\0\x03\xe8\0\x02";
        assert_eq!(read(given), Ok(Ok((1000, 2))));
        let refused = b"\0\0\0\0\0\x1f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(read(refused), Ok(Err(RDKafkaErrorCode::ClusterAuthorizationFailed)));
        assert_eq!(read(&given[..15]), Err(Malformed));
    }
}
