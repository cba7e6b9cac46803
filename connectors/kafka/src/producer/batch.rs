//! Records of one partition that travel together, and what is known of them on the way.

use std::time::Instant;

use millstream_engine::batch::Origin;

use super::provenance::Provenance;
use crate::config::Compression;
use crate::wire::compression::Compressor;
use crate::wire::decode::{Read, decode};
use crate::wire::records::Records;

/// Bytes of the records of a batch at most: it has fewer, or one record that the writer let pass.
const MAX_BYTES: usize = i32::MAX as usize;

/// Neighbouring records of a batch that were taken in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The slot of their epoch.
    pub(crate) slot: u32,
    /// Whether they came with a time of their own.
    pub(crate) is_timed: bool,
    pub(crate) n_records: u32,
    /// Bytes that they are counted with.
    pub(crate) n_bytes: usize,
}

/// The records of a batch: as they were written down, or as they are sent.
#[derive(Debug)]
pub(crate) enum Body {
    Open(Records),
    Closed(Vec<u8>),
}

/// Records of one partition that travel together.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) body: Body,
    pub(crate) runs: Vec<Run>,
    pub(super) provenance: Provenance,
    /// When its first record was taken.
    pub(crate) born: Instant,
    /// How often it was sent.
    pub(crate) n_attempts: u32,
    /// Its number among the records of the partition, once it has one.
    pub(crate) sequence: Option<i32>,
    /// It was sent, and nobody has said that it was not written.
    pub(crate) is_doubtful: bool,
}

impl Batch {
    pub(crate) fn new(records: Records, born: Instant) -> Self {
        Self {
            body: Body::Open(records),
            runs: Vec::with_capacity(2),
            provenance: Provenance::default(),
            born,
            n_attempts: 0,
            sequence: None,
            is_doubtful: false,
        }
    }

    pub(crate) fn n_records(&self) -> u32 {
        self.runs.iter().map(|run| run.n_records).sum()
    }

    /// Bytes of the body, as it is now.
    pub(crate) fn n_bytes(&self) -> usize {
        match &self.body {
            Body::Open(records) => records.n_bytes(),
            Body::Closed(bytes) => bytes.len(),
        }
    }

    /// Takes down where the record came from that is counted next.
    #[inline]
    pub(crate) fn note(&mut self, origin: Option<&Origin>, position: u64) {
        self.provenance.push(origin, position);
    }

    /// Counts one record more; its bytes are in the body already.
    #[inline]
    pub(crate) fn count(&mut self, slot: u32, is_timed: bool, n_bytes: usize) {
        match self.runs.last_mut() {
            Some(run) if run.slot == slot && run.is_timed == is_timed => {
                run.n_records += 1;
                run.n_bytes += n_bytes;
            }
            _ => self.runs.push(Run { slot, is_timed, n_records: 1, n_bytes }),
        }
    }

    /// Calls `each` with the records, the run that each belongs to, its origin and its position there.
    pub(crate) fn for_each(&self, mut each: impl FnMut(Read<'_>, Run, (Option<&Origin>, u64))) {
        let runs = self.runs.iter();
        let runs = runs.flat_map(|run| (0..run.n_records).map(move |_| *run));
        let mut runs = runs.enumerate();
        let mut read = |record: Read<'_>| {
            if let Some((index, run)) = runs.next() {
                each(record, run, self.provenance.get(index));
            }
        };
        let outcome = match &self.body {
            Body::Open(open) => {
                let mut bytes = Vec::new();
                Compressor::new(Compression::None, None).append(open, &mut bytes);
                decode(&bytes, MAX_BYTES, &mut read)
            }
            Body::Closed(bytes) => decode(bytes, MAX_BYTES, &mut read),
        };
        debug_assert!(outcome.is_ok(), "we wrote it ourselves");
    }

    /// The batch in two: the records whose index is chosen, and the others, both to be sent anew.
    pub(crate) fn divide(&self, is_chosen: impl Fn(u32) -> bool) -> (Self, Self) {
        let fresh = || Self {
            n_attempts: self.n_attempts,
            ..Self::new(Records::new(Vec::new()), self.born)
        };
        let (mut chosen, mut others, mut index) = (fresh(), fresh(), 0);
        self.for_each(|record, run, (origin, position)| {
            let half = if is_chosen(index) { &mut chosen } else { &mut others };
            index += 1;
            if let Body::Open(records) = &mut half.body {
                let headers = record.headers.clone().map(|at| (at.name.as_bytes(), at.value));
                records.push(record.key, record.value, headers, record.time);
            }
            half.note(origin, position);
            half.count(run.slot, run.is_timed, n_bytes(&record));
        });
        (chosen, others)
    }
}

