//! What a program can set.
//!
//! Invariant: every default is written once, in `new`.

mod cluster;
mod from_url;
mod login;
mod preset;
mod security;
mod sink;
mod source;
mod topics;

pub use cluster::ClusterConfig;
pub use login::{Credentials, Login, OAuth2, OAuth2Client, TokenSupplier, Tokens};
pub use security::{Identity, Pem, Security, Tls};
pub use sink::{AccessMode, Compression, Partitioner, Schema, SinkConfig};
pub use source::{End, Expired, Mode, SourceConfig, Start};
pub(crate) use topics::Pattern;
