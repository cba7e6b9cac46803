//! The settings of a source.

use millstream_engine::Result;
use millstream_engine::source::Partition;
use millstream_engine::url::{ConnectorUrl, Fields};

use super::{options, security};
use crate::config::{End, SourceConfig, Start};

impl SourceConfig {
    /// The settings that a URL has, for [`crate::Source::from_url`].
    pub(crate) fn from_url(url: &ConnectorUrl) -> Result<Self> {
        let mut fields = url.fields(crate::source::CONNECTOR);
        let config = read(url, &mut fields);
        fields.finish().map(|()| config)
    }
}

fn read(url: &ConnectorUrl, fields: &mut Fields<'_>) -> SourceConfig {
    let topics = topics(url, fields);
    let preset = fields.choice("preset").unwrap_or_default();
    let base = SourceConfig::new(url.address(), "").with_preset(preset);
    SourceConfig {
        pattern: fields.text("pattern"),
        max_topics: fields.number("max_topics").unwrap_or(base.max_topics),
        partitions: partitions(&topics, fields),
        group: fields.text("group"),
        client_id: fields.text("client_id"),
        start: start(&topics, fields).unwrap_or(base.start),
        end: end(&topics, fields).unwrap_or(base.end),
        expired: fields.choice("expired").unwrap_or(base.expired),
        isolation: fields.choice("isolation").unwrap_or(base.isolation),
        queue_bytes: fields.bytes("queue_bytes").unwrap_or(base.queue_bytes),
        queue_records: fields.number("queue_records").unwrap_or(base.queue_records),
        fetch_bytes: fields.bytes("fetch_bytes").unwrap_or(base.fetch_bytes),
        fetch_partition_bytes: fields
            .bytes("fetch_partition_bytes")
            .unwrap_or(base.fetch_partition_bytes),
        fetch_wait: fields.duration("fetch_wait").unwrap_or(base.fetch_wait),
        fetch_backoff: fields.duration("fetch_backoff").unwrap_or(base.fetch_backoff),
        security: security::read(fields),
        options: options(fields),
        topics,
        brokers: base.brokers,
    }
}

/// The topic before the `?`, and those of the field.
fn topics(url: &ConnectorUrl, fields: &mut Fields<'_>) -> Vec<String> {
    let first = Some(url.topic().to_owned()).filter(|topic| !topic.is_empty());
    first.into_iter().chain(fields.list("topics").unwrap_or_default()).collect()
}

/// A URL says numbers of partitions, which are those of its one topic.
fn one_topic<'t>(topics: &'t [String], name: &str, fields: &mut Fields<'_>) -> Option<&'t str> {
    let [topic] = topics else {
        fields.fault(format!("\"{name}\" with numbers of partitions needs one topic"));
        return None;
    };
    Some(topic)
}

fn partitions(topics: &[String], fields: &mut Fields<'_>) -> Vec<Partition> {
    let indices = fields.read("partitions", "numbers, separated by commas", |text| {
        text.split(',').map(|index| index.parse().ok()).collect::<Option<Vec<u32>>>()
    });
    let Some(indices) = indices else { return Vec::new() };
    let topic = one_topic(topics, "partitions", fields).unwrap_or_default();
    indices.into_iter().map(|index| Partition::new(topic, index)).collect()
}

/// Offsets by partition, as `start=explicit` and `end=explicit` have them.
type Offsets = Vec<(Partition, u64)>;

fn offsets(topics: &[String], text: &str) -> Option<Offsets> {
    let topic = topics.first()?;
    let pair = |pair: &str| {
        let (index, offset) = pair.split_once(':')?;
        Some((Partition::new(topic, index.parse().ok()?), offset.parse().ok()?))
    };
    text.split(',').map(pair).collect()
}

fn start(topics: &[String], fields: &mut Fields<'_>) -> Option<Start> {
    let expected = "earliest, latest, timestamp:MILLIS or explicit:PARTITION:OFFSET,…";
    let start = fields.read("start", expected, |text| match text.split_once(':') {
        None if text == "earliest" => Some(Start::Earliest),
        None if text == "latest" => Some(Start::Latest),
        Some(("timestamp", millis)) => millis.parse().ok().map(Start::Timestamp),
        Some(("explicit", pairs)) => offsets(topics, pairs).map(Start::Explicit),
        _ => None,
    })?;
    if matches!(start, Start::Explicit(_)) {
        one_topic(topics, "start", fields)?;
    }
    Some(start)
}

