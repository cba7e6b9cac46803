//! Where topics are, which there are, and their schemas.

use prost::{Enumeration, Message};

use super::{Schema, ServerError};

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandPartitionedTopicMetadata {
    #[prost(string, required, tag = "1")]
    pub(crate) topic: String,
    #[prost(uint64, required, tag = "2")]
    pub(crate) request_id: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum MetadataLookupType {
    Success = 0,
    Failed = 1,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandPartitionedTopicMetadataResponse {
    #[prost(uint32, optional, tag = "1")]
    pub(crate) partitions: Option<u32>,
    #[prost(uint64, required, tag = "2")]
    pub(crate) request_id: u64,
    #[prost(enumeration = "MetadataLookupType", optional, tag = "3")]
    pub(crate) response: Option<i32>,
    #[prost(enumeration = "ServerError", optional, tag = "4")]
    pub(crate) error: Option<i32>,
    #[prost(string, optional, tag = "5")]
    pub(crate) message: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandLookupTopic {
    #[prost(string, required, tag = "1")]
    pub(crate) topic: String,
    #[prost(uint64, required, tag = "2")]
    pub(crate) request_id: u64,
    #[prost(bool, optional, tag = "3")]
    pub(crate) authoritative: Option<bool>,
    #[prost(string, optional, tag = "7")]
    pub(crate) advertised_listener_name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum LookupType {
    Redirect = 0,
    Connect = 1,
    Failed = 2,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandLookupTopicResponse {
    #[prost(string, optional, tag = "1")]
    pub(crate) broker_service_url: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(crate) broker_service_url_tls: Option<String>,
    #[prost(enumeration = "LookupType", optional, tag = "3")]
    pub(crate) response: Option<i32>,
    #[prost(uint64, required, tag = "4")]
    pub(crate) request_id: u64,
    #[prost(bool, optional, tag = "5")]
    pub(crate) authoritative: Option<bool>,
    #[prost(enumeration = "ServerError", optional, tag = "6")]
    pub(crate) error: Option<i32>,
    #[prost(string, optional, tag = "7")]
    pub(crate) message: Option<String>,
    #[prost(bool, optional, tag = "8")]
    pub(crate) proxy_through_service_url: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum NamespaceMode {
    Persistent = 0,
    NonPersistent = 1,
    All = 2,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandGetTopicsOfNamespace {
    #[prost(uint64, required, tag = "1")]
    pub(crate) request_id: u64,
    #[prost(string, required, tag = "2")]
    pub(crate) namespace: String,
    #[prost(enumeration = "NamespaceMode", optional, tag = "3")]
    pub(crate) mode: Option<i32>,
    #[prost(string, optional, tag = "4")]
    pub(crate) topics_pattern: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandGetTopicsOfNamespaceResponse {
    #[prost(uint64, required, tag = "1")]
    pub(crate) request_id: u64,
    #[prost(string, repeated, tag = "2")]
    pub(crate) topics: Vec<String>,
    #[prost(bool, optional, tag = "3")]
    pub(crate) filtered: Option<bool>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandGetOrCreateSchema {
    #[prost(uint64, required, tag = "1")]
    pub(crate) request_id: u64,
    #[prost(string, required, tag = "2")]
    pub(crate) topic: String,
    #[prost(message, required, tag = "3")]
    pub(crate) schema: Schema,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandGetOrCreateSchemaResponse {
    #[prost(uint64, required, tag = "1")]
    pub(crate) request_id: u64,
    #[prost(enumeration = "ServerError", optional, tag = "2")]
    pub(crate) error_code: Option<i32>,
    #[prost(string, optional, tag = "3")]
    pub(crate) error_message: Option<String>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(crate) schema_version: Option<Vec<u8>>,
}
