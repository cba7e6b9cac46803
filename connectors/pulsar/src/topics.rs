//! Finds the topics of a source, and their partitions.

use std::collections::BTreeMap;

use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::source::Partition;

use crate::config::{Pattern, SourceConfig};
use crate::error::error_of;
use crate::net::cluster::Cluster;
use crate::topic_name::TopicName;

/// The topics that are read, by name or by a pattern.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    names: Vec<TopicName>,
    pattern: Option<(Pattern, String)>,
    limit: usize,
    /// Those that were found, with how many partitions; a topic that is none of partitions counts 1.
    known: BTreeMap<TopicName, u32>,
    /// Whether it was said that nothing matches.
    told_nothing: bool,
}

impl Topics {
    pub(crate) fn new(config: &SourceConfig) -> Result<Self> {
        let pattern = config.pattern.as_ref().map(|text| Ok((Pattern::new(text)?, text.clone())));
        let named = |name: &String| {
            TopicName::parse(name).map_err(|rule| {
                Error::config(format!("read the topic \"{name}\"")).with_source(rule)
            })
        };
        Ok(Self {
            names: config.topics.iter().map(named).collect::<Result<_>>()?,
            pattern: pattern.transpose()?,
            limit: config.max_topics,
            known: BTreeMap::new(),
            told_nothing: false,
        })
    }

    /// The partitions as they are now. A topic that is gone stays: its reader tells of it.
    pub(crate) async fn find(&mut self, cluster: &Cluster) -> Result<Vec<Partition>> {
        match self.pattern.clone() {
            None => self.find_named(cluster).await?,
            Some((pattern, text)) => self.find_matching(cluster, &pattern, &text).await?,
        }
        let partitions = |(name, count): (&TopicName, &u32)| {
            let first = Partition::new(name.short(), 0);
            (0..*count).map(|index| Partition { index, ..first.clone() }).collect::<Vec<_>>()
        };
        Ok(self.known.iter().flat_map(partitions).collect())
    }

    async fn find_named(&mut self, cluster: &Cluster) -> Result<()> {
        for name in &self.names {
            let n_partitions = count(cluster, name).await?;
            if n_partitions == 0 && !self.known.contains_key(name) {
                check_exists(cluster, name).await?;
            }
            let known = self.known.entry(name.clone()).or_insert(1);
            *known = n_partitions.max(*known);
        }
        Ok(())
    }

    async fn find_matching(
        &mut self,
        cluster: &Cluster,
        pattern: &Pattern,
        text: &str,
    ) -> Result<()> {
        let found = matching(pattern, &all_of(cluster, pattern.namespace()).await?);
        check_limit(text, found.len(), self.limit)?;
        if found.is_empty() && !self.told_nothing {
            tracing::warn!("no topic matches the pattern \"{text}\" yet; it is looked for again");
        }
        self.told_nothing = found.is_empty();
        for (name, has_partitions) in found {
            let n_partitions = if has_partitions { count(cluster, &name).await? } else { 1 };
            let known = self.known.entry(name).or_insert(1);
            *known = n_partitions.max(*known);
        }
        Ok(())
    }
}

async fn count(cluster: &Cluster, topic: &TopicName) -> Result<u32> {
    cluster.n_partitions(topic.as_str()).await.map_err(|trouble| {
        error_of(&trouble, "count the partitions of the topic").at_topic(topic.short())
    })
}

async fn all_of(cluster: &Cluster, namespace: &str) -> Result<Vec<String>> {
    let what = format!("list the topics of the namespace \"{namespace}\"");
    cluster.topics_of(namespace).await.map_err(|trouble| error_of(&trouble, what))
}

/// The topics that a pattern takes, each once, and whether it has partitions.
fn matching(pattern: &Pattern, topics: &[String]) -> BTreeMap<TopicName, bool> {
    let names = topics.iter().filter_map(|topic| TopicName::parse(topic).ok());
    let wholes = names.map(|name| (name.whole(), name.partition().is_some()));
    wholes.filter(|(name, _)| pattern.takes(name)).collect()
}

/// A topic without partitions is one that does not exist, or one that has none.
async fn check_exists(cluster: &Cluster, topic: &TopicName) -> Result<()> {
    if !topic.is_persistent() {
        return Ok(());
    }
    let all = all_of(cluster, topic.namespace()).await?;
    if all.iter().any(|name| name == topic.as_str()) {
        return Ok(());
    }
    Err(unknown(topic, &all))
}

fn unknown(topic: &TopicName, all: &[String]) -> Error {
    let what = format!("find the topic \"{}\": it does not exist on this cluster", topic.short());
    let error = Error::new(ErrorKind::Config, codes::UNKNOWN_TOPIC, what);
    let wholes = all.iter().filter_map(|name| TopicName::parse(name).ok()).map(|name| name.whole());
    let wholes: Vec<_> = wholes.collect();
    match near(topic.local(), wholes.iter().map(TopicName::local)) {
        Some(near) => error.with_hint(format!("Did you mean \"{near}\"?")),
        None => error.with_hint("Create it first: a source creates no topics."),
    }
}

/// The candidate that is close enough to be what was meant.
fn near<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (name.chars().count() / 3).max(2);
    candidates
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= most && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

fn check_limit(pattern: &str, n_topics: usize, limit: usize) -> Result<()> {
    if n_topics <= limit {
        return Ok(());
    }
    Err(Error::config(format!(
        "read the topics that match \"{pattern}\": there are {n_topics}, and {limit} are the limit"
    ))
    .with_hint("Narrow the pattern, or raise `with_max_topics`."))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn partitions_of_a_topic_are_one_topic() {
        let all = ["a-partition-0", "a-partition-1", "b", "ab", "__a"]
            .map(|local| format!("persistent://public/default/{local}"));
        let pattern = Pattern::new("a|b|__a").expect("a pattern");
        let found: Vec<_> = matching(&pattern, &all)
            .into_iter()
            .map(|(name, has_partitions)| (name.short().to_owned(), has_partitions))
            .collect();
        assert_eq!(found, [("a".to_owned(), true), ("b".to_owned(), false)]);
    }

    #[test]
    fn unknown_topic_is_told_with_what_may_be_meant() {
        let name = TopicName::parse("oders").expect("a name");
        let all = ["persistent://public/default/orders-partition-0".to_owned()];
        assert_snapshot!(unknown(&name, &all).report(), @r#"
        E0110 failed to find the topic "oders": it does not exist on this cluster
        Did you mean "orders"?
        "#);
        assert_snapshot!(unknown(&name, &[]).report(), @r#"
        E0110 failed to find the topic "oders": it does not exist on this cluster
        Create it first: a source creates no topics.
        "#);
    }

    #[test]
    fn careless_pattern_meets_the_limit() {
        assert!(check_limit(".*", 1000, 1000).is_ok());
        assert_snapshot!(check_limit(".*", 1203, 1000).expect_err("too many").report(), @r#"
        E0201 failed to read the topics that match ".*": there are 1203, and 1000 are the limit
        Narrow the pattern, or raise `with_max_topics`.
        "#);
    }
}
