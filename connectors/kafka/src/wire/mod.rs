//! Kafka's protocol as bytes, without a connection: what requests, answers and record batches look like.
//!
//! Source: the protocol guide of Apache Kafka. Requests are written in versions without tagged fields, which brokers since
//! 2.4 understand (2.1 where no topic is created). Invariant: a length that was read is compared with the bytes that are there before it is used.

pub(crate) mod batch;
pub(crate) mod codec;
pub(crate) mod compression;
pub(crate) mod create_topics;
pub(crate) mod decode;
pub(crate) mod error_code;
mod lz4_frame;
pub(crate) mod metadata;
pub(crate) mod produce;
pub(crate) mod producer_id;
pub(crate) mod records;
mod varint;

#[cfg(test)]
mod tests;
