//! What a broker says of one thing that it was asked for: done, or an error code.

use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

/// A code of an answer. One that is newer than we are stands for an unknown error.
pub(crate) fn outcome(code: i16) -> Result<(), RDKafkaErrorCode> {
    if code == 0 {
        return Ok(());
    }
    // Below -1 librdkafka has codes of its own, which no broker sends.
    let known = RDKafkaRespErr::try_from(i32::from(code)).ok().filter(|_| code >= -1);
    Err(known.map_or(RDKafkaErrorCode::Unknown, RDKafkaErrorCode::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_protocol_are_told_apart() {
        assert_eq!(outcome(0), Ok(()));
        for (code, expected) in [
            (-1, RDKafkaErrorCode::Unknown),
            (3, RDKafkaErrorCode::UnknownTopicOrPartition),
            (5, RDKafkaErrorCode::LeaderNotAvailable),
            (36, RDKafkaErrorCode::TopicAlreadyExists),
            (-195, RDKafkaErrorCode::Unknown),
            (32_000, RDKafkaErrorCode::Unknown),
        ] {
            assert_eq!(outcome(code), Err(expected), "{code}");
        }
    }
}
