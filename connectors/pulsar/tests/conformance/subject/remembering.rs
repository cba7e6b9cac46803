//! A source whose positions are kept for it, as the engine's state folder does: the broker keeps none for readers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millstream_engine::batch::RecordBatch;
use millstream_engine::source::{
    Assignment, Confirmed, Found, OpenContext, Partition, PartitionFinder, Read, Reader,
    ReaderContext, ResumePosition, Source, SourceCapabilities,
};
use millstream_engine::{Error, Result};
use millstream_pulsar as pulsar;

/// The positions of one group.
type Positions = Arc<Mutex<BTreeMap<Partition, ResumePosition>>>;

/// The positions of all groups.
#[derive(Debug, Default)]
pub(crate) struct Stored(Mutex<BTreeMap<String, Positions>>);

impl Stored {
    pub(crate) fn of(&self, group: &str) -> Positions {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(group.to_owned()).or_default())
    }
}

/// A source, and where its positions are kept.
pub(crate) struct Remembering {
    pub(crate) source: pulsar::Source,
    pub(crate) stored: Positions,
}

impl Source for Remembering {
    fn connector(&self) -> &'static str {
        self.source.connector()
    }

    fn capabilities(&self) -> SourceCapabilities {
        self.source.capabilities()
    }

    fn faults(&self) -> Vec<Error> {
        self.source.faults()
    }

    fn finder(&self, cx: &OpenContext) -> Result<Box<dyn PartitionFinder>> {
        let (finder, stored) = (self.source.finder(cx)?, Arc::clone(&self.stored));
        Ok(Box::new(RememberingFinder { finder, stored }))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn Reader>> {
        let (reader, stored) = (self.source.reader(cx)?, Arc::clone(&self.stored));
        Ok(Box::new(RememberingReader { reader, stored }))
    }
}

struct RememberingFinder {
    finder: Box<dyn PartitionFinder>,
    stored: Positions,
}

impl PartitionFinder for RememberingFinder {
    fn find(&mut self) -> Result<Vec<Partition>> {
        self.finder.find()
    }

    fn resolve(
        &mut self,
        wanted: &[(Partition, Option<ResumePosition>)],
        found: Found,
    ) -> Result<Vec<Assignment>> {
        let mut wanted = wanted.to_vec();
        let kept = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        for (partition, stored) in &mut wanted {
            *stored = stored.take().or_else(|| kept.get(partition).cloned());
        }
        drop(kept);
        self.finder.resolve(&wanted, found)
    }

    fn pin(&mut self, assignments: &[Assignment]) -> Result<()> {
        let starts = assignments.iter().map(|a| (a.partition.clone(), a.start.clone()));
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).extend(starts);
        Ok(())
    }
}

struct RememberingReader {
    reader: Box<dyn Reader>,
    stored: Positions,
}

impl Reader for RememberingReader {
    fn assign(&mut self, assignments: &[Assignment]) -> Result<()> {
        self.reader.assign(assignments)
    }

    fn read(&mut self, batch: &mut RecordBatch, wait: Duration) -> Result<Read> {
        self.reader.read(batch, wait)
    }

    fn confirm(&mut self, n_batches: u64, resume: &mut Vec<Confirmed>) -> Result<()> {
        let n_before = resume.len();
        self.reader.confirm(n_batches, resume)?;
        let told = resume[n_before..].iter().map(|c| (c.partition.clone(), c.resume.clone()));
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).extend(told);
        Ok(())
    }

    fn close(&mut self, deadline: Duration) -> Result<()> {
        self.reader.close(deadline)
    }
}
