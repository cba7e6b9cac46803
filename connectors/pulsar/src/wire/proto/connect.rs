//! Connections: set-up, login, keep-alive, and the general answers.

use prost::{Enumeration, Message};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum ServerError {
    UnknownError = 0,
    MetadataError = 1,
    PersistenceError = 2,
    AuthenticationError = 3,
    AuthorizationError = 4,
    ConsumerBusy = 5,
    ServiceNotReady = 6,
    ProducerBlockedQuotaExceededError = 7,
    ProducerBlockedQuotaExceededException = 8,
    ChecksumError = 9,
    UnsupportedVersionError = 10,
    TopicNotFound = 11,
    SubscriptionNotFound = 12,
    ConsumerNotFound = 13,
    TooManyRequests = 14,
    TopicTerminatedError = 15,
    ProducerBusy = 16,
    InvalidTopicName = 17,
    IncompatibleSchema = 18,
    ConsumerAssignError = 19,
    TransactionCoordinatorNotFound = 20,
    InvalidTxnStatus = 21,
    NotAllowedError = 22,
    TransactionConflict = 23,
    TransactionNotFound = 24,
    ProducerFenced = 25,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct FeatureFlags {
    #[prost(bool, optional, tag = "1")]
    pub(crate) supports_auth_refresh: Option<bool>,
    #[prost(bool, optional, tag = "2")]
    pub(crate) supports_broker_entry_metadata: Option<bool>,
    #[prost(bool, optional, tag = "3")]
    pub(crate) supports_partial_producer: Option<bool>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandConnect {
    #[prost(string, required, tag = "1")]
    pub(crate) client_version: String,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(crate) auth_data: Option<Vec<u8>>,
    #[prost(int32, optional, tag = "4")]
    pub(crate) protocol_version: Option<i32>,
    #[prost(string, optional, tag = "5")]
    pub(crate) auth_method_name: Option<String>,
    #[prost(string, optional, tag = "6")]
    pub(crate) proxy_to_broker_url: Option<String>,
    #[prost(message, optional, tag = "10")]
    pub(crate) feature_flags: Option<FeatureFlags>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandConnected {
    #[prost(string, required, tag = "1")]
    pub(crate) server_version: String,
    #[prost(int32, optional, tag = "2")]
    pub(crate) protocol_version: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    pub(crate) max_message_size: Option<i32>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct AuthData {
    #[prost(string, optional, tag = "1")]
    pub(crate) auth_method_name: Option<String>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) auth_data: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandAuthResponse {
    #[prost(string, optional, tag = "1")]
    pub(crate) client_version: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub(crate) response: Option<AuthData>,
    #[prost(int32, optional, tag = "3")]
    pub(crate) protocol_version: Option<i32>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandAuthChallenge {
    #[prost(string, optional, tag = "1")]
    pub(crate) server_version: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub(crate) challenge: Option<AuthData>,
    #[prost(int32, optional, tag = "3")]
    pub(crate) protocol_version: Option<i32>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandSuccess {
    #[prost(uint64, required, tag = "1")]
    pub(crate) request_id: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandError {
    #[prost(uint64, required, tag = "1")]
    pub(crate) request_id: u64,
    #[prost(enumeration = "ServerError", required, tag = "2")]
    pub(crate) error: i32,
    #[prost(string, required, tag = "3")]
    pub(crate) message: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandPing {}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandPong {}
