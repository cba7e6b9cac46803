#![doc = include_str!("../README.md")]

mod error;
mod intake;
mod reader;
mod sink;
mod source;
mod url;

pub use millstream_engine::sink::WhenFull;
pub use millstream_file::Format;
pub use sink::Sink;
pub use source::Source;
