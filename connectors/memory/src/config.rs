//! The settings of topics and sources, with their defaults.
//!
//! Invariant: a default is written once, here.

use std::collections::BTreeMap;

/// What happens when a topic has reached its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Full {
    /// Records that every group has confirmed make room; while there are none, writers wait (the default).
    ///
    /// Nothing is lost. A topic that no group reads fills up to its limit, and a group that stopped for good holds its
    /// records until [`crate::Broker::remove_group`].
    #[default]
    Wait,
    /// The oldest records make room, read or not: a position that pointed at them has expired ([`Expired`]).
    DropOldest,
}

/// The settings of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicOptions {
    /// Bytes kept at most, over all partitions: keys, values, headers and 32 bytes per record; 64 MiB by default.
    ///
    /// Too low and writers wait often, or readers miss records; too high and the process holds that much memory.
    pub max_bytes: usize,
    /// What happens at the limit; [`Full::Wait`] by default.
    pub full: Full,
}

impl Default for TopicOptions {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, full: Full::Wait }
    }
}

/// Where reading starts when neither this run, nor the engine, nor the group has a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the first record kept (the default).
    #[default]
    Earliest,
    /// After the last record.
    Latest,
    /// At the first record whose time is this one or later, in milliseconds since the Unix epoch.
    Time(i64),
}

/// Where reading ends. What lies at or behind the end is not handed out; a partition that starts there ends at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Nowhere: it waits for more (the default).
    #[default]
    Never,
    /// Where each partition ends when it is assigned.
    Latest,
    /// Before the first record whose time is this one or later, in milliseconds since the Unix epoch, among those there are when
    /// the partition is assigned; where there is none, as [`End::Latest`].
    Time(i64),
    /// Before these positions, by partition; those ahead are waited for. Other partitions end as with [`End::Latest`].
    Positions(BTreeMap<u32, u64>),
}

/// What to do with a position that the topic no longer (or not yet) has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expired {
    /// An error of kind *corrupt* (the default): nobody loses records without knowing.
    #[default]
    Stop,
    /// Go on with the first record kept; those in between are lost to this reader, with a warning.
    Earliest,
    /// Go on after the last record; those in between are lost to this reader, with a warning.
    Latest,
}
