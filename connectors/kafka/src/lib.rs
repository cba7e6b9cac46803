#![doc = include_str!("../README.md")]

mod admin;
mod config;
mod consumer;
mod error;
mod finder;
mod group;
mod lanes;
mod listener;
mod partitioner;
mod position;
mod producer;
mod raw;
mod reader;
mod receipts;
mod sink;
mod slots;
mod source;
mod stall;
mod topics;
mod watch;
mod writer;

pub use admin::{NewTopic, Topics, create_topic};
pub use config::{
    Compression, End, Expired, Isolation, Options, Partitioner, SinkConfig, SourceConfig, Start,
};
pub use sink::Sink;
pub use source::Source;
