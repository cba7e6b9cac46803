//! Connector URLs: a source or a sink in one line, as command lines and settings have it.
//!
//! A URL names connector, address, topic or path, and settings of the connector by their names. Each connector reads its own
//! ([`ConnectorUrl::fields`]); the crate `millstream` knows which connectors there are.

mod choice;
mod fields;
mod parse;

pub use fields::Fields;
pub use parse::ConnectorUrl;
