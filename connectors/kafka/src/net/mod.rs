//! Connections to brokers, for what is not left to librdkafka.

pub(crate) mod address;
pub(crate) mod asker;
pub(crate) mod backoff;
mod connect;
pub(crate) mod dial;
pub(crate) mod exchange;
mod failure;
mod socket;
pub(crate) mod stream;
mod tls;
mod tuning;
pub(crate) mod versions;
