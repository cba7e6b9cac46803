//! Finds the topics of a source, and those of their partitions that it reads.

use std::collections::HashSet;

use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::source::Partition;

use crate::config::{Pattern, SourceConfig};
use crate::consumer::Consumer;

/// The topics that are read, by name or by a pattern.
pub(crate) struct Topics {
    names: Vec<String>,
    pattern: Option<(Pattern, String)>,
    limit: usize,
    /// Empty: all.
    only: HashSet<Partition>,
    /// Whether topics were found before.
    were_found: bool,
    /// Whether it was said that nothing matches.
    told_nothing: bool,
}

impl Topics {
    pub(crate) fn new(config: &SourceConfig) -> Result<Self> {
        let pattern = config.pattern.as_ref().map(|text| Ok((Pattern::new(text)?, text.clone())));
        Ok(Self {
            names: config.topics.clone(),
            pattern: pattern.transpose()?,
            limit: config.max_topics,
            only: config.partitions.iter().cloned().collect(),
            were_found: false,
            told_nothing: false,
        })
    }

    /// The partitions as they are now.
    pub(crate) fn find(&mut self, consumer: &Consumer) -> Result<Vec<Partition>> {
        let topics = match &self.pattern {
            None => self.count_named(consumer)?,
            Some((pattern, text)) => {
                let found = matching(pattern, consumer.all_topics()?);
                check_limit(text, found.len(), self.limit)?;
                if found.is_empty() && !self.told_nothing {
                    consumer.raw.listener().warn(&format!(
                        "no topic matches the pattern \"{text}\" yet; it is looked for again"
                    ));
                }
                self.told_nothing = found.is_empty();
                found
            }
        };
        self.were_found = true;
        self.choose(&topics).map_err(|error| error.at_step(&consumer.step))
    }

    /// The named topics, all of them at first. One that is gone later is told of by its reader, and must not hide the others' new
    /// partitions.
    fn count_named(&self, consumer: &Consumer) -> Result<Vec<(String, u32)>> {
        let mut counted = Vec::with_capacity(self.names.len());
        for name in &self.names {
            match consumer.count_of(name) {
                Ok(count) => counted.push((name.clone(), count)),
                Err(error) if self.were_found && error.code() == codes::UNKNOWN_TOPIC => {}
                Err(error) => return Err(error),
            }
        }
        Ok(counted)
    }

    /// Those partitions of topics that are read.
    fn choose(&self, topics: &[(String, u32)]) -> Result<Vec<Partition>> {
        for (topic, count) in topics {
            let missing = |p: &&Partition| *p.topic == **topic && p.index >= *count;
            if let Some(partition) = self.only.iter().find(missing) {
                let n_partitions = match count {
                    1 => "1 partition".to_owned(),
                    n => format!("{n} partitions"),
                };
                return Err(Error::new(
                    ErrorKind::Config,
                    codes::UNKNOWN_TOPIC,
                    format!("find the chosen partition: the topic has {n_partitions}"),
                )
                .at_partition(&partition.topic, partition.index));
            }
        }
        let mut partitions = Vec::new();
        for (topic, count) in topics {
            let first = Partition::new(topic, 0);
            let all = (0..*count).map(|index| Partition { index, ..first.clone() });
            partitions.extend(all.filter(|p| self.only.is_empty() || self.only.contains(p)));
        }
        Ok(partitions)
    }
}

/// The topics that a pattern takes, by name. One without partitions is being made or deleted.
fn matching(pattern: &Pattern, mut topics: Vec<(String, u32)>) -> Vec<(String, u32)> {
    topics.retain(|(name, n_partitions)| pattern.takes(name) && *n_partitions > 0);
    topics.sort_unstable();
    topics
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
    fn only_chosen_partitions_are_read() {
        let config = SourceConfig {
            partitions: vec![Partition::new("orders", 1), Partition::new("orders", 3)],
            ..SourceConfig::new("127.0.0.1:1", "orders")
        };
        let topics = Topics::new(&config).expect("no pattern");
        let found = topics.choose(&[("orders".to_owned(), 4)]).expect("they are there");
        assert_eq!(found, config.partitions);
        let error = topics.choose(&[("orders".to_owned(), 2)]).expect_err("there is no 3");
        assert_snapshot!(error.report(), @r#"E0110 failed to find the chosen partition: the topic has 2 partitions (partition orders[3])"#);
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
