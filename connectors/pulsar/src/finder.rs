//! Finds the partitions of a source's topics, and where their reading starts.
//!
//! A subscription keeps its position at the broker: it is made to exist, before the first record, and otherwise left alone. For
//! `Mode::Reader` a start is resolved to a place in the partition, which the engine keeps.

use std::sync::Arc;
use std::time::Duration;

use millstream_engine::clock::SharedClock;
use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::source::{
    Assignment, Found, OpenContext, Partition, PartitionFinder, ResumePosition,
};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::config::{Expired, SourceConfig, Start};
use crate::consumer::{Bounds, Kind, Terms, Wanted, probe, subscribe_once};
use crate::error::error_of;
use crate::net::Trouble;
use crate::net::cluster::Cluster;
use crate::position::{EntryId, Position};
use crate::reader::expired;
use crate::topic_name::TopicName;
use crate::topics::Topics;

/// Partitions that the broker is asked about at the same time.
const AT_ONCE: usize = 32;

/// Where a subscription is to begin that does not exist yet, as starts are written where the broker keeps the position.
const EARLIEST: &str = "earliest";
const LATEST: &str = "latest";

/// Where a partition starts, before the broker was asked.
enum Starts {
    Behind(Position),
    AtEnd,
    AtTime,
}

/// The finder of a source. It has connections of its own, because it is asked again while readers run.
pub(crate) struct Finder {
    runtime: Handle,
    cluster: Arc<Cluster>,
    config: SourceConfig,
    terms: Arc<Terms>,
    topics: Topics,
    timeout: Duration,
    clock: SharedClock,
}

impl Finder {
    pub(crate) fn new(
        runtime: Handle,
        cluster: Arc<Cluster>,
        cx: &OpenContext,
        config: SourceConfig,
    ) -> Result<Self> {
        Ok(Self {
            runtime,
            cluster,
            terms: Arc::new(config.terms(&cx.qualified_name())),
            topics: Topics::new(&config)?,
            timeout: cx.open_timeout,
            clock: Arc::clone(&cx.clock),
            config,
        })
    }

    fn is_reader(&self) -> bool {
        self.terms.kind == Kind::Reader
    }

    /// Asks about partitions, several at a time, and gives the answers in their order.
    fn ask_each<T, F>(
        &self,
        partitions: &[&Partition],
        what: &str,
        ask: impl Fn(Arc<Cluster>, Wanted) -> F,
    ) -> Result<Vec<T>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Trouble>> + Send + 'static,
    {
        let mut answers = Vec::with_capacity(partitions.len());
        let asked = async {
            let mut running = JoinSet::new();
            for (at, partition) in partitions.iter().enumerate() {
                let answer = ask(Arc::clone(&self.cluster), self.wanted(partition)?);
                running.spawn(async move { (at, answer.await) });
                if running.len() >= AT_ONCE {
                    take(&mut running, &mut answers, partitions, what).await?;
                }
            }
            while !running.is_empty() {
                take(&mut running, &mut answers, partitions, what).await?;
            }
            Ok(())
        };
        self.within(what, asked)?;
        answers.sort_unstable_by_key(|(at, _)| *at);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    /// Runs to the end, or to the end of our patience.
    fn within<T>(&self, what: &str, asked: impl Future<Output = Result<T>>) -> Result<T> {
        let limited = async { tokio::time::timeout(self.timeout, asked).await };
        self.runtime.block_on(limited).unwrap_or_else(|_elapsed| {
            Err(Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what)
                .with_source(format!("the broker took longer than {:?}", self.timeout)))
        })
    }

    fn wanted(&self, partition: &Partition) -> Result<Wanted> {
        let topic = TopicName::parse(&partition.topic).map_err(|rule| {
            Error::config(format!("read the topic \"{}\"", partition.topic)).with_source(rule)
        })?;
        let (index, terms) = (partition.index, Arc::clone(&self.terms));
        Ok(Wanted { topic, index, terms, start: EntryId::START, asks_ends: true })
    }

    /// Where one partition starts: explicit, else stored, else as the start setting says.
    fn start(
        &self,
        partition: &Partition,
        stored: Option<&ResumePosition>,
        found: Found,
    ) -> Result<Starts> {
        if let (Start::Explicit(ids), Found::AtStart) = (&self.config.start, found)
            && let Some((_, id)) = ids.iter().find(|(named, _)| named == partition)
        {
            return Ok(Starts::Behind(Position::before(*id)));
        }
        if let Some(stored) = stored {
            return Position::parse(partition, stored).map(Starts::Behind);
        }
        if found == Found::WhileRunning {
            return Ok(Starts::Behind(Position::START));
        }
        Ok(match &self.config.start {
            Start::Earliest | Start::Explicit(_) => Starts::Behind(Position::START),
            Start::Latest => Starts::AtEnd,
            Start::Timestamp(_) | Start::Ago(_) => Starts::AtTime,
        })
    }