/// Bytes that a record was counted with: headers take six bytes more each, in the engine's form.
fn n_bytes(record: &Read<'_>) -> usize {
    let of_headers = record.headers.clone();
    let of_headers = of_headers.map(|at| 6 + at.name.len() + at.value.unwrap_or_default().len());
    let of_record = [record.key, record.value].map(|bytes| bytes.unwrap_or_default().len());
    of_record.into_iter().chain(of_headers).sum()
}

#[cfg(test)]
mod tests {
    use millstream_engine::batch::{OwnedRecord, RecordBatch};

    use super::*;
    use crate::outbox::size_of_record;

    /// A batch of three epochs, and its records as they were taken: slot, whether timed, bytes, value.
    fn batch() -> (Batch, Vec<(u32, bool, usize, String)>) {
        let mut records = RecordBatch::default();
        for (number, time) in [None, Some(7), Some(8), None, None, Some(9)].into_iter().enumerate()
        {
            let record = OwnedRecord::of(format!("{number}")).with_key("k".repeat(number));
            let record = record.with_header("name", "x".repeat(number));
            let headers = [record.headers, vec![("null".to_owned(), None)]].concat();
            records.push_owned(&OwnedRecord { time, headers, ..record });
        }
        let mut batch = Batch::new(Records::new(Vec::new()), Instant::now());
        let mut taken = Vec::new();
        for (record, slot) in records.iter().zip([4, 4, 4, 5, 6, 6]) {
            let (is_timed, n_bytes) = (record.time().is_some(), size_of_record(record));
            if let Body::Open(open) = &mut batch.body {
                let time = record.time().unwrap_or(100);
                open.push(record.key(), record.value(), record.headers().raw(), time);
            }
            batch.count(slot, is_timed, n_bytes);
            let text = String::from_utf8_lossy(record.value_or_empty()).into_owned();
            taken.push((slot, is_timed, n_bytes, text));
        }
        (batch, taken)
    }

    fn seen(batch: &Batch) -> Vec<(u32, bool, usize, String)> {
        let mut seen = Vec::new();
        batch.for_each(|record, run, _| {
            let text = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
            assert_eq!(record.time >= 100, !run.is_timed, "times stay with their records");
            seen.push((run.slot, run.is_timed, n_bytes(&record), text));
        });
        let counted: usize = batch.runs.iter().map(|run| run.n_bytes).sum();
        assert_eq!(counted, seen.iter().map(|(_, _, n_bytes, _)| n_bytes).sum::<usize>());
        seen
    }

    #[test]
    fn runs_tell_epochs_and_times_apart() {
        let (batch, taken) = batch();
        assert_eq!(seen(&batch), taken);
        let runs: Vec<_> = batch.runs.iter().map(|run| (run.slot, run.n_records)).collect();
        assert_eq!(runs, [(4, 1), (4, 2), (5, 1), (6, 1), (6, 1)]);
    }

    #[test]
    fn divided_batch_counts_each_record_where_it_was_taken() {
        for compression in [Compression::None, Compression::Lz4] {
            let (mut batch, taken) = batch();
            (batch.n_attempts, batch.sequence, batch.is_doubtful) = (3, Some(7), true);
            if compression != Compression::None
                && let Body::Open(open) = &batch.body
            {
                let mut closed = Vec::new();
                Compressor::new(compression, None).append(open, &mut closed);
                batch.body = Body::Closed(closed);
            }
            let (chosen, others) = batch.divide(|index| index % 3 == 1);
            let at = |indexes: &[usize]| indexes.iter().map(|at| taken[*at].clone()).collect();
            let (expected, rest): (Vec<_>, Vec<_>) = (at(&[1, 4]), at(&[0, 2, 3, 5]));
            assert_eq!((seen(&chosen), seen(&others)), (expected, rest));
            for part in [chosen, others] {
                assert_eq!((part.born, part.n_attempts), (batch.born, 3));
                assert_eq!((part.sequence, part.is_doubtful), (None, false));
            }
        }
    }
}
