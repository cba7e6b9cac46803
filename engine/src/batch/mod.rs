//! Records and the arena batches they travel in.
//!
//! Invariant: one shared byte arena and 32 bytes per record; nothing is allocated per record.

mod container;
mod destination;
mod destination_column;
mod entry;
mod envelope;
mod envelope_column;
mod headers;
mod names;
mod origin;
mod owned;
mod record;
mod record_batch;
mod wire;
mod writer;

pub use destination::{Destination, OwnedDestination};
pub use entry::{Entry, NO_TIME};
pub use envelope::{EntryId, Envelope, OwnedEnvelope, RecordId};
pub use headers::{Header, Headers};
pub(crate) use names::hash_of_name;
pub use origin::{Origin, Run};
pub use owned::OwnedRecord;
pub use record::Record;
pub use record_batch::{BATCH_BYTES, RecordBatch};
pub use writer::RecordWriter;
