//! Drives a source as the engine does, and checks what holds for every call.
//!
//! Invariant: every batch that a case sees has passed the checks of `read`.

use std::ops::Range;
use std::time::{Duration, Instant};

use millstream_engine::Result;
use millstream_engine::batch::{OwnedRecord, Record, RecordBatch};
use millstream_engine::clock::SystemClock;
use millstream_engine::source::{
    Assignment, Confirmed, Found, OpenContext, Partition, PartitionFinder, Read, Reader,
    ReaderContext, ResumePosition, Source,
};

use crate::subject::Subject;

/// How long one read may wait, in cases where that does not matter.
const WAIT: Duration = Duration::from_millis(50);

pub(crate) fn open_context(step: &str) -> OpenContext {
    OpenContext {
        dataflow: "conformance".into(),
        step: step.into(),
        clock: SystemClock::new(),
        open_timeout: Duration::from_secs(30),
    }
}

/// An open source with all its partitions assigned to one reader.
pub(crate) struct Reading {
    pub(crate) finder: Box<dyn PartitionFinder>,
    pub(crate) reader: Box<dyn Reader>,
    pub(crate) partitions: Vec<Partition>,
    batch: RecordBatch,
    patience: Duration,
    batch_bytes: usize,
    batch_records: usize,
}

/// When batches are full.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    pub(crate) records: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 128 << 10, records: 7_000 }
    }
}

impl Reading {
    pub(crate) fn open(subject: &dyn Subject, source: &dyn Source, limits: Limits) -> Result<Self> {
        Self::open_at(subject, source, limits, &[])
    }

    /// Opens with stored positions, as the engine does after a restart.
    pub(crate) fn open_at(
        subject: &dyn Subject,
        source: &dyn Source,
        limits: Limits,
        stored: &[Confirmed],
    ) -> Result<Self> {
        let mut reading = Self::open_idle(subject, source, limits)?;
        let mut partitions = reading.finder.find()?;
        partitions.sort();
        reading.assign(&partitions, stored, Found::AtStart)?;
        Ok(reading)
    }

    /// Opens a reader without partitions.
    pub(crate) fn open_idle(
        subject: &dyn Subject,
        source: &dyn Source,
        limits: Limits,
    ) -> Result<Self> {
        let open = open_context("source");
        let finder = source.finder(&open)?;
        let bounded = source.capabilities().bounded;
        let (batch_bytes, batch_records) = (limits.bytes, limits.records);
        let cx = ReaderContext { open, worker: 0, batch_bytes, batch_records, bounded };
        Ok(Self {
            finder,
            reader: source.reader(cx)?,
            partitions: Vec::new(),
            batch: RecordBatch::default(),
            patience: subject.patience(),
            batch_bytes,
            batch_records,
        })
    }

    /// Resolves, pins and assigns partitions.
    pub(crate) fn assign(
        &mut self,
        partitions: &[Partition],
        stored: &[Confirmed],
        found: Found,
    ) -> Result<()> {
        let position = |partition: &Partition| -> Option<ResumePosition> {
            stored
                .iter()
                .find(|known| known.partition == *partition)
                .map(|known| known.resume.clone())
        };
        let wanted: Vec<_> =
            partitions.iter().map(|partition| (partition.clone(), position(partition))).collect();
        let assignments: Vec<Assignment> = self.finder.resolve(&wanted, found)?;
        assert_eq!(assignments.len(), wanted.len(), "one assignment per wanted partition");
        self.finder.pin(&assignments)?;
        self.reader.assign(&assignments)?;
        self.partitions.extend_from_slice(partitions);
        Ok(())
    }

    /// One read, with the checks that hold for every one; the records are in `batch` until the next.
    pub(crate) fn read(&mut self, wait: Duration) -> Result<Read> {
        self.batch.clear();
        let outcome = self.reader.read(&mut self.batch, wait)?;
        let batch = &self.batch;
        assert_eq!(
            outcome == Read::Records,
            !batch.is_empty(),
            "records are told when there are some"
        );
        assert!(batch.len() <= self.batch_records, "a batch holds no more records than asked");
        let last =
            batch.iter().last().map_or(0, |last| last.n_bytes() + last.headers().encoded().len());
        let before_last = batch.n_bytes() - last;
        assert!(
            before_last == 0 || before_last < self.batch_bytes,
            "a batch takes no record once it holds the bytes asked"
        );
        for record in batch.iter() {
            let origin = record.origin().expect("every record has an origin");
            let known = |p: &Partition| *p.topic == *origin.topic && p.index == origin.partition;
            assert!(self.partitions.iter().any(known), "records come from assigned partitions");
        }
        Ok(outcome)
    }

    /// The records that the last read brought.
    pub(crate) fn records(&self) -> impl Iterator<Item = OwnedRecord> {
        self.batch.iter().map(Record::to_owned)
    }

    /// Reads one batch; none when nothing comes within the subject's patience, or at the end.
    pub(crate) fn batch(&mut self) -> Result<Vec<OwnedRecord>> {
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline {
            match self.read(WAIT)? {
                Read::Records => break,
                Read::End => return Ok(Vec::new()),
                Read::Idle => {}
            }
        }
        Ok(self.batch.iter().map(Record::to_owned).collect())
    }

    /// Reads at least `n` records, or as many as come within the subject's patience.
    pub(crate) fn take(&mut self, n: usize) -> Result<Vec<OwnedRecord>> {
        let mut records = Vec::new();
        while records.len() < n {
            let batch = self.batch()?;
            if batch.is_empty() {
                break;
            }
            records.extend(batch);
        }
        Ok(records)
    }

    /// Reads until nothing came for a moment.
    pub(crate) fn rest(&mut self) -> Result<Vec<OwnedRecord>> {
        let mut records = Vec::new();
        while self.read(4 * WAIT)? == Read::Records {
            records.extend(self.batch.iter().map(Record::to_owned));
        }
        Ok(records)
    }

    pub(crate) fn confirm(&mut self, n_batches: u64) -> Vec<Confirmed> {
        let mut resume = Vec::new();
        self.reader.confirm(n_batches, &mut resume).expect("confirming batches that were read");
        resume
    }

    pub(crate) fn close(mut self) {
        self.reader.close(self.patience).expect("closing within the patience");
    }
}

/// Numbered records, the number as text in the value.
pub(crate) fn numbered(numbers: Range<u64>) -> Vec<OwnedRecord> {
    numbers
        .map(|number| OwnedRecord::of(number.to_string()).with_key(format!("k{}", number % 7)))
        .collect()
}

/// The number in a record of [`numbered`].
pub(crate) fn number(record: &OwnedRecord) -> u64 {
    record.text().and_then(|text| text.parse().ok()).expect("a record that the case wrote")
}

pub(crate) fn numbers(records: &[OwnedRecord]) -> Vec<u64> {
    records.iter().map(number).collect()
}

/// The numbers that [`numbers`] should give.
pub(crate) fn numbers_of(numbers: Range<u64>) -> Vec<u64> {
    numbers.collect()
}

/// Whether records were read from a partition of a topic.
pub(crate) fn comes_from(
    subject: &dyn Subject,
    topic: &str,
    index: u32,
) -> impl Fn(&&OwnedRecord) -> bool {
    let place = subject.place(topic, index);
    move |record| {
        let origin = record.origin.as_ref().expect("every record read has an origin");
        (&*origin.topic, origin.partition) == (place.0.as_str(), place.1)
    }
}

/// The partition that a record was read from.
pub(crate) fn partition(record: &OwnedRecord) -> u32 {
    record.origin.as_ref().expect("every record read has an origin").partition
}
