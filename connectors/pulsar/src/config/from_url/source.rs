//! The settings of a source.

use millstream_engine::Result;
use millstream_engine::url::{ConnectorUrl, Fields};

use super::cluster;
use crate::config::{End, SourceConfig, Start};
use crate::source::CONNECTOR;

impl SourceConfig {
    /// The settings that a URL has, for [`crate::Source::from_url`].
    pub(crate) fn from_url(url: &ConnectorUrl) -> Result<Self> {
        let mut fields = url.fields(CONNECTOR);
        let config = read(url, &mut fields);
        fields.finish().map(|()| config)
    }
}

fn read(url: &ConnectorUrl, fields: &mut Fields<'_>) -> SourceConfig {
    let preset = fields.choice("preset").unwrap_or_default();
    let base = SourceConfig::new(url.address(), "").with_preset(preset);
    SourceConfig {
        topics: topics(url, fields),
        pattern: fields.text("pattern"),
        max_topics: fields.number("max_topics").unwrap_or(base.max_topics),
        mode: fields.choice("mode").unwrap_or(base.mode),
        subscription: fields.text("subscription"),
        consumer_name: fields.text("consumer_name"),
        start: start(fields).unwrap_or(base.start),
        end: end(fields).unwrap_or(base.end),
        expired: fields.choice("expired").unwrap_or(base.expired),
        receiver_queue: fields.number("receiver_queue").unwrap_or(base.receiver_queue),
        total_receiver_queue: fields
            .number("total_receiver_queue")
            .unwrap_or(base.total_receiver_queue),
        receiver_queue_bytes: fields
            .bytes("receiver_queue_bytes")
            .unwrap_or(base.receiver_queue_bytes),
        batch_index_acks: fields.flag("batch_index_acks").unwrap_or(base.batch_index_acks),
        priority: fields.number("priority").unwrap_or(base.priority),
        read_compacted: fields.flag("read_compacted").unwrap_or(base.read_compacted),
        ack_timeout: fields.duration("ack_timeout"),
        max_entry_bytes: fields.bytes("max_entry_bytes").unwrap_or(base.max_entry_bytes),
        cluster: cluster::read(url, fields),
        ..base
    }
}

/// The topic before the `?`, and those of the field.
fn topics(url: &ConnectorUrl, fields: &mut Fields<'_>) -> Vec<String> {
    let first = Some(url.topic().to_owned()).filter(|topic| !topic.is_empty());
    first.into_iter().chain(fields.list("topics").unwrap_or_default()).collect()
}

fn start(fields: &mut Fields<'_>) -> Option<Start> {
    fields.read("start", "earliest, latest or timestamp:MILLIS", |text| {
        match text.split_once(':') {
            None if text == "earliest" => Some(Start::Earliest),
            None if text == "latest" => Some(Start::Latest),
            Some(("timestamp", millis)) => millis.parse().ok().map(Start::Timestamp),
            _ => None,
        }
    })
}

fn end(fields: &mut Fields<'_>) -> Option<End> {
    fields.read("end", "never, latest or timestamp:MILLIS", |text| match text.split_once(':') {
        None if text == "never" => Some(End::Never),
        None if text == "latest" => Some(End::Latest),
        Some(("timestamp", millis)) => millis.parse().ok().map(End::Timestamp),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millstream_engine::Preset;

    use super::*;
    use crate::config::{Expired, Mode};

    fn read(text: &str) -> Result<SourceConfig> {
        SourceConfig::from_url(&text.parse().expect("a URL"))
    }

    fn report(text: &str) -> String {
        read(text).expect_err("it is wrong").report()
    }

    #[test]
    fn url_sets_every_setting() {
        let read = read(
            "pulsar://h1:1,h2:2/t/n/a?topics=b&max_topics=6&mode=reader&subscription=s&consumer_name=c&start=timestamp:5\
             &end=latest&expired=latest&receiver_queue=7&total_receiver_queue=8&receiver_queue_bytes=1KiB&batch_index_acks=false\
             &priority=9&read_compacted&ack_timeout=10s&max_entry_bytes=2KiB",
        );
        let wanted = SourceConfig {
            topics: vec!["t/n/a".to_owned(), "b".to_owned()],
            max_topics: 6,
            mode: Mode::Reader,
            subscription: Some("s".to_owned()),
            consumer_name: Some("c".to_owned()),
            start: Start::Timestamp(5),
            end: End::Latest,
            expired: Expired::Latest,
            receiver_queue: 7,
            total_receiver_queue: 8,
            receiver_queue_bytes: 1 << 10,
            batch_index_acks: false,
            priority: 9,
            read_compacted: true,
            ack_timeout: Some(Duration::from_secs(10)),
            max_entry_bytes: 2 << 10,
            ..SourceConfig::new("h1:1,h2:2", "")
        };
        assert_eq!(read.expect("it is right"), wanted);
    }

    #[test]
    fn pattern_and_preset_are_read() {
        let matching = read("pulsar://h:1?pattern=orders-.%2B").expect("it is right");
        assert_eq!(matching, SourceConfig::matching("h:1", "orders-.+"));
        let tuned = read("pulsar://h:1/a?preset=low_latency&receiver_queue=7").expect("right");
        let low = SourceConfig::new("h:1", "a").with_preset(Preset::LowLatency);
        assert_eq!(tuned, SourceConfig { receiver_queue: 7, ..low });
    }

    #[test]
    fn each_wrong_field_is_told() {
        insta::assert_snapshot!(report(
            "pulsar://h:1/a?start=erliest&end=x&expired=x&mode=x&receiver_queue=x&ack_timeout=x&subscripton=x&preset=x"
        ), @r#"
        E0201 failed to use the URL pulsar://h:1/a?start=…&end=…&expired=…&mode=…&receiver_queue=…&ack_timeout=…&subscripton=…&preset=…: "preset" is not one of balanced, high_throughput, low_latency, resource_constrained; "mode" is not one of reader, exclusive, failover, shared, key_shared; "start" is not earliest, latest or timestamp:MILLIS; "end" is not never, latest or timestamp:MILLIS; "expired" is not one of stop, earliest, latest; "receiver_queue" is not a valid number; "ack_timeout" is not a duration such as 10ms or 30s; there is no field "subscripton" (did you mean "subscription"?)
        Its fields are preset, topics, pattern, max_topics, mode, subscription, consumer_name, start, end, expired, receiver_queue, total_receiver_queue, receiver_queue_bytes, batch_index_acks, priority, read_compacted, ack_timeout, max_entry_bytes, admin_url, listener_name, connect_timeout, operation_timeout, tls, ca_file, certificate_file, key_env, key_file, danger_accept_any_certificate, token_env, token_file, user, password_env, password_file, issuer_url, client_file, audience, scope.
        "#);
    }
}
