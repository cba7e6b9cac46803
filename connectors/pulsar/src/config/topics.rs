//! Which topics a source reads, as the program says it: by name or by a pattern.

use millstream_engine::error::{Error, Result};
use regex::bytes::{Regex, RegexBuilder};

use super::SourceConfig;
use crate::topic_name::TopicName;

/// The memory that a compiled pattern may take: far more than any that people write.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// A namespace, and a regular expression that the whole names of its topics match.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    namespace: String,
    regex: Regex,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// *Config*, with the place that is wrong.
    pub(crate) fn new(text: &str) -> Result<Self> {
        let rest = text.strip_prefix("persistent://").unwrap_or(text);
        let mut parts = rest.splitn(3, '/');
        let (namespace, regex) = match (parts.next(), parts.next(), parts.next()) {
            (Some(tenant), Some(namespace), Some(regex)) => {
                (format!("{tenant}/{namespace}"), regex)
            }
            _ => ("public/default".to_owned(), rest),
        };
        let build = |expression: &str| {
            RegexBuilder::new(expression).unicode(false).size_limit(MAX_PATTERN_BYTES).build()
        };
        // Compiled as it is first: what is said about it must not show our brackets, and must not depend on them.
        let compiled = build(regex).and_then(|_valid| build(&format!(r"\A(?:{regex})\z")));
        let hint = "It is a regular expression, which the whole name of a topic matches, perhaps behind `TENANT/NAMESPACE/`.";
        let compiled = compiled.map_err(|error| {
            Error::config(format!("use the topic pattern \"{text}\""))
                .with_source(error)
                .with_hint(hint)
        })?;
        Ok(Self { namespace, regex: compiled })
    }

    /// `TENANT/NAMESPACE`.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether the source reads this topic, which is in the namespace. Pulsar's own have names that begin with two underscores.
    pub(crate) fn takes(&self, topic: &TopicName) -> bool {
        let local = topic.local();
        topic.is_persistent() && !local.starts_with("__") && self.regex.is_match(local.as_bytes())
    }
}

/// What is wrong with the choice of topics.
pub(super) fn topic_faults(config: &SourceConfig) -> Vec<Error> {
    let mut faults = match &config.pattern {
        None => faults_of_names(&config.topics),
        Some(pattern) => Pattern::new(pattern).err().into_iter().collect(),
    };
    if config.pattern.is_some() && !config.topics.is_empty() {
        faults.push(
            Error::config("choose topics: there are names and a pattern")
                .with_hint("Put the names into the pattern: `orders|payments`."),
        );
    }
    if config.max_topics == 0 {
        faults.push(Error::config("bound the topics of a pattern: there must be room for one"));
    }
    faults
}

fn faults_of_names(topics: &[String]) -> Vec<Error> {
    if topics.is_empty() {
        let error = Error::config("choose a topic: there is none");
        return vec![error.with_hint("Name at least one topic.")];
    }
    let mut seen = Vec::with_capacity(topics.len());
    let mut faults = Vec::new();
    for topic in topics {
        match TopicName::parse(topic) {
            Err(rule) => {
                let error = Error::config(format!("read the topic \"{topic}\""));
                faults.push(error.with_source(rule));
            }
            Ok(name) if seen.contains(&name) => {
                faults.push(Error::config(format!("read \"{topic}\": it is named twice")));
            }
            Ok(name) => seen.push(name),
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn pattern_takes_whole_names_of_its_namespace() {
        let name = |text: &str| TopicName::parse(text).expect("a name");
        let pattern = Pattern::new(r"acme/eu/orders\.(a|b)").expect("a pattern");
        assert_eq!(pattern.namespace(), "acme/eu");
        let takes = |topic: &str| pattern.takes(&name(topic));
        assert!(takes("acme/eu/orders.a"));
        assert!(!takes("acme/eu/orders.ab") && !takes("acme/eu/orders-a"));
        let all = Pattern::new(".*").expect("a pattern");
        assert_eq!(all.namespace(), "public/default");
        assert!(!all.takes(&name("__change_events")), "one of Pulsar's own");
        assert!(!all.takes(&name("non-persistent://public/default/t")));
    }

    #[test]
    fn names_are_checked_before_the_network_is_used() {
        let faults = |config: &SourceConfig| {
            topic_faults(config).iter().map(Error::report).collect::<Vec<_>>().join("\n")
        };
        let topics = ["orders", "a/b", "public/default/orders"].map(str::to_owned).into();
        let config = SourceConfig { topics, ..SourceConfig::new("pulsar://h:1", "") };
        assert_snapshot!(faults(&config), @r#"
        E0201 failed to read the topic "a/b": a topic's name is `TOPIC` or `TENANT/NAMESPACE/TOPIC`
        E0201 failed to read "public/default/orders": it is named twice
        "#);
        assert_snapshot!(faults(&SourceConfig::matching("pulsar://h:1", "orders.(")), @r#"
        E0201 failed to use the topic pattern "orders.(": regex parse error:
            orders.(
                   ^
        error: unclosed group
        It is a regular expression, which the whole name of a topic matches, perhaps behind `TENANT/NAMESPACE/`.
        "#);
    }
}
