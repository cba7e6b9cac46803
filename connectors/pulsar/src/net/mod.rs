//! Connections to brokers, and which broker serves a topic.

pub(crate) mod backoff;
mod certificate;
pub(crate) mod cluster;
mod connect;
pub(crate) mod connection;
mod dial;
mod fault;
pub(crate) mod http;
pub(crate) mod runtime;
mod tls;
mod trouble;

pub(crate) use certificate::date;
pub(crate) use connection::Connection;
pub(crate) use fault::TlsFault;
pub(crate) use trouble::{LoginTold, Trouble};

#[cfg(test)]
mod tests;
