//! A source whose positions are kept, as the engine keeps them in its state folder.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millstream_engine::Result;
use millstream_engine::batch::RecordBatch;
use millstream_engine::source::{
    Assignment, Confirmed, Found, OpenContext, Partition, PartitionFinder, Read, Reader,
    ReaderContext, ResumePosition, Source, SourceCapabilities,
};

/// The positions of one group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Positions(Arc<Mutex<BTreeMap<Partition, ResumePosition>>>);

impl Positions {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Partition, ResumePosition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A source that resumes where its group has confirmed.
#[derive(Debug)]
pub(crate) struct Kept<S> {
    pub(crate) source: S,
    pub(crate) positions: Positions,
}

impl<S: Source> Source for Kept<S> {
    fn connector(&self) -> &'static str {
        self.source.connector()
    }

    fn capabilities(&self) -> SourceCapabilities {
        self.source.capabilities()
    }

    fn finder(&self, cx: &OpenContext) -> Result<Box<dyn PartitionFinder>> {
        let finder = self.source.finder(cx)?;
        Ok(Box::new(KeptFinder { finder, positions: self.positions.clone() }))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn Reader>> {
        let reader = self.source.reader(cx)?;
        Ok(Box::new(KeptReader { reader, positions: self.positions.clone() }))
    }
}

struct KeptFinder {
    finder: Box<dyn PartitionFinder>,
    positions: Positions,
}

impl PartitionFinder for KeptFinder {
    fn find(&mut self) -> Result<Vec<Partition>> {
        self.finder.find()
    }

    fn resolve(
        &mut self,
        wanted: &[(Partition, Option<ResumePosition>)],
        found: Found,
    ) -> Result<Vec<Assignment>> {
        let kept = self.positions.lock();
        let with_kept = |(partition, stored): &(Partition, Option<ResumePosition>)| {
            (partition.clone(), stored.clone().or_else(|| kept.get(partition).cloned()))
        };
        let wanted: Vec<_> = wanted.iter().map(with_kept).collect();
        self.finder.resolve(&wanted, found)
    }
}

struct KeptReader {
    reader: Box<dyn Reader>,
    positions: Positions,
}

impl Reader for KeptReader {
    fn assign(&mut self, assignments: &[Assignment]) -> Result<()> {
        self.reader.assign(assignments)
    }

    fn read(&mut self, batch: &mut RecordBatch, wait: Duration) -> Result<Read> {
        self.reader.read(batch, wait)
    }

    fn confirm(&mut self, n_batches: u64, resume: &mut Vec<Confirmed>) -> Result<()> {
        self.reader.confirm(n_batches, resume)?;
        let positions = resume.iter().map(|c| (c.partition.clone(), c.resume.clone()));
        self.positions.lock().extend(positions);
        Ok(())
    }

    fn close(&mut self, deadline: Duration) -> Result<()> {
        self.reader.close(deadline)
    }
}
