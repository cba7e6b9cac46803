//! What an error of a broker means for a batch.

use rdkafka::types::RDKafkaErrorCode as Code;

/// What has to be done about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is written; perhaps it was before.
    Delivered,
    /// It goes again.
    Again {
        /// The broker may have written it.
        is_doubtful: bool,
        /// Somebody else leads the partition by now, or will soon.
        is_misplaced: bool,
    },
    /// The broker does not take its number.
    Misnumbered,
    /// It is too large as it is.
    TooLarge,
    /// Some of its records are at fault, or all.
    Refused,
}

/// Judges an answer, as Java's producer does.
pub(super) fn judge(outcome: Result<(), Code>) -> Verdict {
    let again = |is_doubtful, is_misplaced| Verdict::Again { is_doubtful, is_misplaced };
    let Err(code) = outcome else { return Verdict::Delivered };
    match code {
        Code::DuplicateSequenceNumber => Verdict::Delivered,
        Code::OutOfOrderSequenceNumber
        | Code::UnknownProducerId
        | Code::InvalidProducerEpoch
        | Code::InvalidProducerIdMapping => Verdict::Misnumbered,
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => Verdict::TooLarge,
        Code::NotLeaderForPartition
        | Code::LeaderNotAvailable
        | Code::UnknownTopicOrPartition
        | Code::UnknownTopicId
        | Code::FencedLeaderEpoch
        | Code::UnknownLeaderEpoch
        | Code::ReplicaNotAvailable
        | Code::KafkaStorageError => again(false, true),
        Code::RequestTimedOut | Code::NotEnoughReplicasAfterAppend => again(true, false),
        Code::NetworkException => again(true, true),
        Code::NotEnoughReplicas
        | Code::BrokerNotAvailable
        | Code::CoordinatorLoadInProgress
        | Code::ThrottlingQuotaExceeded
        // A checksum that is wrong on arrival was right when we left.
        | Code::InvalidMessage => again(false, false),
        _ => Verdict::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_written_is_doubtful() {
        for (code, expected) in [
            (
                Code::NotLeaderForPartition,
                Verdict::Again { is_doubtful: false, is_misplaced: true },
            ),
            (Code::RequestTimedOut, Verdict::Again { is_doubtful: true, is_misplaced: false }),
            (Code::DuplicateSequenceNumber, Verdict::Delivered),
            (Code::OutOfOrderSequenceNumber, Verdict::Misnumbered),
            (Code::MessageSizeTooLarge, Verdict::TooLarge),
            (Code::TopicAuthorizationFailed, Verdict::Refused),
            (Code::InvalidRecord, Verdict::Refused),
        ] {
            assert_eq!(judge(Err(code)), expected, "{code:?}");
        }
        assert_eq!(judge(Ok(())), Verdict::Delivered);
    }
}
