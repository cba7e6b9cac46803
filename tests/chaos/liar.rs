//! Sources and sinks that break one promise each, so that the verifier can show that it notices.
//!
//! Invariant: one lie breaks one promise, and leaves everything else to the connector inside.

use std::time::Duration;

use millstream::batch::{OwnedRecord, Record, RecordBatch};
use millstream::sink::{Rejected, Sink, SinkCapabilities, Writer, WriterContext};
use millstream::source::{
    Assignment, Confirmed, Found, OpenContext, Partition, PartitionFinder, Read, Reader,
    ReaderContext, ResumePosition, Source, SourceCapabilities,
};
use millstream::{Error, Result, kafka};

/// A promise to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// The reader commits what it has read, at once.
    ConfirmsAtRead,
    /// The reader commits on closing what it has read: whatever had not arrived is dropped.
    DropsOnStop,
    /// The writer calls durable what it has only taken.
    ConfirmsAtWrite,
    /// The finder leaves out the last partition.
    SkipsAPartition,
    /// The finder starts one record behind where it should.
    StartsAhead,
    /// The finder starts one record before where it should.
    StartsBehind,
    /// The writer sends a prefix of its first batch twice.
    SendsTwice,
    /// The writer turns its first batch round.
    Reorders,
    /// The writer changes a byte of one record.
    Corrupts,
}

impl Lie {
    pub(crate) const ALL: [Self; 9] = [
        Self::ConfirmsAtRead,
        Self::DropsOnStop,
        Self::ConfirmsAtWrite,
        Self::SkipsAPartition,
        Self::StartsAhead,
        Self::StartsBehind,
        Self::SendsTwice,
        Self::Reorders,
        Self::Corrupts,
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lie| lie.name() == name)
    }

    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }
}

#[derive(Debug)]
pub(crate) struct LyingSource(pub(crate) kafka::Source, pub(crate) Lie);

impl Source for LyingSource {
    fn connector(&self) -> &'static str {
        self.0.connector()
    }

    fn capabilities(&self) -> SourceCapabilities {
        self.0.capabilities()
    }

    fn faults(&self) -> Vec<Error> {
        self.0.faults()
    }

    fn finder(&self, cx: &OpenContext) -> Result<Box<dyn PartitionFinder>> {
        Ok(Box::new(LyingFinder(self.0.finder(cx)?, self.1)))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn Reader>> {
        Ok(Box::new(LyingReader { reader: self.0.reader(cx)?, lie: self.1, n_unconfirmed: 0 }))
    }
}

struct LyingFinder(Box<dyn PartitionFinder>, Lie);

impl PartitionFinder for LyingFinder {
    fn find(&mut self) -> Result<Vec<Partition>> {
        let mut found = self.0.find()?;
        if self.1 == Lie::SkipsAPartition {
            found.pop();
        }
        Ok(found)
    }

    fn resolve(
        &mut self,
        wanted: &[(Partition, Option<ResumePosition>)],
        found: Found,
    ) -> Result<Vec<Assignment>> {
        let mut resolved = self.0.resolve(wanted, found)?;
        for assignment in &mut resolved {
            // The id of the topic stands behind the offset.
            let (offset, id) = assignment.start.0.split_once('@').unwrap_or_default();
            let start: u64 = offset.parse().unwrap_or_default();
            let shifted = match self.1 {
                Lie::StartsAhead if start > 0 => start + 1,
                Lie::StartsBehind => start.saturating_sub(1),
                _ => start,
            };
            assignment.start = ResumePosition(format!("{shifted}@{id}"));
        }
        Ok(resolved)
    }

    fn pin(&mut self, assignments: &[Assignment]) -> Result<()> {
        self.0.pin(assignments)
    }
}

struct LyingReader {
    reader: Box<dyn Reader>,
    lie: Lie,
    n_unconfirmed: u64,
}

impl Reader for LyingReader {
    fn assign(&mut self, assignments: &[Assignment]) -> Result<()> {
        self.reader.assign(assignments)
    }

    fn read(&mut self, batch: &mut RecordBatch, wait: Duration) -> Result<Read> {
        let read = self.reader.read(batch, wait)?;
        if read == Read::Records {
            if self.lie == Lie::ConfirmsAtRead {
                self.reader.confirm(1, &mut Vec::new())?;
            } else {
                self.n_unconfirmed += 1;
            }
        }
        Ok(read)
    }

    fn confirm(&mut self, n_batches: u64, resume: &mut Vec<Confirmed>) -> Result<()> {
        if self.lie == Lie::ConfirmsAtRead {
            return Ok(());
        }
        self.n_unconfirmed -= n_batches;
        self.reader.confirm(n_batches, resume)
    }

    fn close(&mut self, deadline: Duration) -> Result<()> {
        if self.lie == Lie::DropsOnStop {
            self.reader.confirm(self.n_unconfirmed, &mut Vec::new())?;
        }
        self.reader.close(deadline)
    }
}

#[derive(Debug)]
pub(crate) struct LyingSink(pub(crate) kafka::Sink, pub(crate) Lie);

impl Sink for LyingSink {
    fn connector(&self) -> &'static str {
        self.0.connector()
    }

    fn target(&self) -> String {
        self.0.target()
    }

    fn capabilities(&self) -> SinkCapabilities {
        self.0.capabilities()
    }

    fn prepare(&self, cx: &OpenContext) -> Result<()> {
        self.0.prepare(cx)
    }

    fn writer(&self, cx: WriterContext) -> Result<Box<dyn Writer>> {
        Ok(Box::new(LyingWriter { writer: self.0.writer(cx)?, lie: self.1, done: false }))
    }
}

struct LyingWriter {
    writer: Box<dyn Writer>,
    lie: Lie,
    /// Whether the lie was told: once is enough.
    done: bool,
}

impl LyingWriter {
    /// Writes a changed copy of a whole batch.
    fn write_changed(
        &mut self,
        epoch: u64,
        batch: &RecordBatch,
        change: impl FnOnce(&mut Vec<OwnedRecord>),
    ) -> Result<usize> {
        let mut records: Vec<OwnedRecord> = batch.iter().map(Record::to_owned).collect();
        change(&mut records);
        let mut changed = RecordBatch::default();
        for record in &records {
            changed.push_owned(record);
        }
        let taken = self.writer.write(epoch, &changed, 0)?;
        self.done = taken == changed.len();
        Ok(taken)
    }
}

impl Writer for LyingWriter {
    fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<usize> {
        if self.done || from > 0 || batch.len() < 2 {
            return self.writer.write(epoch, batch, from);
        }
        match self.lie {
            Lie::SendsTwice => {
                self.done = self.writer.write(epoch, batch, batch.len() / 2)? > from;
                self.writer.write(epoch, batch, from)
            }
            Lie::Reorders => self.write_changed(epoch, batch, |records| records.reverse()),
            Lie::Corrupts => self.write_changed(epoch, batch, |records| {
                if let Some(byte) = records[0].value.as_mut().and_then(|value| value.last_mut()) {
                    *byte ^= 1;
                }
            }),
            _ => self.writer.write(epoch, batch, from),
        }
    }

    fn epoch_closed(&mut self, frontier: Option<u64>) {
        self.writer.epoch_closed(frontier);
    }

    fn poll(&mut self, rejected: &mut Vec<Rejected>) -> Result<()> {
        self.writer.poll(rejected)
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        match self.lie {
            Lie::ConfirmsAtWrite => None,
            _ => self.writer.oldest_unconfirmed(),
        }
    }

    fn close(&mut self) {
        self.writer.close();
    }
}
