//! Record batches as timely's containers: what edges between operators carry, also between processes.

use std::io::Write;

use timely::Accountable;
use timely::bytes::arc::Bytes;
use timely::dataflow::channels::ContainerBytes;

use super::{RecordBatch, wire};

impl Accountable for RecordBatch {
    fn record_count(&self) -> i64 {
        i64::try_from(self.len()).unwrap_or(i64::MAX)
    }
}

/// Used between processes alone; workers of one process hand batches over as they are.
impl ContainerBytes for RecordBatch {
    /// # Panics
    /// When the bytes are not those of a batch. The trait knows no error; a process of another version is turned away before.
    fn from_bytes(bytes: Bytes) -> Self {
        match wire::decode(&bytes[..]) {
            Ok(batch) => batch,
            Err(damage) => panic!("a record batch from another process is damaged: {damage}"),
        }
    }

    fn length_in_bytes(&self) -> usize {
        wire::encoded_len(self)
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        wire::encode(self, writer).expect("timely asked for the length and made room for it");
    }
}
