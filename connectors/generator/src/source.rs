//! The source: how a program says what to generate.
//!
//! Invariant: a record depends on seed, shape and number alone, never on partitions, workers or time; its own time apart.

use millstream_engine::source::{
    Acknowledges, OpenContext, PartitionFinder, Reader, ReaderContext, SourceCapabilities,
};
use millstream_engine::{Error, Result};

use crate::finder::Finder;
use crate::pace::Rate;
use crate::reader::GeneratorReader;
use crate::shape::Shape;

/// The connector's name, in origins, errors and metrics.
pub(crate) const CONNECTOR: &str = "generator";

/// Generates records at a fixed rate.
///
/// Record `n` is in partition `n` modulo their number, and partitions keep their order. The same seed makes the same records,
/// whatever the number of partitions and workers; only their times differ, which are those at which they were made, unless the
/// shape sets them.
///
/// # Delivery
/// At least once: a position is the number of a record within its partition, and reading goes on there, or a record is made
/// again. Positions are kept in the state folder if there is one; without it every run begins with record 0.
///
/// # Examples
/// ```
/// use millstream_engine::testing::TestSink;
/// use millstream_engine::{Config, Dataflow, run};
/// use millstream_generator::{Shape, Source};
///
/// let sink = TestSink::new();
/// let to = sink.clone();
/// let flow = Dataflow::new("try", move |flow| {
///     let orders = Source::new(Shape::orders()).unlimited().with_count(1000).with_seed(7);
///     flow.source("orders", orders).sink("out", to.clone());
/// });
/// run(&flow, Config::default())?;
/// assert_eq!(sink.len(), 1000);
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) shape: Shape,
    pub(crate) rate: Rate,
    pub(crate) count: Option<u64>,
    pub(crate) seed: u64,
    pub(crate) partitions: u32,
}

impl Source {
    /// Generates records of this shape: a thousand a second, without an end, seed 0, one partition.
    pub fn new(shape: Shape) -> Self {
        Self { shape, rate: Rate::default(), count: None, seed: 0, partitions: 1 }
    }

    /// Sets how many records are made in a second, over all partitions; 1000 by default.
    ///
    /// After a stall, such as that of a sink, at most the records of a tenth of a second are made up for.
    #[must_use]
    pub fn with_rate(mut self, records_per_second: f64) -> Self {
        self.rate = Rate::PerSecond(records_per_second);
        self
    }

    /// Makes records as fast as they are taken.
    #[must_use]
    pub fn unlimited(mut self) -> Self {
        self.rate = Rate::Unlimited;
        self
    }

    /// Ends after so many records, over all partitions; without an end by default.
    #[must_use]
    pub fn with_count(mut self, n_records: u64) -> Self {
        self.count = Some(n_records);
        self
    }

    /// Sets the seed; 0 by default.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the number of partitions, which is how many workers can generate at once; 1 by default. Positions of a state folder
    /// are those of records only as long as it stays the same.
    #[must_use]
    pub fn with_partitions(mut self, n_partitions: u32) -> Self {
        self.partitions = n_partitions;
        self
    }

    /// How many records a partition has, if there is an end.
    pub(crate) fn len_of(&self, partition: u32) -> Option<u64> {
        let after = u64::from(self.partitions.saturating_sub(1).saturating_sub(partition));
        self.count.map(|count| count.saturating_add(after) / u64::from(self.partitions.max(1)))
    }
}

impl millstream_engine::source::Source for Source {
    fn connector(&self) -> &'static str {
        CONNECTOR
    }

    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities {
            replayable: true,
            ordered: true,
            acknowledges: Acknowledges::Never,
            redelivers: false,
            bounded: self.count.is_some(),
        }
    }

    fn faults(&self) -> Vec<Error> {
        let mut faults = Vec::new();
        if self.partitions == 0 {
            faults.push(Error::config("generate records in no partition"));
        }
        match self.rate {
            Rate::PerSecond(n) if !n.is_finite() || n <= 0.0 => {
                let hint = "Say how many a second, such as 1000 or 0.5, or `.unlimited()`.";
                let what = format!("generate {n} records a second");
                faults.push(Error::config(what).with_hint(hint));
            }
            Rate::PerSecond(_) | Rate::Unlimited => {}
        }
        faults
    }

    fn finder(&self, _cx: &OpenContext) -> Result<Box<dyn PartitionFinder>> {
        Ok(Box::new(Finder::new(self.clone())))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn Reader>> {
        Ok(Box::new(GeneratorReader::new(self.clone(), cx)))
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::source::Source as _;

    use super::*;

    #[test]
    fn partitions_share_all_records() {
        for (count, partitions) in [(0, 3), (1, 3), (10, 3), (9, 3), (5, 1)] {
            let source =
                Source::new(Shape::numbers()).with_count(count).with_partitions(partitions);
            let lens: Vec<u64> = (0..partitions).filter_map(|p| source.len_of(p)).collect();
            assert_eq!(lens.iter().sum::<u64>(), count, "{lens:?}");
            assert!(lens.is_sorted_by(|a, b| a >= b), "{lens:?}");
        }
    }

    #[test]
    fn all_faults_are_told() {
        let source = Source::new(Shape::numbers()).with_rate(-1.0).with_partitions(0);
        let reports: Vec<String> = source.faults().iter().map(Error::report).collect();
        insta::assert_snapshot!(reports.join("\n"), @r"
        E0201 failed to generate records in no partition
        E0201 failed to generate -1 records a second
        Say how many a second, such as 1000 or 0.5, or `.unlimited()`.
        ");
        assert!(Source::new(Shape::numbers()).with_rate(f64::NAN).faults().len() == 1);
        assert!(Source::new(Shape::numbers()).unlimited().faults().is_empty());
    }
}
