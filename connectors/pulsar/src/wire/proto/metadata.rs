//! What stands before payloads, and what it is made of.

use prost::{Enumeration, Message};

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct KeyValue {
    #[prost(string, required, tag = "1")]
    pub(crate) key: String,
    #[prost(string, required, tag = "2")]
    pub(crate) value: String,
}

/// Where a message stands: an entry of a ledger, and a message of the batch in that entry.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct MessageIdData {
    #[prost(uint64, required, tag = "1")]
    pub(crate) ledger_id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(crate) entry_id: u64,
    #[prost(int32, optional, tag = "3", default = "-1")]
    pub(crate) partition: Option<i32>,
    #[prost(int32, optional, tag = "4", default = "-1")]
    pub(crate) batch_index: Option<i32>,
    /// A bit per message of the batch: set where it is not acknowledged yet.
    #[prost(int64, repeated, packed = "false", tag = "5")]
    pub(crate) ack_set: Vec<i64>,
    #[prost(int32, optional, tag = "6")]
    pub(crate) batch_size: Option<i32>,
    #[prost(message, optional, boxed, tag = "7")]
    pub(crate) first_chunk_message_id: Option<Box<Self>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum SchemaType {
    None = 0,
    String = 1,
    Json = 2,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Schema {
    #[prost(string, required, tag = "1")]
    pub(crate) name: String,
    #[prost(bytes = "vec", required, tag = "3")]
    pub(crate) schema_data: Vec<u8>,
    #[prost(enumeration = "SchemaType", required, tag = "4")]
    pub(crate) r#type: i32,
    #[prost(message, repeated, tag = "5")]
    pub(crate) properties: Vec<KeyValue>,
}

/// A data key, encrypted for one reader.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct EncryptionKeys {
    #[prost(string, required, tag = "1")]
    pub(crate) key: String,
    #[prost(bytes = "vec", required, tag = "2")]
    pub(crate) value: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) metadata: Vec<KeyValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum CompressionType {
    None = 0,
    Lz4 = 1,
    Zlib = 2,
    Zstd = 3,
    Snappy = 4,
}

/// What stands before an entry's payload.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct MessageMetadata {
    #[prost(string, required, tag = "1")]
    pub(crate) producer_name: String,
    #[prost(uint64, required, tag = "2")]
    pub(crate) sequence_id: u64,
    #[prost(uint64, required, tag = "3")]
    pub(crate) publish_time: u64,
    #[prost(message, repeated, tag = "4")]
    pub(crate) properties: Vec<KeyValue>,
    #[prost(string, optional, tag = "5")]
    pub(crate) replicated_from: Option<String>,
    #[prost(string, optional, tag = "6")]
    pub(crate) partition_key: Option<String>,
    #[prost(enumeration = "CompressionType", optional, tag = "8")]
    pub(crate) compression: Option<i32>,
    #[prost(uint32, optional, tag = "9")]
    pub(crate) uncompressed_size: Option<u32>,
    /// Absent in an entry that is one message and no batch.
    #[prost(int32, optional, tag = "11")]
    pub(crate) num_messages_in_batch: Option<i32>,
    #[prost(uint64, optional, tag = "12")]
    pub(crate) event_time: Option<u64>,
    #[prost(message, repeated, tag = "13")]
    pub(crate) encryption_keys: Vec<EncryptionKeys>,
    #[prost(string, optional, tag = "14")]
    pub(crate) encryption_algo: Option<String>,
    #[prost(bytes = "vec", optional, tag = "15")]
    pub(crate) encryption_param: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "16")]
    pub(crate) schema_version: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "17")]
    pub(crate) partition_key_b64_encoded: Option<bool>,
    #[prost(bytes = "vec", optional, tag = "18")]
    pub(crate) ordering_key: Option<Vec<u8>>,
    #[prost(int64, optional, tag = "19")]
    pub(crate) deliver_at_time: Option<i64>,
    /// Set on entries of the broker's own, such as the ends of transactions: not for readers.
    #[prost(int32, optional, tag = "20")]
    pub(crate) marker_type: Option<i32>,
    #[prost(uint64, optional, tag = "22")]
    pub(crate) txnid_least_bits: Option<u64>,
    #[prost(uint64, optional, tag = "23")]
    pub(crate) txnid_most_bits: Option<u64>,
    #[prost(uint64, optional, tag = "24")]
    pub(crate) highest_sequence_id: Option<u64>,
    #[prost(bool, optional, tag = "25")]
    pub(crate) null_value: Option<bool>,
    #[prost(string, optional, tag = "26")]
    pub(crate) uuid: Option<String>,
    #[prost(int32, optional, tag = "27")]
    pub(crate) num_chunks_from_msg: Option<i32>,
    #[prost(int32, optional, tag = "28")]
    pub(crate) total_chunk_msg_size: Option<i32>,
    #[prost(int32, optional, tag = "29")]
    pub(crate) chunk_id: Option<i32>,
    #[prost(bool, optional, tag = "30")]
    pub(crate) null_partition_key: Option<bool>,
}

/// What stands before a message within a batch. The hot paths read and write it by hand; tests compare them with this.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct SingleMessageMetadata {
    #[prost(message, repeated, tag = "1")]
    pub(crate) properties: Vec<KeyValue>,
    #[prost(string, optional, tag = "2")]
    pub(crate) partition_key: Option<String>,
    #[prost(int32, required, tag = "3")]
    pub(crate) payload_size: i32,
    #[prost(bool, optional, tag = "4")]
    pub(crate) compacted_out: Option<bool>,
    #[prost(uint64, optional, tag = "5")]
    pub(crate) event_time: Option<u64>,
    #[prost(bool, optional, tag = "6")]
    pub(crate) partition_key_b64_encoded: Option<bool>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub(crate) ordering_key: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "8")]
    pub(crate) sequence_id: Option<u64>,
    #[prost(bool, optional, tag = "9")]
    pub(crate) null_value: Option<bool>,
    #[prost(bool, optional, tag = "10")]
    pub(crate) null_partition_key: Option<bool>,
}
