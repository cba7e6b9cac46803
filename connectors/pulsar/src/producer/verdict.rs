//! What a refusal of the broker means for what is under way.

use crate::net::Trouble;
use crate::wire::proto::ServerError;

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The producer is made again, and what is under way goes again.
    Again,
    /// The one batch is given up.
    GiveUp,
    /// Everything that is under way is given up; what comes later is tried anew.
    GiveUpAll,
    /// The sink cannot go on.
    Fail,
}

/// Judges the refusal of a batch.
pub(super) fn judge(error: ServerError) -> Verdict {
    match error {
        ServerError::NotAllowedError | ServerError::IncompatibleSchema => Verdict::GiveUp,
        ServerError::TopicTerminatedError
        | ServerError::ProducerBlockedQuotaExceededError
        | ServerError::ProducerBlockedQuotaExceededException
        | ServerError::TopicNotFound => Verdict::GiveUpAll,
        ServerError::ProducerFenced
        | ServerError::AuthorizationError
        | ServerError::AuthenticationError => Verdict::Fail,
        // A checksum that is wrong on arrival was right when we left; all else may pass.
        _ => Verdict::Again,
    }
}

/// Judges why a producer cannot be had; `n_tries` counts the tries for the first one.
pub(super) fn judge_making(trouble: &Trouble, n_tries: u32) -> Verdict {
    match trouble {
        // A broker that was not told of the end of a connection holds the name for a while.
        Trouble::Refused { error: ServerError::ProducerBusy, .. } if n_tries < PATIENCE => {
            Verdict::Again
        }
        Trouble::Refused { error, .. } => match judge(*error) {
            Verdict::GiveUp => Verdict::Fail,
            // A name that is still taken, too.
            Verdict::Again if !trouble.may_pass() => Verdict::Fail,
            verdict => verdict,
        },
        trouble if trouble.may_pass() => Verdict::Again,
        _ => Verdict::Fail,
    }
}

/// Tries for a name that is taken: about five seconds.
const PATIENCE: u32 = 8;
