#![doc = include_str!("../README.md")]

mod admin;
mod config;
mod consumer;
mod directory;
mod error;
mod finder;
mod group;
mod lanes;
mod link;
mod listener;
mod outbox;
mod partitioner;
mod producer;
mod raw;
mod reader;
mod receipts;
mod route;
mod router;
mod sink;
mod slots;
mod source;
mod stall;
mod topic_name;
mod writer;

pub use admin::create_topic;
pub use config::{
    Compression, Expired, Isolation, Options, Partitioner, SinkConfig, SourceConfig, Start,
};
pub use millstream_engine::routing::TopicPolicy;
pub use sink::Sink;
pub use source::Source;
