//! A source that reads a list: items, and marks that end, abort or pause it. A crash-and-resume test is such a list.
//!
//! Invariant: positions survive from one execution to the next, as a broker's committed positions would.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::batch::{NO_TIME, Origin, OwnedRecord, RecordBatch};
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result, codes};
use crate::source::{
    Acknowledges, Assignment, Confirmed, Found, OpenContext, Partition, PartitionFinder, Placement,
    Read, Reader, ReaderContext, ResumePosition, Source, SourceCapabilities,
};

/// An entry of a [`TestSource`]'s list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestItem {
    /// A record.
    Record(OwnedRecord),
    /// The source ends here; the next run goes on after it.
    Eof,
    /// The source fails here, once, with an error of kind *unavailable*; the next run goes on after it.
    Abort,
    /// Nothing is read for this long, by the dataflow's clock.
    Pause(Duration),
}

impl From<&str> for TestItem {
    fn from(text: &str) -> Self {
        Self::Record(OwnedRecord::of(text))
    }
}

impl From<OwnedRecord> for TestItem {
    fn from(record: OwnedRecord) -> Self {
        Self::Record(record)
    }
}

#[derive(Debug, Default)]
struct State {
    lists: Vec<Vec<TestItem>>,
    committed: HashMap<u32, u64>,
    aborted: Vec<(u32, u64)>,
    ended: Vec<(u32, u64)>,
    bounded: bool,
}

/// A source that reads lists, one per partition. Clones share the lists and the committed positions.
///
/// # Delivery
/// At least once: replayable, ordered per partition, acknowledges cumulatively.
#[derive(Clone, Debug)]
pub struct TestSource {
    state: Arc<Mutex<State>>,
    topic: Arc<str>,
    batch_records: usize,
}

impl TestSource {
    /// A source with one partition; it ends after the last entry.
    pub fn new<I: Into<TestItem>>(items: impl IntoIterator<Item = I>) -> Self {
        Self::partitioned([items])
    }

    /// A source with a partition per list; it ends after the last entries.
    pub fn partitioned<I: Into<TestItem>, L: IntoIterator<Item = I>>(
        lists: impl IntoIterator<Item = L>,
    ) -> Self {
        let lists =
            lists.into_iter().map(|list| list.into_iter().map(Into::into).collect()).collect();
        let state = State { lists, bounded: true, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), topic: "test".into(), batch_records: 1024 }
    }

    /// A source of one partition that stays open: entries are pushed while it runs.
    pub fn open_ended() -> Self {
        let source = Self::new(Vec::<TestItem>::new());
        source.lock().bounded = false;
        source
    }

    /// At most this many records per batch; default 1024.
    #[must_use]
    pub fn with_batch_records(mut self, n: usize) -> Self {
        self.batch_records = n.max(1);
        self
    }

    /// Adds an entry to partition 0; a harness reads it in its next step.
    pub fn push(&self, item: impl Into<TestItem>) {
        self.push_to(0, item);
    }

    /// Adds an entry to a partition, which is made where there is none.
    pub fn push_to(&self, partition: usize, item: impl Into<TestItem>) {
        let mut state = self.lock();
        if state.lists.len() <= partition {
            state.lists.resize_with(partition + 1, Vec::new);
        }
        state.lists[partition].push(item.into());
    }

    /// The committed position of each partition: entries before it were made durable.
    pub fn committed(&self) -> Vec<u64> {
        let state = self.lock();
        let at = |p: usize| {
            u32::try_from(p).ok().and_then(|p| state.committed.get(&p).copied()).unwrap_or(0)
        };
        (0..state.lists.len()).map(at).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for TestSource {
    fn connector(&self) -> &'static str {
        "test"
    }

    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities {
            replayable: true,
            ordered: true,
            acknowledges: Acknowledges::Cumulatively,
            redelivers: false,
            bounded: self.lock().bounded,
        }
    }

    fn finder(&self, _cx: &OpenContext) -> Result<Box<dyn PartitionFinder>> {
        Ok(Box::new(Finder(self.clone())))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn Reader>> {
        Ok(Box::new(ListReader {
            source: self.clone(),
            clock: cx.open.clock,
            partitions: Vec::new(),
            unconfirmed: VecDeque::new(),
            next: 0,
            limit: self.batch_records.min(cx.batch_records),
        }))
    }

    fn placement(&self) -> Placement {
        Placement::Worker
    }
}

struct Finder(TestSource);

impl PartitionFinder for Finder {
    fn find(&mut self) -> Result<Vec<Partition>> {
        let n = u32::try_from(self.0.lock().lists.len()).unwrap_or(u32::MAX);
        Ok((0..n).map(|index| Partition { topic: Arc::clone(&self.0.topic), index }).collect())
    }

