//! Record batches as timely's containers: what edges between operators carry.

use timely::Accountable;

use super::RecordBatch;

impl Accountable for RecordBatch {
    fn record_count(&self) -> i64 {
        i64::try_from(self.len()).unwrap_or(i64::MAX)
    }
}
