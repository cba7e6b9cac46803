//! The engine of millstream: batches, streams and stages, epochs, delivery, the runtime. It knows no broker.
//!
//! Programs use it through the crate `millstream`; connectors stand on [`source`], [`sink`] and [`batch`]; operators stand on
//! [`stage`].

pub mod batch;
pub mod clock;
pub mod config;
pub mod error;
pub mod flow;
pub mod format;
#[cfg(feature = "io")]
pub mod io;
pub mod metrics;
pub mod position;
mod preset;
pub mod routing;
pub mod runtime;
pub mod secret;
pub mod sink;
pub mod source;
pub mod stage;
pub mod testing;
pub mod url;

pub use config::Config;
pub use error::{BoxError, Error, ErrorKind, Result};
pub use flow::{Dataflow, DeadLetter, ErrorRecord, Flow, RecordStream, Stream};
pub use preset::Preset;
pub use runtime::{Handle, run, start};
pub use secret::Secret;
