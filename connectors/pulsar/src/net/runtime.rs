//! The runtime that connections live on: the engine's, as whoever opens them has asked for it before.

use millstream_engine::io::{self, Handle};

/// The runtime of this process.
///
/// # Panics
/// Where there is none: sources, sinks and admin clients ask [`io::handle`] first, and pass its error on.
pub(crate) fn handle() -> &'static Handle {
    io::handle().expect("whoever opens a connection has asked for the runtime")
}
