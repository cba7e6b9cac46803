//! Why a topic cannot be written.

use std::sync::Arc;

use millstream_engine::error::Error;
use rdkafka::types::RDKafkaErrorCode;

use crate::error::{from_code, not_delivered, unknown_topic};

/// The number of a topic's partitions, or why it cannot be written.
pub(crate) type Found = Result<u32, Refusal>;

/// Why a topic cannot be written; every record to it is told so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    code: RDKafkaErrorCode,
    hint: Option<Arc<str>>,
}

impl Refusal {
    /// A topic that the cluster does not have, with what to do about it.
    pub(crate) fn unknown(code: RDKafkaErrorCode, hint: Arc<str>) -> Self {
        Self { code, hint: Some(hint) }
    }

    /// What the cluster said.
    pub(crate) fn code(&self) -> RDKafkaErrorCode {
        self.code
    }

    /// The error of one record.
    pub(crate) fn error(&self, topic: &str) -> Error {
        let error = if is_unknown(self.code) {
            unknown_topic(topic, std::iter::empty())
        } else if self.code == RDKafkaErrorCode::MessageTimedOut {
            not_delivered(self.code, topic)
        } else {
            from_code(self.code, "look up the topic of a record").at_topic(topic)
        };
        match &self.hint {
            Some(hint) => error.with_hint(&**hint),
            None => error,
        }
    }
}

impl From<RDKafkaErrorCode> for Refusal {
    fn from(code: RDKafkaErrorCode) -> Self {
        Self { code, hint: None }
    }
}

pub(crate) fn is_unknown(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition)
}

/// Whether asking again will not help.
pub(crate) fn is_lasting(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::InvalidTopic
    )
}
