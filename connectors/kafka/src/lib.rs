#![doc = include_str!("../README.md")]

mod admin;
mod certificate;
mod config;
mod consumer;
mod entrance;
mod error;
mod finder;
mod group;
mod keeper;
mod lanes;
mod listener;
mod partitioner;
mod producer;
mod raw;
mod reader;
mod receipts;
mod sink;
mod slots;
mod source;
mod stall;
mod trouble;
mod unsecured;
mod verdict;
mod writer;

pub use admin::{create_topic, create_topic_with};
pub use config::{
    Compression, Credentials, Expired, Identity, Isolation, Login, Options, Partitioner, Pem,
    Security, SinkConfig, SourceConfig, Start, Tls, Token, TokenSupplier, Tokens,
};
pub use sink::Sink;
pub use source::Source;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/security.md")]
struct GuideToSecurity;
