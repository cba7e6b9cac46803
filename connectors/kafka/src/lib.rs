#![doc = include_str!("../README.md")]

mod admin;
mod certificate;
mod config;
mod consumer;
mod control;
mod entrance;
mod error;
mod finder;
mod group;
mod keeper;
mod lanes;
mod listener;
mod net;
mod outbox;
mod partitioner;
mod position;
mod producer;
mod raw;
mod reader;
mod receipts;
mod route;
mod router;
#[cfg(test)]
mod scripted;
mod sink;
mod slots;
mod source;
mod topic_name;
mod topics;
mod trouble;
mod unsecured;
mod verdict;
mod watch;
mod wire;
mod writer;

pub use admin::{NewTopic, Topics, create_topic};
pub use config::{
    Compression, Credentials, End, Expired, Identity, Isolation, Login, Options, Partitioner, Pem,
    Security, SinkConfig, SourceConfig, Start, Tls, Token, TokenSupplier, Tokens,
};
pub use millstream_engine::routing::TopicPolicy;
pub use millstream_engine::sink::WhenFull;
pub use sink::Sink;
pub use source::Source;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/security.md")]
struct GuideToSecurity;
