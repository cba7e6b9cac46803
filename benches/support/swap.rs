//! Refills by swapping, for dataflows that only look at records.

use std::collections::VecDeque;

use millstream::batch::RecordBatch;

/// Swaps the batch that came back for the next prepared one.
pub(crate) fn swap(batch: &mut RecordBatch, prepared: &mut VecDeque<RecordBatch>) {
    if !batch.is_empty() {
        prepared.push_back(std::mem::take(batch));
    }
    if let Some(next) = prepared.pop_front() {
        *batch = next;
    }
}
