//! The engine of millstream: batches, streams and stages, epochs, delivery, the runtime. It knows no broker.
//!
//! Programs use it through the crate `millstream`; connectors stand on [`source`], [`sink`] and [`batch`].

pub mod batch;
pub mod clock;
pub mod error;
pub mod format;
pub mod runtime;
pub mod sink;
pub mod source;

pub use error::{BoxError, Error, ErrorKind, Result};
