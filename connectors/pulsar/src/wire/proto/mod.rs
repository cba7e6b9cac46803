//! The messages of Pulsar's binary protocol, as far as they are used here.
//!
//! Names and numbers are those of `PulsarApi.proto` (protocol version 19, Pulsar 4.0). A field that is not named here is skipped
//! when it comes and absent when we write. Written by hand, so that a build needs no protobuf compiler.
#![expect(clippy::struct_field_names, reason = "the protocol's names")]

mod connect;
mod consume;
mod lookup;
mod metadata;
mod produce;

use prost::{Message, Oneof};

pub(crate) use connect::*;
pub(crate) use consume::*;
pub(crate) use lookup::*;
pub(crate) use metadata::*;
pub(crate) use produce::*;

/// The protocol version that we speak: keep-alives, batches, checksums, acknowledgement receipts.
pub(crate) const PROTOCOL_VERSION: i32 = 19;

/// A command: its kind, and the command itself in the field of that number.

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct BaseCommand {
    #[prost(int32, required, tag = "1")]
    pub(crate) r#type: i32,
    /// Absent where the kind is one that we do not know.
    #[prost(
        oneof = "Command",
        tags = "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 27, 28, 29, 30, 31, 32, 33, 36, 37, 38, 39, 40"
    )]
    pub(crate) command: Option<Command>,
}

#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub(crate) enum Command {
    #[prost(message, tag = "2")]
    Connect(CommandConnect),
    #[prost(message, tag = "3")]
    Connected(CommandConnected),
    #[prost(message, tag = "4")]
    Subscribe(CommandSubscribe),
    #[prost(message, tag = "5")]
    Producer(CommandProducer),
    #[prost(message, tag = "6")]
    Send(CommandSend),
    #[prost(message, tag = "7")]
    SendReceipt(CommandSendReceipt),
    #[prost(message, tag = "8")]
    SendError(CommandSendError),
    #[prost(message, tag = "9")]
    Message(CommandMessage),
    #[prost(message, tag = "10")]
    Ack(CommandAck),
    #[prost(message, tag = "11")]
    Flow(CommandFlow),
    #[prost(message, tag = "12")]
    Unsubscribe(CommandUnsubscribe),
    #[prost(message, tag = "13")]
    Success(CommandSuccess),
    #[prost(message, tag = "14")]
    Error(CommandError),
    #[prost(message, tag = "15")]
    CloseProducer(CommandCloseProducer),
    #[prost(message, tag = "16")]
    CloseConsumer(CommandCloseConsumer),
    #[prost(message, tag = "17")]
    ProducerSuccess(CommandProducerSuccess),
    #[prost(message, tag = "18")]
    Ping(CommandPing),
    #[prost(message, tag = "19")]
    Pong(CommandPong),
    #[prost(message, tag = "20")]
    RedeliverUnacknowledged(CommandRedeliverUnacknowledgedMessages),
    #[prost(message, tag = "21")]
    PartitionMetadata(CommandPartitionedTopicMetadata),
    #[prost(message, tag = "22")]
    PartitionMetadataResponse(CommandPartitionedTopicMetadataResponse),
    #[prost(message, tag = "23")]
    Lookup(CommandLookupTopic),
    #[prost(message, tag = "24")]
    LookupResponse(CommandLookupTopicResponse),
    #[prost(message, tag = "27")]
    ReachedEndOfTopic(CommandReachedEndOfTopic),
    #[prost(message, tag = "28")]
    Seek(CommandSeek),
    #[prost(message, tag = "29")]
    GetLastMessageId(CommandGetLastMessageId),
    #[prost(message, tag = "30")]
    GetLastMessageIdResponse(CommandGetLastMessageIdResponse),
    #[prost(message, tag = "31")]
    ActiveConsumerChange(CommandActiveConsumerChange),
    #[prost(message, tag = "32")]
    GetTopicsOfNamespace(CommandGetTopicsOfNamespace),
    #[prost(message, tag = "33")]
    GetTopicsOfNamespaceResponse(CommandGetTopicsOfNamespaceResponse),
    #[prost(message, tag = "36")]
    AuthChallenge(CommandAuthChallenge),
    #[prost(message, tag = "37")]
    AuthResponse(CommandAuthResponse),
    #[prost(message, tag = "38")]
    AckResponse(CommandAckResponse),
    #[prost(message, tag = "39")]
    GetOrCreateSchema(CommandGetOrCreateSchema),
    #[prost(message, tag = "40")]
    GetOrCreateSchemaResponse(CommandGetOrCreateSchemaResponse),
}

impl Command {
    /// The number of its kind, which is that of its field too.
    fn kind(&self) -> i32 {
        match self {
            Self::Connect(_) => 2,
            Self::Connected(_) => 3,
            Self::Subscribe(_) => 4,
            Self::Producer(_) => 5,
            Self::Send(_) => 6,
            Self::SendReceipt(_) => 7,
            Self::SendError(_) => 8,
            Self::Message(_) => 9,
            Self::Ack(_) => 10,
            Self::Flow(_) => 11,
            Self::Unsubscribe(_) => 12,
            Self::Success(_) => 13,
            Self::Error(_) => 14,
            Self::CloseProducer(_) => 15,
            Self::CloseConsumer(_) => 16,
            Self::ProducerSuccess(_) => 17,
            Self::Ping(_) => 18,
            Self::Pong(_) => 19,
            Self::RedeliverUnacknowledged(_) => 20,
            Self::PartitionMetadata(_) => 21,
            Self::PartitionMetadataResponse(_) => 22,
            Self::Lookup(_) => 23,
            Self::LookupResponse(_) => 24,
            Self::ReachedEndOfTopic(_) => 27,
            Self::Seek(_) => 28,
            Self::GetLastMessageId(_) => 29,
            Self::GetLastMessageIdResponse(_) => 30,
            Self::ActiveConsumerChange(_) => 31,
            Self::GetTopicsOfNamespace(_) => 32,
            Self::GetTopicsOfNamespaceResponse(_) => 33,
            Self::AuthChallenge(_) => 36,
            Self::AuthResponse(_) => 37,
            Self::AckResponse(_) => 38,
            Self::GetOrCreateSchema(_) => 39,
            Self::GetOrCreateSchemaResponse(_) => 40,
        }
    }

    /// The request that this answers.
    pub(crate) fn answers(&self) -> Option<u64> {
        match self {
            Self::Success(answer) => Some(answer.request_id),
            Self::Error(answer) => Some(answer.request_id),
            Self::ProducerSuccess(answer) => Some(answer.request_id),
            Self::PartitionMetadataResponse(answer) => Some(answer.request_id),
            Self::LookupResponse(answer) => Some(answer.request_id),
            Self::GetLastMessageIdResponse(answer) => Some(answer.request_id),
            Self::GetTopicsOfNamespaceResponse(answer) => Some(answer.request_id),
            Self::GetOrCreateSchemaResponse(answer) => Some(answer.request_id),
            Self::AckResponse(answer) => answer.request_id,
            _ => None,
        }
    }
}

impl From<Command> for BaseCommand {
    fn from(command: Command) -> Self {
        Self { r#type: command.kind(), command: Some(command) }
    }
}
