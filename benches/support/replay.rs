//! A source that hands out the same prepared batches again and again: where it swaps them, it costs next to nothing itself.

use std::collections::VecDeque;
use std::time::Duration;

use millstream::batch::RecordBatch;
use millstream::source::{
    Acknowledges, Assignment, Confirmed, Found, OpenContext, Partition, PartitionFinder, Placement,
    Read, Reader, ReaderContext, ResumePosition, Source, SourceCapabilities,
};
use millstream::{Error, Result};

/// Hands out `n_batches`, in turns those that `prepare` makes.
pub(crate) struct Replay {
    pub(crate) prepare: fn() -> Vec<RecordBatch>,
    pub(crate) n_batches: u64,
    /// Puts the next prepared batch in the place of one that came back.
    pub(crate) refill: fn(&mut RecordBatch, &mut VecDeque<RecordBatch>),
    pub(crate) placement: Placement,
}

const TOPIC: &str = "replay";

impl Source for Replay {
    fn connector(&self) -> &'static str {
        TOPIC
    }

    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities {
            replayable: true,
            ordered: true,
            acknowledges: Acknowledges::Cumulatively,
            redelivers: false,
            bounded: true,
        }
    }

    fn finder(&self, _cx: &OpenContext) -> Result<Box<dyn PartitionFinder>> {
        Ok(Box::new(OnePartition))
    }

    fn reader(&self, _cx: ReaderContext) -> Result<Box<dyn Reader>> {
        Ok(Box::new(ReplayReader {
            prepared: (self.prepare)().into(),
            refill: self.refill,
            left: self.n_batches,
            confirmed: 0,
        }))
    }

    fn placement(&self) -> Placement {
        self.placement
    }
}

struct OnePartition;

impl PartitionFinder for OnePartition {
    fn find(&mut self) -> Result<Vec<Partition>> {
        Ok(vec![Partition::new(TOPIC, 0)])
    }

    fn resolve(
        &mut self,
        wanted: &[(Partition, Option<ResumePosition>)],
        _found: Found,
    ) -> Result<Vec<Assignment>> {
        let from_start = |(partition, _): &(Partition, _)| Assignment {
            partition: partition.clone(),
            start: ResumePosition("0".to_owned()),
            committed: None,
        };
        Ok(wanted.iter().map(from_start).collect())
    }
}

struct ReplayReader {
    prepared: VecDeque<RecordBatch>,
    refill: fn(&mut RecordBatch, &mut VecDeque<RecordBatch>),
    left: u64,
    confirmed: u64,
}

impl Reader for ReplayReader {
    fn assign(&mut self, _assignments: &[Assignment]) -> Result<()> {
        Ok(())
    }

    fn read(&mut self, batch: &mut RecordBatch, _wait: Duration) -> Result<Read> {
        if self.left == 0 {
            return Ok(Read::End);
        }
        (self.refill)(batch, &mut self.prepared);
        if batch.is_empty() {
            return Err(Error::config("replay more batches than are prepared"));
        }
        self.left -= 1;
        Ok(Read::Records)
    }

    /// Keeps the records: they are handed out again.
    fn recycle(&mut self, _batch: &mut RecordBatch) {}

    fn confirm(&mut self, n_batches: u64, resume: &mut Vec<Confirmed>) -> Result<()> {
        self.confirmed += n_batches;
        resume.push(Confirmed {
            partition: Partition::new(TOPIC, 0),
            resume: ResumePosition(self.confirmed.to_string()),
        });
        Ok(())
    }

    fn close(&mut self, _deadline: Duration) -> Result<()> {
        Ok(())
    }
}