    /// The time at which reading starts, where it starts at one.
    fn start_time(&self) -> Option<u64> {
        match &self.config.start {
            Start::Timestamp(millis) => Some(*millis),
            Start::Ago(ago) => {
                let now = u64::try_from(self.clock.unix_millis()).unwrap_or(0);
                let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
                Some(now.saturating_sub(ago))
            }
            Start::Earliest | Start::Latest | Start::Explicit(_) => None,
        }
    }

    /// A place that the broker must still have.
    fn check(&self, partition: &Partition, position: Position, bounds: Bounds) -> Result<Position> {
        let Bounds { low, last, .. } = bounds;
        let at = position.entry;
        if at.entry >= 0 && at > last && at > low {
            let what = format!("start behind the position {position}");
            return Err(Error::new(ErrorKind::Corrupt, codes::EXPIRED_POSITION, what)
                .at_partition(&partition.topic, partition.index)
                .with_source(format!("the partition ends at {last}"))
                .with_hint("Was the topic deleted and made again? Forget the position, or start with `Start::Explicit`."));
        }
        if at == EntryId::START || at >= low || at == last {
            return Ok(position);
        }
        let error = expired(position, low).at_partition(&partition.topic, partition.index);
        let start = match self.config.expired {
            Expired::Stop => return Err(error),
            Expired::Earliest => Position::START,
            Expired::Latest => bounds.end(),
        };
        tracing::warn!(%partition, %start, "{}; reading goes on", error.report());
        Ok(start)
    }

    /// The place of each partition's start.
    fn place(
        &self,
        wanted: &[(Partition, Option<ResumePosition>)],
        found: Found,
    ) -> Result<Vec<Position>> {
        let partitions: Vec<_> = wanted.iter().map(|(partition, _)| partition).collect();
        let time = self.start_time().filter(|_| found == Found::AtStart);
        let bounds =
            self.ask_each(&partitions, "find where reading starts", |cluster, asked| async move {
                probe(&cluster, &asked, time).await
            })?;
        let placed = wanted.iter().zip(bounds).map(|((partition, stored), bounds)| {
            match self.start(partition, stored.as_ref(), found)? {
                Starts::Behind(position) => self.check(partition, position, bounds),
                Starts::AtEnd => Ok(bounds.end()),
                Starts::AtTime => Ok(bounds.at_time()),
            }
        });
        placed.collect()
    }
}

/// Takes one answer, with the partition that it is of.
async fn take<T: 'static>(
    running: &mut JoinSet<(usize, Result<T, Trouble>)>,
    answers: &mut Vec<(usize, T)>,
    partitions: &[&Partition],
    what: &str,
) -> Result<()> {
    let Some(Ok((at, answer))) = running.join_next().await else {
        return Err(Error::new(ErrorKind::Panic, codes::PANIC, what)
            .with_source("a task of the connector panicked"));
    };
    let answer = answer.map_err(|trouble| {
        error_of(&trouble, what).at_partition(&partitions[at].topic, partitions[at].index)
    })?;
    answers.push((at, answer));
    Ok(())
}

impl PartitionFinder for Finder {
    fn find(&mut self) -> Result<Vec<Partition>> {
        let cluster = Arc::clone(&self.cluster);
        let mut topics = std::mem::take(&mut self.topics);
        let found = self.within("find the topics", async { topics.find(&cluster).await });
        self.topics = topics;
        found
    }

    fn resolve(
        &mut self,
        wanted: &[(Partition, Option<ResumePosition>)],
        found: Found,
    ) -> Result<Vec<Assignment>> {
        let starts = if self.is_reader() {
            self.place(wanted, found)?.into_iter().map(Position::to_resume).collect()
        } else {
            let begins_at_end = found == Found::AtStart && self.config.start == Start::Latest;
            let start = if begins_at_end { LATEST } else { EARLIEST };
            vec![ResumePosition(start.to_owned()); wanted.len()]
        };
        let assigned = wanted.iter().zip(starts).map(|((partition, _), start)| Assignment {
            partition: partition.clone(),
            start,
            committed: None,
        });
        Ok(assigned.collect())
    }

    fn pin(&mut self, assignments: &[Assignment]) -> Result<()> {
        if self.is_reader() {
            return Ok(());
        }
        for (starts_at_end, start) in [(false, EARLIEST), (true, LATEST)] {
            let partitions: Vec<_> = assignments
                .iter()
                .filter(|assignment| assignment.start.0 == start)
                .map(|assignment| &assignment.partition)
                .collect();
            let terms = Arc::new(Terms { starts_at_end, ..(*self.terms).clone() });
            self.ask_each(&partitions, "subscribe", |cluster, wanted| {
                let wanted = Wanted { terms: Arc::clone(&terms), ..wanted };
                async move { subscribe_once(&cluster, &wanted).await }
            })?;
        }
        Ok(())
    }
}
