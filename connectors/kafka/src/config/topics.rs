//! Which topics a source reads, as the program says it: by name or by a pattern.

use millstream_engine::error::{Error, Result};
use regex::bytes::{Regex, RegexBuilder};

use super::SourceConfig;

/// The memory that a compiled pattern may take: far more than any that people write.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// A regular expression that whole names match.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// Compiles a pattern. Names of topics are ASCII, so that classes such as `\w` are too.
    ///
    /// # Errors
    /// *Config*, with the place that is wrong.
    pub(crate) fn new(text: &str) -> Result<Self> {
        let build = |pattern: &str| {
            RegexBuilder::new(pattern).unicode(false).size_limit(MAX_PATTERN_BYTES).build()
        };
        // Compiled as it is first: what is said about it must not show our brackets, and must not depend on them.
        let compiled = build(text).and_then(|_valid| build(&format!(r"\A(?:{text})\z")));
        compiled.map(Self).map_err(|error| {
            Error::config(format!("use the topic pattern \"{text}\""))
                .with_source(error)
                .with_hint("It is a regular expression, which the whole name of a topic matches.")
        })
    }

    /// Whether the source reads a topic of this name.
    pub(crate) fn takes(&self, topic: &str) -> bool {
        !topic.starts_with("__") && self.0.is_match(topic.as_bytes())
    }
}

/// What is wrong with the choice of topics and partitions.
pub(super) fn topic_faults(config: &SourceConfig) -> Vec<Error> {
    let mut faults = match &config.pattern {
        None => faults_of_names(config),
        Some(pattern) => faults_of_pattern(config, pattern),
    };
    if config.max_topics == 0 {
        faults.push(Error::config("bound the topics of a pattern: there must be room for one"));
    }
    faults
}

fn faults_of_names(config: &SourceConfig) -> Vec<Error> {
    let SourceConfig { topics, partitions, .. } = config;
    if topics.is_empty() || topics.iter().any(String::is_empty) {
        let error = Error::config("choose a topic: the name is empty");
        return vec![error.with_hint("Name at least one topic.")];
    }
    let twice = topics.iter().enumerate().filter(|(at, topic)| topics[..*at].contains(topic));
    let twice =
        twice.map(|(_, topic)| Error::config(format!("read \"{topic}\": it is named twice")));
    let others =
        partitions.iter().filter(|partition| !topics.iter().any(|t| **t == *partition.topic));
    let others = others.map(|partition| {
        Error::config(format!("read only {partition}: its topic is not among those named"))
    });
    let none = topics.iter().filter(|topic| {
        !partitions.is_empty() && !partitions.iter().any(|partition| *partition.topic == ***topic)
    });
    let none = none.map(|topic| {
        Error::config(format!("read \"{topic}\": none of its partitions is chosen"))
            .with_hint("Leave the topic out, or choose at least one of its partitions.")
    });
    twice.chain(others).chain(none).collect()
}

fn faults_of_pattern(config: &SourceConfig, pattern: &str) -> Vec<Error> {
    let pattern = match Pattern::new(pattern) {
        Ok(pattern) => pattern,
        Err(error) => return vec![error],
    };
    let mut faults = Vec::new();
    if !config.topics.is_empty() {
        faults.push(
            Error::config("choose topics: there are names and a pattern")
                .with_hint("Put the names into the pattern: `orders|payments`."),
        );
    }
    let others = config.partitions.iter().filter(|partition| !pattern.takes(&partition.topic));
    faults.extend(others.map(|partition| {
        Error::config(format!("read only {partition}: the pattern does not match its topic"))
    }));
    faults
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use millstream_engine::source::Partition;

    use super::*;

    fn told(faults: &[Error]) -> String {
        faults.iter().map(Error::report).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn pattern_matches_whole_names() {
        let takes = |pattern: &str, topic: &str| {
            Pattern::new(pattern).expect("a valid pattern").takes(topic)
        };
        assert!(takes(r"orders\.(eu|us)", "orders.eu") && takes("a|ab", "ab"));
        assert!(!takes("orders", "orders.eu") && !takes("orders", "my-orders"));
        assert!(takes("^orders-[0-9]+$", "orders-12") && !takes("^orders-[0-9]+$", "orders-x"));
        assert!(takes(".*", "orders") && !takes(".*", "__consumer_offsets"));
        assert!(takes(r"\w+-\d", "orders-1"));
    }

    #[test]
    fn bad_pattern_is_shown_with_its_place() {
        let faults = SourceConfig::matching("127.0.0.1:1", "orders-(eu|us").faults();
        assert_snapshot!(told(&faults), @r#"
        E0201 failed to use the topic pattern "orders-(eu|us": regex parse error:
            orders-(eu|us
                   ^
        error: unclosed group
        It is a regular expression, which the whole name of a topic matches.
        "#);
    }

    #[test]
    fn topics_and_partitions_must_fit() {
        let mut config = SourceConfig::new("127.0.0.1:1", "orders");
        config.topics.extend(["payments".to_owned(), "orders".to_owned()]);
        config.partitions = vec![Partition::new("orders", 3), Partition::new("refunds", 0)];
        config.max_topics = 0;
        assert_snapshot!(told(&config.faults()), @r#"
        E0201 failed to read "orders": it is named twice
        E0201 failed to read only refunds[0]: its topic is not among those named
        E0201 failed to read "payments": none of its partitions is chosen
        Leave the topic out, or choose at least one of its partitions.
        E0201 failed to bound the topics of a pattern: there must be room for one
        "#);
        let mut pattern = SourceConfig::matching("127.0.0.1:1", "orders-.*");
        pattern.topics.push("orders-eu".to_owned());
        pattern.partitions = vec![Partition::new("orders-us", 0), Partition::new("refunds", 0)];
        assert_snapshot!(told(&pattern.faults()), @r#"
        E0201 failed to choose topics: there are names and a pattern
        Put the names into the pattern: `orders|payments`.
        E0201 failed to read only refunds[0]: the pattern does not match its topic
        "#);
    }
}
