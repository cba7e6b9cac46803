//! Which topics a sink that routes may write, how many at once, and whether it may create them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error;
use crate::error::{Error, Result};

/// Topics in use at once, unless set.
const MAX_TOPICS: usize = 1000;

/// Why a name cannot be that of a topic of the connector; reads on after "route a record to NAME:".
pub type NameRule = fn(&str) -> Result<(), &'static str>;

/// Which topics a sink may write when records say where they go. One type for every connector.
///
/// What may be written must be said, by name or by prefix: topics are computed from data, and data may be wrong or hostile.
///
/// # Examples
/// ```
/// use millstream_engine::routing::TopicPolicy;
///
/// let tenants = TopicPolicy::prefix("orders.").with_max_topics(200).with_creation(4);
/// assert!(tenants.check("orders.de").is_ok());
/// let refused = tenants.check("payments").unwrap_err();
/// assert_eq!(refused.code().to_string(), "E0116");
/// assert!(TopicPolicy::only(["orders.de", "orders.fr"]).check("orders.it").is_err());
/// assert_eq!(TopicPolicy::prefix("").faults().len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicPolicy {
    allowed: Allowed,
    max_topics: usize,
    creation: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Allowed {
    Only(BTreeSet<String>),
    Prefix(String),
    EveryTopic,
}

impl TopicPolicy {
    /// Allows these topics.
    pub fn only<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self::new(Allowed::Only(names.into_iter().map(Into::into).collect()))
    }

    /// Allows the topics whose name begins with `prefix`, letter by letter; an empty one is a fault.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self::new(Allowed::Prefix(prefix.into()))
    }

    /// Allows every topic, those included that other programs and the broker itself keep: only where whoever makes the records is
    /// trusted with that.
    pub fn every_topic_of_the_cluster() -> Self {
        Self::new(Allowed::EveryTopic)
    }

    fn new(allowed: Allowed) -> Self {
        Self { allowed, max_topics: MAX_TOPICS, creation: None }
    }

    /// Bounds the topics that a writer has in use. Default: 1,000.
    ///
    /// A topic is in use while records to it are not confirmed; others are let go of when their place is needed, the one not
    /// written for longest first. A record that finds no place is rejected with `E0117`. Too low: records are rejected when many
    /// topics are written at once; too high: memory, by the sum that each connector documents.
    #[must_use]
    pub fn with_max_topics(mut self, n_topics: usize) -> Self {
        self.max_topics = n_topics;
        self
    }

    /// Creates allowed topics that do not exist, with so many partitions. Default: never; the record is rejected with `E0110`.
    #[must_use]
    pub fn with_creation(mut self, n_partitions: u32) -> Self {
        self.creation = Some(n_partitions);
        self
    }

    /// Topics in use at once at most.
    pub fn max_topics(&self) -> usize {
        self.max_topics
    }

    /// How many partitions a created topic has; `None` where topics are never created.
    pub fn creation(&self) -> Option<u32> {
        self.creation
    }

    /// The topics allowed by name; none where a prefix allows them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = match &self.allowed {
            Allowed::Only(names) => Some(names),
            Allowed::Prefix(_) | Allowed::EveryTopic => None,
        };
        names.into_iter().flatten().map(String::as_str)
    }

    /// Whether a topic may be written.
    ///
    /// # Errors
    /// *Bad item*, `E0116`, when it may not.
    #[inline]
    pub fn check(&self, topic: &str) -> Result<()> {
        let allowed = match &self.allowed {
            Allowed::Only(names) => names.contains(topic),
            Allowed::Prefix(prefix) => topic.starts_with(prefix),
            Allowed::EveryTopic => true,
        };
        if allowed { Ok(()) } else { Err(error::forbidden(topic, &self.allowed.to_string())) }
    }

    /// All faults of the policy.
    pub fn faults(&self) -> Vec<Error> {
        let mut faults = Vec::new();
        let mut fault = |what: &str, hint: &str| {
            faults.push(Error::config(format!("route records: {what}")).with_hint(hint));
        };
        match &self.allowed {
            Allowed::Only(names) if names.is_empty() => {
                fault("no topic is allowed", "Name the topics, or allow a prefix.");
            }
            Allowed::Prefix(prefix) if prefix.is_empty() => fault(
                "an empty prefix allows every topic",
                "If that is meant, say so with `TopicPolicy::every_topic_of_the_cluster`.",
            ),
            _ => {}
        }
        if self.max_topics == 0 {
            fault("no topic may be in use", "Allow at least one with `with_max_topics`.");
        }
        if self.creation == Some(0) {
            fault("a topic cannot be created without partitions", "Give `with_creation` one.");
        }
        faults
    }
}

impl std::fmt::Display for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Only(names) if names.len() == 1 => f.write_str("the one topic of its list"),
            Self::Only(names) => write!(f, "the {} topics of its list", names.len()),
            Self::Prefix(prefix) => write!(f, "topics that begin with {prefix:?}"),
            Self::EveryTopic => f.write_str("every topic"),
        }
    }
}

/// For people: what a sink that routes writes to.
impl std::fmt::Display for TopicPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.allowed.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn refusal_says_what_may_be_written() {
        let refused = |policy: TopicPolicy| policy.check("payments").unwrap_err().report();
        assert_snapshot!(refused(TopicPolicy::prefix("orders.")), @r#"
        E0116 failed to route a record to "payments": the sink may write topics that begin with "orders."
        Allow it in the sink's `TopicPolicy`, or correct what computes the topic.
        "#);
        assert_snapshot!(refused(TopicPolicy::only(["orders.de"])), @r#"
        E0116 failed to route a record to "payments": the sink may write the one topic of its list
        Allow it in the sink's `TopicPolicy`, or correct what computes the topic.
        "#);
        assert!(TopicPolicy::every_topic_of_the_cluster().check("payments").is_ok());
        assert!(TopicPolicy::prefix("order*").check("orders").is_err(), "a prefix is literal");
    }

    #[test]
    fn faults_come_all_at_once() {
        let policy = TopicPolicy::prefix("").with_max_topics(0).with_creation(0);
        let told: Vec<_> = policy.faults().iter().map(Error::report).collect();
        assert_snapshot!(told.join("\n"), @"
        E0201 failed to route records: an empty prefix allows every topic
        If that is meant, say so with `TopicPolicy::every_topic_of_the_cluster`.
        E0201 failed to route records: no topic may be in use
        Allow at least one with `with_max_topics`.
        E0201 failed to route records: a topic cannot be created without partitions
        Give `with_creation` one.
        ");
        assert_eq!(TopicPolicy::only([] as [&str; 0]).faults().len(), 1);
        assert!(TopicPolicy::prefix("a").faults().is_empty());
    }
}
