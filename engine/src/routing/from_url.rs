//! Topic policies from URLs, the same for every connector that routes.

use super::TopicPolicy;
use crate::url::{ConnectorUrl, Fields};

impl TopicPolicy {
    /// The policy that the URL of a sink has: topics by prefix where its topic ends in `*`, by name where there is the field
    /// `topics`; `None` where there is neither, for then all records go to the topic of the URL.
    ///
    /// | field | value | setter |
    /// |---|---|---|
    /// | `topics` | names, separated by commas | [`TopicPolicy::only`] |
    /// | `max_topics` | a number | [`TopicPolicy::with_max_topics`] |
    /// | `creation` | partitions of a created topic | [`TopicPolicy::with_creation`] |
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::routing::TopicPolicy;
    /// use millstream_engine::url::ConnectorUrl;
    ///
    /// let url: ConnectorUrl = "memory:orders.*?creation=4".parse()?;
    /// let mut fields = url.fields("memory");
    /// let policy = TopicPolicy::from_url(&url, &mut fields);
    /// assert_eq!(policy, Some(TopicPolicy::prefix("orders.").with_creation(4)));
    /// fields.finish()?;
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    pub fn from_url(url: &ConnectorUrl, fields: &mut Fields<'_>) -> Option<Self> {
        let prefix = url.topic_prefix();
        let names = fields.list("topics");
        let max_topics = fields.number("max_topics");
        let creation = fields.number("creation");
        if names.is_some() && !url.topic().is_empty() {
            fields.fault("a topic in the URL and \"topics\" do not go together");
        }
        let mut policy = match (prefix, names) {
            (Some(prefix), _) => Self::prefix(prefix),
            (None, Some(names)) => Self::only(names),
            (None, None) => {
                if max_topics.is_some() || creation.is_some() {
                    fields.fault("\"max_topics\" and \"creation\" need a topic that ends in *, or \"topics\"");
                }
                return None;
            }
        };
        if let Some(n_topics) = max_topics {
            policy = policy.with_max_topics(n_topics);
        }
        if let Some(n_partitions) = creation {
            policy = policy.with_creation(n_partitions);
        }
        Some(policy)
    }
}