fn end(topics: &[String], fields: &mut Fields<'_>) -> Option<End> {
    let expected = "never, latest, timestamp:MILLIS or explicit:PARTITION:OFFSET,…";
    let end = fields.read("end", expected, |text| match text.split_once(':') {
        None if text == "never" => Some(End::Never),
        None if text == "latest" => Some(End::Latest),
        Some(("timestamp", millis)) => millis.parse().ok().map(End::Timestamp),
        Some(("explicit", pairs)) => offsets(topics, pairs).map(End::Explicit),
        _ => None,
    })?;
    if matches!(end, End::Explicit(_)) {
        one_topic(topics, "end", fields)?;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millstream_engine::Preset;

    use super::*;
    use crate::config::{Expired, Isolation, Options};

    fn read(text: &str) -> Result<SourceConfig> {
        SourceConfig::from_url(&text.parse().expect("a URL"))
    }

    fn report(text: &str) -> String {
        read(text).expect_err("it is wrong").report()
    }

    #[test]
    fn url_sets_every_setting() {
        let read = read(
            "kafka://h1:1,h2:2/a?group=g&client_id=c&start=timestamp:5&end=explicit:0:9,1:8&expired=latest\
             &isolation=read_uncommitted&queue_bytes=1KiB&queue_records=7&fetch_bytes=2KiB&fetch_partition_bytes=3KiB\
             &fetch_wait=9ms&fetch_backoff=8ms&partitions=0,1&max_topics=6&option.check.crcs=false",
        );
        let partition = |index| Partition::new("a", index);
        let wanted = SourceConfig {
            max_topics: 6,
            partitions: vec![partition(0), partition(1)],
            group: Some("g".to_owned()),
            client_id: Some("c".to_owned()),
            start: Start::Timestamp(5),
            end: End::Explicit(vec![(partition(0), 9), (partition(1), 8)]),
            expired: Expired::Latest,
            isolation: Isolation::ReadUncommitted,
            queue_bytes: 1 << 10,
            queue_records: 7,
            fetch_bytes: 2 << 10,
            fetch_partition_bytes: 3 << 10,
            fetch_wait: Duration::from_millis(9),
            fetch_backoff: Duration::from_millis(8),
            options: Options([("check.crcs".to_owned(), "false".to_owned())].into()),
            ..SourceConfig::new("h1:1,h2:2", "a")
        };
        assert_eq!(read.expect("it is right"), wanted);
    }

    #[test]
    fn pattern_topics_and_preset_are_read() {
        let matching = read("kafka://h:1?pattern=orders-.%2B").expect("it is right");
        assert_eq!(matching, SourceConfig::matching("h:1", "orders-.+"));
        let tuned = read("kafka://h:1/a?preset=low_latency&fetch_wait=7ms").expect("it is right");
        let low = SourceConfig::new("h:1", "a").with_preset(Preset::LowLatency);
        assert_eq!(tuned, SourceConfig { fetch_wait: Duration::from_millis(7), ..low });
        let several = read("kafka://h:1/a?topics=b,c").expect("it is right");
        assert_eq!(several.topics, ["a", "b", "c"]);
    }

    #[test]
    fn every_setting_has_a_field() {
        let told = report("kafka://h:1/a?x=1");
        let config = serde_json::to_value(SourceConfig::new("", "")).expect("it serializes");
        for name in config.as_object().expect("an object").keys() {
            let elsewhere = ["brokers", "security", "options"].contains(&name.as_str());
            assert!(elsewhere || told.contains(&format!(" {name},")), "{name} is not in {told}");
        }
    }

    #[test]
    fn each_wrong_field_is_told() {
        insta::assert_snapshot!(report(
            "kafka://h:1/a?start=erliest&end=x&expired=x&isolation=x&queue_bytes=x&queue_records=x&fetch_wait=x&partitions=x&grop=x&preset=x"
        ), @r#"
        E0201 failed to use the URL kafka://h:1/a?start=…&end=…&expired=…&isolation=…&queue_bytes=…&queue_records=…&fetch_wait=…&partitions=…&grop=…&preset=…: "preset" is not one of balanced, high_throughput, low_latency, resource_constrained; "partitions" is not numbers, separated by commas; "start" is not earliest, latest, timestamp:MILLIS or explicit:PARTITION:OFFSET,…; "end" is not never, latest, timestamp:MILLIS or explicit:PARTITION:OFFSET,…; "expired" is not one of stop, earliest, latest; "isolation" is not one of read_committed, read_uncommitted; "queue_bytes" is not a size such as 32MiB; "queue_records" is not a valid number; "fetch_wait" is not a duration such as 10ms or 30s; there is no field "grop" (did you mean "group"?)
        Its fields are topics, preset, pattern, max_topics, partitions, group, client_id, start, end, expired, isolation, queue_bytes, queue_records, fetch_bytes, fetch_partition_bytes, fetch_wait, fetch_backoff, tls, ca_file, certificate_file, key_env, key_file, key_password_env, key_password_file, danger_accept_any_certificate, login, user, password_env, password_file, token_file, option.NAME.
        "#);
        insta::assert_snapshot!(report("kafka://h:1/a?topics=b&partitions=0&start=explicit:0:1"), @r#"
        E0201 failed to use the URL kafka://h:1/a?topics=…&partitions=…&start=…: "partitions" with numbers of partitions needs one topic; "start" with numbers of partitions needs one topic
        Its fields are topics, preset, pattern, max_topics, partitions, group, client_id, start, end, expired, isolation, queue_bytes, queue_records, fetch_bytes, fetch_partition_bytes, fetch_wait, fetch_backoff, tls, ca_file, certificate_file, key_env, key_file, key_password_env, key_password_file, danger_accept_any_certificate, login, user, password_env, password_file, token_file, option.NAME.
        "#);
    }
}
