//! The partitions of a generator, and where generating them starts.

use std::sync::Arc;

use millstream_engine::error::codes;
use millstream_engine::source::{Assignment, Found, Partition, PartitionFinder, ResumePosition};
use millstream_engine::{Error, ErrorKind, Result};

use crate::source::Source;

/// The finding half of [`Source`].
#[derive(Debug)]
pub(crate) struct Finder {
    source: Source,
}

impl Finder {
    pub(crate) fn new(source: Source) -> Self {
        Self { source }
    }
}

impl PartitionFinder for Finder {
    fn find(&mut self) -> Result<Vec<Partition>> {
        let topic: Arc<str> = self.source.shape.name().into();
        let partition = |index| Partition { topic: Arc::clone(&topic), index };
        Ok((0..self.source.partitions).map(partition).collect())
    }

    fn resolve(
        &mut self,
        wanted: &[(Partition, Option<ResumePosition>)],
        _found: Found,
    ) -> Result<Vec<Assignment>> {
        let first = || ResumePosition("0".to_owned());
        let assign = |(partition, stored): &(Partition, Option<ResumePosition>)| {
            let start = stored.clone().unwrap_or_else(first);
            parse(partition, &start)?;
            Ok(Assignment { partition: partition.clone(), start, committed: None })
        };
        wanted.iter().map(assign).collect()
    }
}

/// Reads a position as this connector writes it: the number of the next record of the partition.
pub(crate) fn parse(partition: &Partition, position: &ResumePosition) -> Result<u64> {
    position.0.parse().map_err(|error: std::num::ParseIntError| {
        let what = format!("resume a generator at \"{position}\"");
        Error::new(ErrorKind::Corrupt, codes::STATE_CORRUPT, what)
            .at_partition(&partition.topic, partition.index)
            .with_source(error)
            .with_hint("A position is a number; remove the state folder to begin anew.")
    })
}
