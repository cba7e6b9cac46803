//! Finds the partitions of a topic and where reading them starts.
//!
//! Invariant: every partition gets a position, also one without a record: what comes later must not be skipped.

use std::sync::Arc;

use millstream_engine::Result;
use millstream_engine::source::{Assignment, Found, Partition, PartitionFinder, ResumePosition};

use crate::config::Start;
use crate::error;
use crate::source::{Source, origin};
use crate::topic::{State, Topic};

/// The finding half of [`Source`].
#[derive(Debug)]
pub(crate) struct Finder {
    topic: Arc<Topic>,
    source: Source,
    group: String,
}

impl Finder {
    pub(crate) fn new(topic: Arc<Topic>, source: Source, group: String) -> Self {
        Self { topic, source, group }
    }

    fn resolve_one(
        &self,
        state: &State,
        partition: &Partition,
        stored: Option<&ResumePosition>,
        found: Found,
    ) -> Result<Assignment> {
        let log = state.log(&self.topic.name, partition.index)?;
        let committed = state.position(&self.group, partition.index);
        let explicit = self.source.positions.get(&partition.index).copied();
        let stored = stored.map(|text| parse(partition, text)).transpose()?;
        let kept = (log.first(), log.next());
        let start = match explicit.or(stored).or(committed) {
            Some(position) if position < kept.0 || position > kept.1 => {
                let at = origin(&self.topic.name, partition.index);
                self.source.expired.settle(&at, position, kept)?
            }
            Some(position) => position,
            None if found == Found::WhileRunning => log.start(Start::Earliest),
            None => log.start(self.source.start),
        };
        Ok(Assignment {
            partition: partition.clone(),
            start: ResumePosition(start.to_string()),
            committed: committed.map(|position| ResumePosition(position.to_string())),
        })
    }
}

/// Reads a position as this connector writes it: the number of the next record.
pub(crate) fn parse(partition: &Partition, position: &ResumePosition) -> Result<u64> {
    position.0.parse().map_err(|error: std::num::ParseIntError| {
        error::bad_position(&partition.topic, partition.index, &position.0).with_source(error)
    })
}

impl PartitionFinder for Finder {
    fn find(&mut self) -> Result<Vec<Partition>> {
        let n_partitions = self.topic.lock().logs.len();
        let partition = |index| Partition { topic: Arc::clone(&self.topic.name), index };
        Ok((0..).take(n_partitions).map(partition).collect())
    }

    fn resolve(
        &mut self,
        wanted: &[(Partition, Option<ResumePosition>)],
        found: Found,
    ) -> Result<Vec<Assignment>> {
        let state = self.topic.lock();
        let resolve = |(partition, stored): &(Partition, Option<ResumePosition>)| {
            self.resolve_one(&state, partition, stored.as_ref(), found)
        };
        wanted.iter().map(resolve).collect()
    }

    fn pin(&mut self, assignments: &[Assignment]) -> Result<()> {
        let mut positions = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            let position = parse(&assignment.partition, &assignment.start)?;
            positions.push((assignment.partition.index, position));
        }
        if self.topic.commit(&self.group, positions) {
            return Ok(());
        }
        Err(error::away(&self.topic.name, "commit where reading starts"))
    }
}
