#![doc = include_str!("../README.md")]

mod append;
mod broker;
mod config;
mod consumer;
mod error;
mod faults;
mod finder;
mod log;
mod partitioner;
mod partitions;
mod producer;
mod reader;
mod router;
mod sink;
mod source;
mod topic;
mod url;
mod writer;

pub use broker::{Broker, TopicSummary};
pub use config::{End, Expired, Full, Start, TopicOptions};
pub use consumer::Consumer;
pub use faults::Faults;
pub use millstream_engine::routing::TopicPolicy;
pub use millstream_engine::sink::WhenFull;
pub use producer::Producer;
pub use sink::Sink;
pub use source::Source;
