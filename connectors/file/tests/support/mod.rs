//! Drives sources and sinks of files as the engine does.
#![expect(dead_code, reason = "each test file uses a part")]

pub(crate) mod writing;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use millstream_engine::Result;
use millstream_engine::batch::{OwnedRecord, Record, RecordBatch};
use millstream_engine::clock::SystemClock;
use millstream_engine::source::{
    Confirmed, Found, OpenContext, Read, Reader, ReaderContext, Source as _,
};
use millstream_file::Source;
use tempfile::TempDir;

/// How long anything may take that should happen soon.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

pub(crate) fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("there is room");
    path
}

pub(crate) fn open_context() -> OpenContext {
    OpenContext {
        dataflow: "test".into(),
        step: "in".into(),
        clock: SystemClock::new(),
        open_timeout: PATIENCE,
    }
}

/// An open source, all files with one reader.
pub(crate) struct Reading {
    reader: Box<dyn Reader>,
    starts: Vec<Confirmed>,
    n_batches: u64,
}

impl Reading {
    pub(crate) fn open(source: &Source) -> Self {
        Self::open_with(source, 1000)
    }

    /// Opens with batches of so many records.
    pub(crate) fn open_with(source: &Source, batch_records: usize) -> Self {
        Self::try_open(source, batch_records, &[]).expect("it is there")
    }

    /// Opens with stored positions, as the engine does after a restart.
    pub(crate) fn open_at(source: &Source, stored: &[Confirmed]) -> Result<Self> {
        Self::try_open(source, 1000, stored)
    }

    fn try_open(source: &Source, batch_records: usize, stored: &[Confirmed]) -> Result<Self> {
        let source = source.clone().with_poll_interval(Duration::from_millis(5));
        let mut finder = source.finder(&open_context())?;
        let of = |partition: &_| {
            let known = stored.iter().find(|known| known.partition == *partition);
            known.map(|known| known.resume.clone())
        };
        let wanted: Vec<_> = finder.find()?.into_iter().map(|p| (p.clone(), of(&p))).collect();
        let assignments = finder.resolve(&wanted, Found::AtStart)?;
        let cx = ReaderContext {
            open: open_context(),
            worker: 0,
            batch_bytes: 1 << 20,
            batch_records,
            bounded: source.capabilities().bounded,
        };
        let mut reader = source.reader(cx)?;
        reader.assign(&assignments)?;
        let start = |a: millstream_engine::source::Assignment| Confirmed {
            partition: a.partition,
            resume: a.start,
        };
        Ok(Self { reader, starts: assignments.into_iter().map(start).collect(), n_batches: 0 })
    }

    /// Where reading started.
    pub(crate) fn starts(&self) -> Vec<Confirmed> {
        self.starts.clone()
    }

    /// One read: its records, and whether it was the end.
    pub(crate) fn read(&mut self, wait: Duration) -> Result<(Vec<OwnedRecord>, bool)> {
        let mut batch = RecordBatch::default();
        let outcome = self.reader.read(&mut batch, wait)?;
        self.n_batches += u64::from(outcome == Read::Records);
        Ok((batch.iter().map(Record::to_owned).collect(), outcome == Read::End))
    }

    /// The next `n` records, at least.
    pub(crate) fn take(&mut self, n: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut values = Vec::new();
        while values.len() < n {
            assert!(Instant::now() < deadline, "{n} records come, after {values:?}");
            let (records, _) = self.read(Duration::from_millis(20)).expect("reading");
            values.extend(texts(&records));
        }
        values
    }

    /// What comes until nothing has come for a while.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        texts(&self.read(Duration::from_millis(100)).expect("reading").0)
    }

    /// Everything up to the end.
    pub(crate) fn all(&mut self) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut values = Vec::new();
        loop {
            assert!(Instant::now() < deadline, "it ends, after {values:?}");
            let (records, has_ended) = self.read(Duration::from_millis(20)).expect("reading");
            values.extend(texts(&records));
            if has_ended {
                return values;
            }
        }
    }

    /// Confirms everything read so far, and says where it resumes.
    pub(crate) fn confirm(&mut self) -> Vec<Confirmed> {
        let mut resume = Vec::new();
        self.reader.confirm(std::mem::take(&mut self.n_batches), &mut resume).expect("confirming");
        resume
    }
}

fn texts(records: &[OwnedRecord]) -> Vec<String> {
    records.iter().map(|record| record.text().expect("text").to_owned()).collect()
}
