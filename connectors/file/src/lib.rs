#![doc = include_str!("../README.md")]

mod config;
pub mod divide;
mod error;
mod finder;
mod identity;
mod io_thread;
mod lane;
pub mod output;
mod parts;
mod paths;
mod position;
mod queue;
mod reader;
mod rotation;
mod rows;
mod rule;
mod sink;
mod source;
mod target;
mod url;
mod writer;

pub use config::{End, Expired, Format, Roll, SinkConfig, SourceConfig, Start};
pub use millstream_engine::sink::WhenFull;
pub use sink::Sink;
pub use source::Source;
