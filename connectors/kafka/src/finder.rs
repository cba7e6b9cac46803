//! Finds the partitions of a source's topics, and where their reading starts.

use std::collections::HashMap;

use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::source::{Assignment, Found, Partition, PartitionFinder, ResumePosition};

use crate::config::{Expired, SourceConfig, Start};
use crate::consumer::{Bounds, Consumer, list, offset_of};

/// The finder of a source. It keeps a client of its own, because it is asked again while readers run.
pub(crate) struct Finder {
    consumer: Consumer,
    config: SourceConfig,
    timeout: std::time::Duration,
}

/// What is known of where a partition may start.
struct Candidates<'a> {
    stored: Option<&'a ResumePosition>,
    committed: Option<u64>,
    at_time: Option<u64>,
    found: Found,
}

impl Finder {
    pub(crate) fn new(
        consumer: Consumer,
        config: SourceConfig,
        timeout: std::time::Duration,
    ) -> Self {
        Self { consumer, config, timeout }
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
        if let Some(position) = explicit {
            return self.check(partition, position, bounds, "explicit");
        }
        if let Some(stored) = candidates.stored {
            let position = parse(partition, stored)?;
            return self.check(partition, position, bounds, "stored");
        }
        if let Some(committed) = candidates.committed {
            return self.check(partition, committed, bounds, "committed");
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
        let expired = expired(self.config.expired, partition, &what, low);
        let start = match self.config.expired {
            Expired::Stop => return Err(expired),
            Expired::Earliest => low,
            Expired::Latest => high,
        };
        self.consumer
            .raw
            .listener()
            .warn(&format!("{}; reading goes on at {start}", expired.report()));
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

/// A resume position of ours: the offset of the next record, in decimal.
pub(crate) fn parse(partition: &Partition, position: &ResumePosition) -> Result<u64> {
    position.0.parse().map_err(|error: std::num::ParseIntError| {
        Error::new(
            ErrorKind::Corrupt,
            codes::EXPIRED_POSITION,
            format!("read the stored position \"{position}\""),
        )
        .at_partition(&partition.topic, partition.index)
        .with_source(error)
    })
}

impl PartitionFinder for Finder {
    fn find(&mut self) -> Result<Vec<Partition>> {
        let counts = self.consumer.count_partitions(&self.config.topics)?;
        let mut partitions = Vec::new();
        for (topic, count) in self.config.topics.iter().zip(counts) {
            let first = Partition::new(topic, 0);
            partitions.extend((0..count).map(|index| Partition { index, ..first.clone() }));
        }
        Ok(partitions)
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
        let committed = self.consumer.committed(&partitions)?;
        let at_time = match self.config.start {
            Start::Timestamp(millis) => self.consumer.at_time(&partitions, millis)?,
            _ => HashMap::new(),
        };
        let assignment = |(partition, stored): &(Partition, Option<ResumePosition>)| {
            let candidates = Candidates {
                stored: stored.as_ref(),
                committed: committed.get(partition).copied(),
                at_time: at_time.get(partition).copied(),
                found,
            };
            let start = self.start(partition, &candidates);
            let start = start.map_err(|error| error.at_step(&self.consumer.step))?;
            Ok(Assignment {
                partition: partition.clone(),
                start: ResumePosition(start.to_string()),
                committed: candidates.committed.map(|offset| ResumePosition(offset.to_string())),
            })
        };
        wanted.iter().map(assignment).collect()
    }

    fn pin(&mut self, assignments: &[Assignment]) -> Result<()> {
        if assignments.is_empty() {
            return Ok(());
        }
        let mut starts = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            starts.push((
                &assignment.partition,
                offset_of(parse(&assignment.partition, &assignment.start)?),
            ));
        }
        self.consumer.commit_and_wait(&list(starts.into_iter()), self.timeout)
    }
}
