//! Finds the partitions of a source's topics, and where their reading starts.

use std::collections::HashMap;

use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::source::{Assignment, Found, Partition, PartitionFinder, ResumePosition};

use crate::config::{Expired, SourceConfig, Start};
use crate::consumer::{Bounds, Consumer, commit_list};
use crate::position::{Position, TopicId};
use crate::topics::Topics;
use crate::watch::made_again;

/// The finder of a source. It keeps a client of its own, because it is asked again while readers run.
pub(crate) struct Finder {
    consumer: Consumer,
    config: SourceConfig,
    topics: Topics,
    timeout: std::time::Duration,
}

/// What is known of where a partition may start.
struct Candidates<'a> {
    stored: Option<&'a ResumePosition>,
    committed: Option<Position>,
    at_time: Option<u64>,
    /// The id of the topic as it is now.
    topic: Option<TopicId>,
    found: Found,
}

impl Candidates<'_> {
    /// A start in the topic as it is now. What other programs have committed has no id, and is taken to be of this topic.
    fn assign(self, partition: &Partition, offset: u64) -> Assignment {
        let committed = self.committed.map(|committed| {
            let topic = committed.topic.or_else(|| self.topic.clone());
            Position { topic, ..committed }.to_resume()
        });
        let start = Position { offset, topic: self.topic }.to_resume();
        Assignment { partition: partition.clone(), start, committed }
    }
}

impl Finder {
    pub(crate) fn new(
        consumer: Consumer,
        config: SourceConfig,
        timeout: std::time::Duration,
    ) -> Result<Self> {
        let topics = Topics::new(&config)?;
        Ok(Self { consumer, config, topics, timeout })
    }

    /// Where one partition starts: explicit, else stored, else committed, else as the start setting says.
    fn start(&self, partition: &Partition, candidates: &Candidates<'_>) -> Result<u64> {
        let bounds = self.consumer.bounds(partition)?;
        let explicit = match &self.config.start {
            Start::Explicit(positions) if candidates.found == Found::AtStart => positions
                .iter()
                .find(|(named, _)| named == partition)
                .map(|(_, position)| *position),
            _ => None,
        };
        if let Some(offset) = explicit {
            return self.check(partition, offset, bounds, "explicit");
        }
        let stored = candidates.stored.map(|stored| Position::parse(partition, stored));
        let stored = stored.transpose()?.map(|stored| (stored, "stored"));
        let committed = || candidates.committed.clone().map(|committed| (committed, "committed"));
        if let Some((position, whose)) = stored.or_else(committed) {
            let topic = candidates.topic.as_ref();
            return match (position.stranger_to(topic), topic) {
                (Some(then), Some(now)) => {
                    let what = format!("start at the {whose} position {}", position.offset);
                    let error = made_again(self.config.expired, partition, &what, (then, now));
                    self.instead(error, bounds)
                }
                _ => self.check(partition, position.offset, bounds, whose),
            };
        }
        if candidates.found == Found::WhileRunning {
            return Ok(bounds.low);
        }
        Ok(match self.config.start {
            Start::Earliest | Start::Explicit(_) => bounds.low,
            Start::Latest => bounds.high,
            Start::Timestamp(_) => candidates.at_time.unwrap_or(bounds.high),
        })
    }

    /// A position that must still be at the broker.
    fn check(
        &self,
        partition: &Partition,
        position: u64,
        bounds: Bounds,
        whose: &str,
    ) -> Result<u64> {
        let Bounds { low, high } = bounds;
        if position > high {
            return Err(Error::new(
                ErrorKind::Corrupt,
                codes::EXPIRED_POSITION,
                format!("start at the {whose} position {position}: the partition ends at {high}"),
            )
            .at_partition(&partition.topic, partition.index)
            .with_hint("Was the topic deleted and made again? Forget the position, or start with `Start::Explicit`."));
        }
        if position >= low {
            return Ok(position);
        }
        let what = format!("start at the {whose} position {position}");
        self.instead(expired(self.config.expired, partition, &what, low), bounds)
    }

    /// Where to start instead of at a position that is no use any more, as the policy says.
    fn instead(&self, error: Error, bounds: Bounds) -> Result<u64> {
        let start = match self.config.expired {
            Expired::Stop => return Err(error),
            Expired::Earliest => bounds.low,
            Expired::Latest => bounds.high,
        };
        self.consumer
            .raw
            .listener()
            .warn(&format!("{}; reading goes on at {start}", error.report()));
        Ok(start)
    }
}

/// The error for a position that has expired; it names the choices.
pub(crate) fn expired(policy: Expired, partition: &Partition, what: &str, low: u64) -> Error {
    let error = Error::new(ErrorKind::Corrupt, codes::EXPIRED_POSITION, what)
        .at_partition(&partition.topic, partition.index)
        .with_source(format!("it has expired, the oldest record there is has position {low}"));
    match policy {
        Expired::Stop => error.with_hint(
            "Records were deleted before they were read. Choose with `with_expired`: `Expired::Earliest` goes on at the \
             oldest record, `Expired::Latest` at the end, `Expired::Stop` stops as it did now.",
        ),
        Expired::Earliest | Expired::Latest => error,
    }
}

/// The topics of partitions, each once.
fn topics_of(wanted: &[(Partition, Option<ResumePosition>)]) -> Vec<String> {
    let mut topics: Vec<_> = wanted.iter().map(|(p, _)| p.topic.to_string()).collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}

impl PartitionFinder for Finder {
    fn find(&mut self) -> Result<Vec<Partition>> {
        self.topics.find(&self.consumer)
    }

    fn resolve(
        &mut self,
        wanted: &[(Partition, Option<ResumePosition>)],
        found: Found,
    ) -> Result<Vec<Assignment>> {
        let partitions: Vec<_> = wanted.iter().map(|(partition, _)| partition).collect();
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let ids = self.consumer.topic_ids(&topics_of(wanted))?;
        let committed = self.consumer.committed(&partitions)?;
        let at_time = match self.config.start {
            Start::Timestamp(millis) => self.consumer.at_time(&partitions, millis)?,
            _ => HashMap::new(),
        };
        let assignment = |(partition, stored): &(Partition, Option<ResumePosition>)| {
            let candidates = Candidates {
                stored: stored.as_ref(),
                committed: committed.get(partition).cloned(),
                at_time: at_time.get(partition).copied(),
                topic: ids.get(&*partition.topic).cloned(),
                found,
            };
            let start = self.start(partition, &candidates);
            let offset = start.map_err(|error| error.at_step(&self.consumer.step))?;
            Ok(candidates.assign(partition, offset))
        };
        wanted.iter().map(assignment).collect()
    }

    fn pin(&mut self, assignments: &[Assignment]) -> Result<()> {
        if assignments.is_empty() {
            return Ok(());
        }
        let mut starts = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            let start = Position::parse(&assignment.partition, &assignment.start)?;
            starts.push((&assignment.partition, start));
        }
        let starts = commit_list(starts.iter().map(|(partition, start)| (*partition, start)));
        self.consumer.commit_and_wait(&starts, self.timeout)
    }
}
