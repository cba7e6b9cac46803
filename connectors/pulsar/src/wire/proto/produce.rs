//! Producers and what they send.

use prost::{Enumeration, Message};

use super::{KeyValue, MessageIdData, Schema, ServerError};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum ProducerAccessMode {
    Shared = 0,
    Exclusive = 1,
    WaitForExclusive = 2,
    ExclusiveWithFencing = 3,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandProducer {
    #[prost(string, required, tag = "1")]
    pub(crate) topic: String,
    #[prost(uint64, required, tag = "2")]
    pub(crate) producer_id: u64,
    #[prost(uint64, required, tag = "3")]
    pub(crate) request_id: u64,
    #[prost(string, optional, tag = "4")]
    pub(crate) producer_name: Option<String>,
    #[prost(bool, optional, tag = "5")]
    pub(crate) encrypted: Option<bool>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) metadata: Vec<KeyValue>,
    #[prost(message, optional, tag = "7")]
    pub(crate) schema: Option<Schema>,
    #[prost(uint64, optional, tag = "8")]
    pub(crate) epoch: Option<u64>,
    #[prost(bool, optional, tag = "9", default = "true")]
    pub(crate) user_provided_producer_name: Option<bool>,
    #[prost(enumeration = "ProducerAccessMode", optional, tag = "10")]
    pub(crate) producer_access_mode: Option<i32>,
    #[prost(uint64, optional, tag = "11")]
    pub(crate) topic_epoch: Option<u64>,
    #[prost(string, optional, tag = "13")]
    pub(crate) initial_subscription_name: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandSend {
    #[prost(uint64, required, tag = "1")]
    pub(crate) producer_id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(crate) sequence_id: u64,
    #[prost(int32, optional, tag = "3", default = "1")]
    pub(crate) num_messages: Option<i32>,
    #[prost(uint64, optional, tag = "6")]
    pub(crate) highest_sequence_id: Option<u64>,
    #[prost(bool, optional, tag = "7")]
    pub(crate) is_chunk: Option<bool>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandSendReceipt {
    #[prost(uint64, required, tag = "1")]
    pub(crate) producer_id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(crate) sequence_id: u64,
    /// Ledger and entry are `u64::MAX` where the broker dropped the message as seen before.
    #[prost(message, optional, tag = "3")]
    pub(crate) message_id: Option<MessageIdData>,
    #[prost(uint64, optional, tag = "4")]
    pub(crate) highest_sequence_id: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandSendError {
    #[prost(uint64, required, tag = "1")]
    pub(crate) producer_id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(crate) sequence_id: u64,
    #[prost(enumeration = "ServerError", required, tag = "3")]
    pub(crate) error: i32,
    #[prost(string, required, tag = "4")]
    pub(crate) message: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandCloseProducer {
    #[prost(uint64, required, tag = "1")]
    pub(crate) producer_id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(crate) request_id: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CommandProducerSuccess {
    #[prost(uint64, required, tag = "1")]
    pub(crate) request_id: u64,
    #[prost(string, required, tag = "2")]
    pub(crate) producer_name: String,
    #[prost(int64, optional, tag = "3", default = "-1")]
    pub(crate) last_sequence_id: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(crate) schema_version: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "5")]
    pub(crate) topic_epoch: Option<u64>,
    /// False while the producer waits for exclusive access; a second answer follows.
    #[prost(bool, optional, tag = "6", default = "true")]
    pub(crate) producer_ready: Option<bool>,
}
