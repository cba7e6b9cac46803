//! Bytes of the binary protocol, without a connection.

#[cfg_attr(not(test), expect(dead_code, reason = "sources and sinks do without chunks yet"))]
pub(crate) mod chunk;
pub(crate) mod compression;
pub(crate) mod entry;
pub(crate) mod frame;
pub(crate) mod head;
pub(crate) mod proto;
pub(crate) mod protobuf;
