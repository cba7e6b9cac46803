//! Subscriptions, what they deliver, and acknowledgements.

use prost::{Enumeration, Message};

use super::{KeyValue, MessageIdData, Schema, ServerError};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum KeySharedMode {
    AutoSplit = 0,
    Sticky = 1,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct IntRange {
    #[prost(int32, required, tag = "1")]
    pub(crate) start: i32,
    #[prost(int32, required, tag = "2")]
    pub(crate) end: i32,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct KeySharedMeta {
    #[prost(enumeration = "KeySharedMode", required, tag = "1")]
    pub(crate) key_shared_mode: i32,
    #[prost(message, repeated, tag = "3")]
    pub(crate) hash_ranges: Vec<IntRange>,
    #[prost(bool, optional, tag = "4")]
    pub(crate) allow_out_of_order_delivery: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum SubType {
    Exclusive = 0,
    Shared = 1,
    Failover = 2,
    KeyShared = 3,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum InitialPosition {
    Latest = 0,
    Earliest = 1,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandSubscribe {
    #[prost(string, required, tag = "1")]
    pub(crate) topic: String,
    #[prost(string, required, tag = "2")]
    pub(crate) subscription: String,
    #[prost(enumeration = "SubType", required, tag = "3")]
    pub(crate) sub_type: i32,
    #[prost(uint64, required, tag = "4")]
    pub(crate) consumer_id: u64,
    #[prost(uint64, required, tag = "5")]
    pub(crate) request_id: u64,
    #[prost(string, optional, tag = "6")]
    pub(crate) consumer_name: Option<String>,
    #[prost(int32, optional, tag = "7")]
    pub(crate) priority_level: Option<i32>,
    #[prost(bool, optional, tag = "8")]
    pub(crate) durable: Option<bool>,
    #[prost(message, optional, tag = "9")]
    pub(crate) start_message_id: Option<MessageIdData>,
    #[prost(message, repeated, tag = "10")]
    pub(crate) metadata: Vec<KeyValue>,
    #[prost(bool, optional, tag = "11")]
    pub(crate) read_compacted: Option<bool>,
    #[prost(message, optional, tag = "12")]
    pub(crate) schema: Option<Schema>,
    #[prost(enumeration = "InitialPosition", optional, tag = "13")]
    pub(crate) initial_position: Option<i32>,
    #[prost(bool, optional, tag = "15", default = "true")]
    pub(crate) force_topic_creation: Option<bool>,
    #[prost(uint64, optional, tag = "16")]
    pub(crate) start_message_rollback_duration_sec: Option<u64>,
    #[prost(message, optional, tag = "17")]
    pub(crate) key_shared_meta: Option<KeySharedMeta>,
    #[prost(message, repeated, tag = "18")]
    pub(crate) subscription_properties: Vec<KeyValue>,
    #[prost(uint64, optional, tag = "19")]
    pub(crate) consumer_epoch: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandMessage {
    #[prost(uint64, required, tag = "1")]
    pub(crate) consumer_id: u64,
    #[prost(message, required, tag = "2")]
    pub(crate) message_id: MessageIdData,
    #[prost(uint32, optional, tag = "3")]
    pub(crate) redelivery_count: Option<u32>,
    /// A bit per message of the batch: set where it is not acknowledged yet. Empty: none is.
    #[prost(int64, repeated, packed = "false", tag = "4")]
    pub(crate) ack_set: Vec<i64>,
    #[prost(uint64, optional, tag = "5")]
    pub(crate) consumer_epoch: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum AckType {
    Individual = 0,
    Cumulative = 1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum ValidationError {
    UncompressedSizeCorruption = 0,
    DecompressionError = 1,
    ChecksumMismatch = 2,
    BatchDeSerializeError = 3,
    DecryptionError = 4,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandAck {
    #[prost(uint64, required, tag = "1")]
    pub(crate) consumer_id: u64,
    #[prost(enumeration = "AckType", required, tag = "2")]
    pub(crate) ack_type: i32,
    #[prost(message, repeated, tag = "3")]
    pub(crate) message_id: Vec<MessageIdData>,
    #[prost(enumeration = "ValidationError", optional, tag = "4")]
    pub(crate) validation_error: Option<i32>,
    #[prost(uint64, optional, tag = "8")]
    pub(crate) request_id: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandAckResponse {
    #[prost(uint64, required, tag = "1")]
    pub(crate) consumer_id: u64,
    #[prost(enumeration = "ServerError", optional, tag = "4")]
    pub(crate) error: Option<i32>,
    #[prost(string, optional, tag = "5")]
    pub(crate) message: Option<String>,
    #[prost(uint64, optional, tag = "6")]
    pub(crate) request_id: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandActiveConsumerChange {
    #[prost(uint64, required, tag = "1")]
    pub(crate) consumer_id: u64,
    #[prost(bool, optional, tag = "2")]
    pub(crate) is_active: Option<bool>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandFlow {
    #[prost(uint64, required, tag = "1")]
    pub(crate) consumer_id: u64,
    #[prost(uint32, required, tag = "2")]
    pub(crate) message_permits: u32,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandUnsubscribe {
    #[prost(uint64, required, tag = "1")]
    pub(crate) consumer_id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(crate) request_id: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandSeek {
    #[prost(uint64, required, tag = "1")]
    pub(crate) consumer_id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(crate) request_id: u64,
    #[prost(message, optional, tag = "3")]
    pub(crate) message_id: Option<MessageIdData>,
    #[prost(uint64, optional, tag = "4")]
    pub(crate) message_publish_time: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandReachedEndOfTopic {
    #[prost(uint64, required, tag = "1")]
    pub(crate) consumer_id: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandCloseConsumer {
    #[prost(uint64, required, tag = "1")]
    pub(crate) consumer_id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(crate) request_id: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandRedeliverUnacknowledgedMessages {
    #[prost(uint64, required, tag = "1")]
    pub(crate) consumer_id: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) message_ids: Vec<MessageIdData>,
    #[prost(uint64, optional, tag = "3")]
    pub(crate) consumer_epoch: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandGetLastMessageId {
    #[prost(uint64, required, tag = "1")]
    pub(crate) consumer_id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(crate) request_id: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandGetLastMessageIdResponse {
    #[prost(message, required, tag = "1")]
    pub(crate) last_message_id: MessageIdData,
    #[prost(uint64, required, tag = "2")]
    pub(crate) request_id: u64,
    #[prost(message, optional, tag = "3")]
    pub(crate) consumer_mark_delete_position: Option<MessageIdData>,
}
