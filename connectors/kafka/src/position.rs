//! Where reading resumes: the offset of the next record, and the id of the topic that it was counted in.
//!
//! Invariant: an offset is compared with a topic only when both have the same id, or when one of the ids is not known.

use std::fmt;
use std::sync::Arc;

use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::source::{Partition, ResumePosition};

/// The id that the cluster gave a topic when it was made. A topic made again under the same name has another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicId(Arc<str>);

impl TopicId {
    /// An id, written as Kafka's own tools write it.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An offset and its topic. Written `offset@id`, or as the offset alone where the id is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) offset: u64,
    pub(crate) topic: Option<TopicId>,
}

impl Position {
    /// Reads a resume position of ours.
    pub(crate) fn parse(partition: &Partition, position: &ResumePosition) -> Result<Self> {
        let (offset, id) = match position.0.split_once('@') {
            Some((offset, id)) => (offset, Some(id)),
            None => (position.0.as_str(), None),
        };
        let offset = offset.parse().map_err(|error: std::num::ParseIntError| {
            Error::new(
                ErrorKind::Corrupt,
                codes::EXPIRED_POSITION,
                format!("read the stored position \"{position}\""),
            )
            .at_partition(&partition.topic, partition.index)
            .with_source(error)
        })?;
        Ok(Self { offset, topic: id.map(TopicId::new) })
    }

    pub(crate) fn to_resume(&self) -> ResumePosition {
        ResumePosition(self.to_string())
    }

    /// The id of this position where it is not the topic's: what was read was another topic of the same name.
    pub(crate) fn stranger_to(&self, now: Option<&TopicId>) -> Option<&TopicId> {
        self.topic.as_ref().filter(|then| now.is_some_and(|now| now != *then))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.topic {
            Some(id) => write!(f, "{}@{id}", self.offset),
            None => write!(f, "{}", self.offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Position> {
        Position::parse(&Partition::new("orders", 3), &ResumePosition(text.to_owned()))
    }

    #[test]
    fn positions_with_and_without_an_id_are_read_back() {
        for text in ["0", "60", "60@Wm-4_Uq0R9mJ8cYzQvXkXw"] {
            assert_eq!(parse(text).expect("a position").to_resume().0, text);
        }
        let error = parse("sixty@x").expect_err("no number");
        assert!(error.report().contains("orders[3]"), "{}", error.report());
    }

    #[test]
    fn only_two_known_ids_can_differ() {
        let (old, new) = (TopicId::new("old"), TopicId::new("new"));
        let position = parse("60@old").expect("a position");
        assert_eq!(position.stranger_to(Some(&new)), Some(&old));
        assert_eq!(position.stranger_to(Some(&old)), None);
        assert_eq!(position.stranger_to(None), None);
        assert_eq!(parse("60").expect("a position").stranger_to(Some(&new)), None);
    }
}
