//! Drives a source as the engine does, without a dataflow around it.

use std::time::{Duration, Instant};

use millstream_engine::Result;
use millstream_engine::batch::{OwnedRecord, Record, RecordBatch};
use millstream_engine::clock::SystemClock;
use millstream_engine::source::{
    Assignment, Confirmed, Found, OpenContext, Partition, PartitionFinder, Read, Reader,
    ReaderContext, ResumePosition, Source as _,
};
use millstream_pulsar::Source;

use crate::plain::LONG;

/// A source with all its partitions assigned to one reader.
pub(crate) struct Reading {
    pub(crate) finder: Box<dyn PartitionFinder>,
    pub(crate) reader: Box<dyn Reader>,
    pub(crate) partitions: Vec<Partition>,
    batch: RecordBatch,
}

impl Reading {
    pub(crate) fn open(source: &Source) -> Self {
        Self::try_open(source, &[], 10_000).expect("the source opens")
    }

    /// With batches of so many records at most.
    pub(crate) fn open_small(source: &Source, batch_records: usize) -> Self {
        Self::try_open(source, &[], batch_records).expect("the source opens")
    }

    pub(crate) fn open_at(source: &Source, stored: &[Confirmed]) -> Self {
        Self::try_open(source, stored, 10_000).expect("the source opens")
    }

    pub(crate) fn try_open(
        source: &Source,
        stored: &[Confirmed],
        batch_records: usize,
    ) -> Result<Self> {
        let open = OpenContext {
            dataflow: "tests".into(),
            step: "source".into(),
            clock: SystemClock::new(),
            open_timeout: LONG,
        };
        let finder = source.finder(&open)?;
        let bounded = source.capabilities().bounded;
        let cx = ReaderContext { open, worker: 0, batch_bytes: 128 << 10, batch_records, bounded };
        let reader = source.reader(cx)?;
        let mut reading =
            Self { finder, reader, partitions: Vec::new(), batch: RecordBatch::default() };
        reading.assign_new(stored, Found::AtStart)?;
        Ok(reading)
    }

    /// Assigns the partitions that are new, and says how many.
    pub(crate) fn assign_new(&mut self, stored: &[Confirmed], found: Found) -> Result<usize> {
        let mut partitions = self.finder.find()?;
        partitions.retain(|partition| !self.partitions.contains(partition));
        let stored_of = |partition: &Partition| -> Option<ResumePosition> {
            let known = stored.iter().find(|known| known.partition == *partition)?;
            Some(known.resume.clone())
        };
        let wanted: Vec<_> = partitions.iter().map(|p| (p.clone(), stored_of(p))).collect();
        let assignments: Vec<Assignment> = self.finder.resolve(&wanted, found)?;
        self.finder.pin(&assignments)?;
        self.reader.assign(&assignments)?;
        self.partitions.extend(partitions);
        Ok(assignments.len())
    }

    /// What one call brings.
    pub(crate) fn read(&mut self, wait: Duration) -> Result<(Read, Vec<OwnedRecord>)> {
        self.batch.clear();
        let outcome = self.reader.read(&mut self.batch, wait)?;
        Ok((outcome, self.batch.iter().map(Record::to_owned).collect()))
    }

    /// The records of one batch; none at the end, or when nothing comes in time.
    pub(crate) fn batch(&mut self) -> Vec<OwnedRecord> {
        let start = Instant::now();
        while start.elapsed() < LONG {
            match self.read(Duration::from_millis(50)).expect("reading goes on") {
                (Read::Records, records) => return records,
                (Read::End, _) => break,
                (Read::Idle, _) => {}
            }
        }
        Vec::new()
    }

    /// At least so many records, as numbers.
    pub(crate) fn take(&mut self, n_records: usize) -> Vec<u64> {
        let mut seen = Vec::new();
        while seen.len() < n_records {
            let batch = self.batch();
            assert!(!batch.is_empty(), "{} of {n_records} came", seen.len());
            seen.extend(batch.iter().map(number));
        }
        seen
    }

    /// What comes until nothing has come for a moment, as numbers.
    pub(crate) fn rest(&mut self) -> Vec<u64> {
        let mut seen = Vec::new();
        let wait = Duration::from_millis(500);
        while let (Read::Records, records) = self.read(wait).expect("reading goes on") {
            seen.extend(records.iter().map(number));
        }
        seen
    }

    /// Everything up to the end of a source that ends, as numbers.
    pub(crate) fn up_to_the_end(&mut self) -> Vec<u64> {
        let (mut seen, start) = (Vec::new(), Instant::now());
        loop {
            match self.read(Duration::from_millis(50)).expect("reading goes on") {
                (Read::End, _) => return seen,
                (_, records) => seen.extend(records.iter().map(number)),
            }
            assert!(start.elapsed() < LONG, "{} came, and no end", seen.len());
        }
    }

    pub(crate) fn confirm(&mut self, n_batches: u64) -> Vec<Confirmed> {
        let mut resume = Vec::new();
        self.reader.confirm(n_batches, &mut resume).expect("batches that were read");
        resume
    }

    pub(crate) fn close(mut self) {
        self.reader.close(LONG).expect("closing in time");
    }
}

/// The number that is a record's value.
pub(crate) fn number(record: &OwnedRecord) -> u64 {
    record.text().and_then(|text| text.parse().ok()).expect("the value is a number")
}
