//! Records of one topic that travel together, and what is known of them on the way.

use std::time::Instant;

use bytes::Bytes;
use millstream_engine::batch::{Origin, OwnedRecord, Record, RecordBatch};

use super::provenance::Provenance;
use crate::wire::entry::read::BatchCursor;
use crate::wire::entry::write::{Fields, Unwritable, append};

/// Neighbouring records of a batch that were taken in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The slot of their epoch.
    pub(crate) slot: u32,
    pub(crate) n_records: u32,
    /// Bytes that they are counted with.
    pub(crate) n_bytes: usize,
}

/// The records of a batch as the protocol has them: still growing, or shared with what is sent.
#[derive(Debug)]
enum Body {
    Open(Vec<u8>),
    Closed(Bytes),
}

/// Records of one topic that travel together.
#[derive(Debug)]
pub(crate) struct Batch {
    body: Body,
    pub(crate) n_records: u32,
    pub(crate) runs: Vec<Run>,
    provenance: Provenance,
    /// When its first record was taken.
    pub(crate) born: Instant,
}

impl Batch {
    /// An empty batch; `memory` is used again.
    pub(crate) fn new(mut memory: Vec<u8>, born: Instant) -> Self {
        memory.clear();
        let runs = Vec::with_capacity(2);
        let provenance = Provenance::default();
        Self { body: Body::Open(memory), n_records: 0, runs, provenance, born }
    }

    /// Appends a record that is counted with `n_bytes` in the epoch of `slot`.
    ///
    /// # Errors
    /// [`Unwritable`]; the batch is as it was.
    #[inline]
    pub(crate) fn push(
        &mut self,
        record: Record<'_>,
        slot: u32,
        n_bytes: usize,
    ) -> Result<(), Unwritable> {
        if let Body::Open(body) = &mut self.body {
            append(body, &Fields::from(record))?;
        }
        self.provenance.push(record.origin(), record.position());
        self.n_records += 1;
        match self.runs.last_mut() {
            Some(run) if run.slot == slot => {
                run.n_records += 1;
                run.n_bytes += n_bytes;
            }
            _ => self.runs.push(Run { slot, n_records: 1, n_bytes }),
        }
        Ok(())
    }

    /// Bytes of the records as they are written.
    pub(crate) fn n_bytes(&self) -> usize {
        self.bytes().len()
    }

    /// The records as they are written.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Open(body) => body,
            Body::Closed(body) => body,
        }
    }

    /// Ends the growing; what it returns and the batch share their memory.
    pub(crate) fn close(&mut self) -> Bytes {
        if let Body::Open(body) = &mut self.body {
            self.body = Body::Closed(Bytes::from(std::mem::take(body)));
        }
        match &self.body {
            Body::Closed(body) => body.clone(),
            Body::Open(_) => Bytes::new(),
        }
    }

    /// The memory of the records, if nobody else reads it any more.
    pub(crate) fn into_memory(self) -> Option<Vec<u8>> {
        match self.body {
            Body::Open(body) => Some(body),
            Body::Closed(body) => body.try_into_mut().ok().map(Vec::from),
        }
    }

    /// The records as they were handed to us, but for where they were to go, each with its run.
    pub(crate) fn for_each(&self, mut each: impl FnMut(OwnedRecord, Run)) {
        let bytes = self.bytes();
        let mut cursor = BatchCursor::new(i32::try_from(self.n_records).unwrap_or(i32::MAX));
        let (mut read, mut scratch) = (RecordBatch::default(), Vec::new());
        while let Ok(Some(message)) = cursor.next(bytes, &[]) {
            let mut writer = read.writer();
            if message.write_to(&mut writer, &mut scratch).is_ok() {
                writer.finish();
            }
        }
        debug_assert_eq!(read.len(), self.n_records as usize, "we wrote it ourselves");
        let runs = self.runs.iter().flat_map(|run| (0..run.n_records).map(move |_| *run));
        for ((index, record), run) in read.iter().enumerate().zip(runs) {
            let (origin, position) = self.provenance.get(index);
            each(placed(record, origin, position), run);
        }
    }

    /// The records in two batches, in order; one of several records.
    pub(crate) fn halves(&self) -> [Self; 2] {
        let mut halves = [(); 2].map(|()| Self::new(Vec::new(), self.born));
        let (mut index, mut one) = (0, RecordBatch::default());
        let in_first = self.n_records / 2;
        self.for_each(|record, run| {
            let half = &mut halves[usize::from(index >= in_first)];
            index += 1;
            one.clear();
            one.push_owned(&record);
            let n_bytes = one.get(0).map_or(0, crate::outbox::size_of_record);
            for again in one.iter() {
                let pushed = half.push(again, run.slot, n_bytes);
                debug_assert!(pushed.is_ok(), "it was written before");
            }
        });
        halves
    }
}

fn placed(record: Record<'_>, origin: Option<&Origin>, position: u64) -> OwnedRecord {
    OwnedRecord { origin: origin.cloned(), position, ..record.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::size_of_record;

    /// A batch of three epochs, and its records as they were taken: slot, bytes, value.
    fn batch() -> (Batch, Vec<OwnedRecord>) {
        let mut records = RecordBatch::default();
        for (number, time) in [None, Some(7), Some(8), None, None, Some(9)].into_iter().enumerate()
        {
            let record = OwnedRecord::of(format!("{number}")).with_key(vec![255; number]);
            let record = record.with_header("name", "x".repeat(number));
            let origin = Some(Origin::new("pulsar", "from", 3));
            let position = 100 + number as u64;
            records.push_owned(&OwnedRecord { time, origin, position, ..record });
        }
        let mut batch = Batch::new(Vec::new(), Instant::now());
        for (record, slot) in records.iter().zip([4, 4, 4, 5, 6, 6]) {
            batch.push(record, slot, size_of_record(record)).expect("text alone");
        }
        (batch, records.iter().map(Record::to_owned).collect())
    }

    fn read(batch: &Batch) -> Vec<OwnedRecord> {
        let mut read = Vec::new();
        batch.for_each(|record, _| read.push(record));
        read
    }

    #[test]
    fn records_come_back_as_they_were_taken() {
        let (mut batch, taken) = batch();
        assert_eq!(read(&batch), taken);
        let closed = batch.close();
        assert_eq!(read(&batch), taken);
        assert!(batch.into_memory().is_none(), "what is sent still reads it");
        drop(closed);
    }

    #[test]
    fn halves_have_all_records_in_order() {
        let (batch, taken) = batch();
        let n_bytes = |runs: &[Run]| runs.iter().map(|run| run.n_bytes).sum::<usize>();
        let (all_bytes, n_records) = (n_bytes(&batch.runs), batch.n_records);
        let [first, second] = batch.halves();
        assert_eq!([read(&first), read(&second)].concat(), taken);
        assert_eq!(n_bytes(&first.runs) + n_bytes(&second.runs), all_bytes);
        assert_eq!(first.n_records + second.n_records, n_records);
        assert_eq!(first.runs.iter().map(|run| run.slot).collect::<Vec<_>>(), [4]);
    }
}
