#![doc = include_str!("../README.md")]

mod admin;
mod auth;
mod config;
mod consumer;
mod encryption;
mod error;
mod finder;
#[cfg(test)]
mod interop;
mod net;
mod outbox;
mod partitioner;
mod position;
mod producer;
mod reader;
mod receipts;
mod route;
mod router;
mod sink;
mod slots;
mod source;
mod survey;
mod topic_name;
mod topics;
mod verdict;
mod wire;
mod writer;

pub use admin::{Backlog, Namespaces, NewNamespace, NewTopic, TopicStats, Topics};
pub use config::{
    AccessMode, ClusterConfig, Compression, Credentials, End, Expired, Identity, Login, Mode,
    OAuth2, OAuth2Client, Partitioner, Pem, Schema, Security, SinkConfig, SourceConfig, Start, Tls,
    TokenSupplier, Tokens,
};
pub use encryption::{Decryption, Encryption, KeyFiles, KeyReader, OnUndecryptable, PublicKey};
pub use millstream_engine::routing::TopicPolicy;
pub use millstream_engine::sink::WhenFull;
pub use position::MessageId;
pub use sink::Sink;
pub use source::Source;