    fn resolve(
        &mut self,
        wanted: &[(Partition, Option<ResumePosition>)],
        _found: Found,
    ) -> Result<Vec<Assignment>> {
        let state = self.0.lock();
        let assign = |(partition, stored): &(Partition, Option<ResumePosition>)| {
            let committed =
                state.committed.get(&partition.index).map(|c| ResumePosition(c.to_string()));
            let start = stored.clone().or_else(|| committed.clone());
            Assignment {
                partition: partition.clone(),
                start: start.unwrap_or_else(|| ResumePosition("0".to_owned())),
                committed,
            }
        };
        Ok(wanted.iter().map(assign).collect())
    }
}

struct Reading {
    index: u32,
    at: u64,
    origin: Origin,
    paused_until: Option<u64>,
    ended: bool,
}

struct ListReader {
    source: TestSource,
    clock: SharedClock,
    partitions: Vec<Reading>,
    unconfirmed: VecDeque<(u32, u64)>,
    next: usize,
    limit: usize,
}

impl Reader for ListReader {
    fn assign(&mut self, assignments: &[Assignment]) -> Result<()> {
        for Assignment { partition, start, .. } in assignments {
            let at = start
                .0
                .parse()
                .map_err(|e| Error::config("read a start position").with_source(format!("{e}")))?;
            self.partitions.push(Reading {
                index: partition.index,
                at,
                origin: Origin::new("test", &partition.topic, partition.index),
                paused_until: None,
                ended: false,
            });
        }
        Ok(())
    }

    fn read(&mut self, batch: &mut RecordBatch, _wait: Duration) -> Result<Read> {
        let source = self.source.clone();
        let mut state = source.lock();
        for _ in 0..self.partitions.len() {
            let turn = self.next % self.partitions.len();
            self.next += 1;
            let reading = &mut self.partitions[turn];
            reading.fill(&mut state, batch, self.limit, self.clock.micros())?;
            if !batch.is_empty() {
                batch.ingest_micros = self.clock.micros();
                self.unconfirmed.push_back((reading.index, reading.at));
                return Ok(Read::Records);
            }
        }
        let all_ended = self.partitions.iter().all(|p| p.ended);
        Ok(if all_ended && state.bounded { Read::End } else { Read::Idle })
    }

    fn confirm(&mut self, n_batches: u64, resume: &mut Vec<Confirmed>) -> Result<()> {
        let mut state = self.source.lock();
        for _ in 0..n_batches {
            let Some((index, at)) = self.unconfirmed.pop_front() else {
                continue;
            };
            state.committed.insert(index, at);
            resume.push(Confirmed {
                partition: Partition { topic: Arc::clone(&self.source.topic), index },
                resume: ResumePosition(at.to_string()),
            });
        }
        Ok(())
    }

    /// Entries not read yet, marks among them.
    fn lag(&self) -> Option<u64> {
        let state = self.source.lock();
        let left = |reading: &Reading| {
            let list = state.lists.get(usize::try_from(reading.index).ok()?)?;
            Some((list.len() as u64).saturating_sub(reading.at))
        };
        self.partitions.iter().map(left).sum()
    }

    fn close(&mut self, _deadline: Duration) -> Result<()> {
        Ok(())
    }
}

impl Reading {
    /// Reads entries up to the next mark or the limit.
    fn fill(
        &mut self,
        state: &mut State,
        batch: &mut RecordBatch,
        limit: usize,
        now: u64,
    ) -> Result<()> {
        let list = usize::try_from(self.index).unwrap_or(usize::MAX);
        while !self.ended
            && batch.len() < limit
            && self.paused_until.is_none_or(|until| now >= until)
        {
            let mark = (self.index, self.at);
            let entry = state.lists.get(list).and_then(|l| l.get(usize::try_from(self.at).ok()?));
            match entry {
                None => self.ended = state.bounded,
                Some(TestItem::Record(record)) => {
                    push(batch, record, &self.origin, self.at);
                    self.at += 1;
                    continue;
                }
                // A mark stands between batches: what is before it goes first.
                Some(_) if !batch.is_empty() => {}
                Some(TestItem::Pause(time)) => {
                    if self.paused_until.is_some() {
                        (self.at, self.paused_until) = (self.at + 1, None);
                        continue;
                    }
                    self.paused_until =
                        Some(now + u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
                }
                Some(TestItem::Eof) => {
                    if state.ended.contains(&mark) {
                        self.at += 1;
                        continue;
                    }
                    state.ended.push(mark);
                    self.ended = true;
                }
                Some(TestItem::Abort) => {
                    if state.aborted.contains(&mark) {
                        self.at += 1;
                        continue;
                    }
                    state.aborted.push(mark);
                    return Err(Error::new(
                        ErrorKind::Unavailable,
                        codes::UNREACHABLE,
                        "go on after the mark `Abort`",
                    )
                    .at_partition("test", self.index)
                    .at_position(self.at));
                }
            }
            return Ok(());
        }
        Ok(())
    }
}

fn push(batch: &mut RecordBatch, record: &OwnedRecord, origin: &Origin, position: u64) {
    batch.set_origin(origin);
    batch.push(
        record.key.as_deref(),
        record.value.as_deref(),
        record.time.unwrap_or(NO_TIME),
        position,
    );
    for (name, value) in &record.headers {
        batch.push_header(name, value.as_deref());
    }
}
