//! Sources, finders and readers that break one promise.

use std::time::{Duration, Instant};

use millstream_engine::batch::RecordBatch;
use millstream_engine::source::{
    Assignment, Confirmed, Found, OpenContext, Partition, PartitionFinder, Read, Reader,
    ReaderContext, ResumePosition, Source, SourceCapabilities,
};
use millstream_engine::{Error, Result};

use super::{Fault, changed, empty_for_null, without_origins};

/// Longer than any slack of a case.
const LATE: Duration = Duration::from_secs(3);

pub(super) struct BrokenSource {
    pub(super) source: Box<dyn Source>,
    pub(super) fault: Fault,
}

impl Source for BrokenSource {
    fn connector(&self) -> &'static str {
        self.source.connector()
    }

    fn capabilities(&self) -> SourceCapabilities {
        self.source.capabilities()
    }

    fn finder(&self, cx: &OpenContext) -> Result<Box<dyn PartitionFinder>> {
        let fault = self.fault;
        match self.source.finder(cx) {
            Ok(finder) => Ok(Box::new(BrokenFinder { finder, fault })),
            Err(error) if fault == Fault::GivesNoHint => {
                Err(Error::new(error.kind(), error.code(), error.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn Reader>> {
        let batch_records = cx.batch_records;
        let reader = self.source.reader(cx)?;
        let fault = self.fault;
        Ok(Box::new(BrokenReader { reader, fault, batch_records, n_unconfirmed: 0, done: false }))
    }
}

struct BrokenFinder {
    finder: Box<dyn PartitionFinder>,
    fault: Fault,
}

impl PartitionFinder for BrokenFinder {
    fn find(&mut self) -> Result<Vec<Partition>> {
        self.finder.find()
    }

    fn resolve(
        &mut self,
        wanted: &[(Partition, Option<ResumePosition>)],
        found: Found,
    ) -> Result<Vec<Assignment>> {
        match self.fault {
            Fault::TreatsNewPartitionsAsOld => self.finder.resolve(wanted, Found::AtStart),
            Fault::IgnoresStoredPositions => {
                let forgotten: Vec<_> = wanted.iter().map(|(p, _)| (p.clone(), None)).collect();
                self.finder.resolve(&forgotten, found)
            }
            _ => self.finder.resolve(wanted, found),
        }
    }

    fn pin(&mut self, assignments: &[Assignment]) -> Result<()> {
        if self.fault == Fault::PinsNothing {
            return Ok(());
        }
        self.finder.pin(assignments)
    }
}

struct BrokenReader {
    reader: Box<dyn Reader>,
    fault: Fault,
    batch_records: usize,
    n_unconfirmed: u64,
    /// Whether the fault has struck: once is enough.
    done: bool,
}

impl BrokenReader {
    /// Breaks the first batch that holds enough records, and has room for one more: one fault at a time.
    fn spoil(&mut self, batch: &mut RecordBatch) {
        if self.done || !(2..self.batch_records).contains(&batch.len()) {
            return;
        }
        self.done = true;
        match self.fault {
            Fault::LosesARecord => *batch = changed(batch, |records| drop(records.remove(1))),
            Fault::RepeatsARecord => {
                *batch = changed(batch, |records| records.insert(1, records[0].clone()));
            }
            Fault::ForgetsOrigins => {
                *batch = changed(batch, |records| without_origins(records));
            }
            Fault::Reorders => *batch = changed(batch, |records| records.swap(0, 1)),
            Fault::ReadsNullAsEmpty => *batch = changed(batch, empty_for_null),
            _ => {}
        }
    }

    /// Reads once more, into the same batch.
    fn fill_again(&mut self, batch: &mut RecordBatch) -> Result<()> {
        let mut more = RecordBatch::default();
        if self.reader.read(&mut more, Duration::ZERO)? == Read::Records {
            for record in more.iter() {
                batch.push_owned(&record.to_owned());
            }
        }
        Ok(())
    }
}

impl Reader for BrokenReader {
    fn assign(&mut self, assignments: &[Assignment]) -> Result<()> {
        self.reader.assign(assignments)
    }

    fn read(&mut self, batch: &mut RecordBatch, wait: Duration) -> Result<Read> {
        let start = Instant::now();
        let asked = match self.fault {
            Fault::WaitsTooLong => wait + LATE,
            Fault::NeverWaits => Duration::ZERO,
            _ => wait,
        };
        let read = self.reader.read(batch, asked)?;
        match (self.fault, read) {
            (Fault::ReturnsEmptyBatches, Read::Idle) => return Ok(Read::Records),
            (Fault::NeverEnds, Read::End) => return Ok(Read::Idle),
            (Fault::NeverReturnsEarly, Read::Records) => {
                while start.elapsed() < wait {
                    std::thread::park_timeout(wait.saturating_sub(start.elapsed()));
                }
            }
            (Fault::FillsBatchesTwice, Read::Records) => self.fill_again(batch)?,
            (_, Read::Records) => self.spoil(batch),
            _ => {}
        }
        self.n_unconfirmed += u64::from(read == Read::Records);
        Ok(read)
    }

    fn confirm(&mut self, n_batches: u64, resume: &mut Vec<Confirmed>) -> Result<()> {
        let told = match self.fault {
            Fault::CommitsUnconfirmed => self.n_unconfirmed,
            Fault::CommitsTooLittle => n_batches.saturating_sub(1),
            _ => n_batches,
        };
        self.n_unconfirmed -= told.min(self.n_unconfirmed);
        self.reader.confirm(told, resume)
    }

    fn close(&mut self, deadline: Duration) -> Result<()> {
        let late = if self.fault == Fault::ClosesLate { LATE } else { Duration::ZERO };
        self.reader.close(deadline + late)
    }
}
