//! Connections to brokers, for what is not left to librdkafka.

pub(crate) mod exchange;
