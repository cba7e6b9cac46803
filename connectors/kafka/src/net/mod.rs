//! Connections to brokers, for what is not left to librdkafka.

pub(crate) mod address;
pub(crate) mod asker;
pub(crate) mod backoff;
mod bearer;
mod connect;
pub(crate) mod dial;
pub(crate) mod exchange;
mod failure;
mod sasl;
mod scram;
mod socket;
pub(crate) mod stream;
mod tls;
mod tuning;
pub(crate) mod versions;
