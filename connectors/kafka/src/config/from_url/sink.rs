//! The settings of a sink.

use millstream_engine::Result;
use millstream_engine::routing::TopicPolicy;
use millstream_engine::url::{ConnectorUrl, Fields};

use super::{options, security};
use crate::config::SinkConfig;

impl SinkConfig {
    /// The settings that a URL has, for [`crate::Sink::from_url`].
    pub(crate) fn from_url(url: &ConnectorUrl) -> Result<Self> {
        let mut fields = url.fields(crate::source::CONNECTOR);
        let config = read(url, &mut fields);
        fields.finish().map(|()| config)
    }
}

fn read(url: &ConnectorUrl, fields: &mut Fields<'_>) -> SinkConfig {
    let routing = TopicPolicy::from_url(url, fields);
    let topic = if routing.is_some() { "" } else { url.topic() };
    let preset = fields.choice("preset").unwrap_or_default();
    let base = SinkConfig::new(url.address(), topic).with_preset(preset);
    SinkConfig {
        routing,
        client_id: fields.text("client_id"),
        batch_records: fields.number("batch_records").unwrap_or(base.batch_records),
        batch_bytes: fields.bytes("batch_bytes").unwrap_or(base.batch_bytes),
        linger: fields.duration("linger").unwrap_or(base.linger),
        compression: fields.choice("compression").unwrap_or(base.compression),
        compression_level: fields.number("compression_level"),
        delivery_timeout: fields.duration("delivery_timeout").unwrap_or(base.delivery_timeout),
        queue_records: fields.number("queue_records").unwrap_or(base.queue_records),
        queue_bytes: fields.bytes("queue_bytes").unwrap_or(base.queue_bytes),
        when_full: fields.choice("when_full").unwrap_or(base.when_full),
        partitioner: fields.choice("partitioner").unwrap_or(base.partitioner),
        max_record_bytes: fields.bytes("max_record_bytes").unwrap_or(base.max_record_bytes),
        idempotent: fields.flag("idempotent").unwrap_or(base.idempotent),
        security: security::read(fields),
        options: options(fields),
        ..base
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millstream_engine::sink::WhenFull;

    use super::*;
    use crate::config::{Compression, Options, Partitioner};

    fn read(text: &str) -> Result<SinkConfig> {
        SinkConfig::from_url(&text.parse().expect("a URL"))
    }

    fn report(text: &str) -> String {
        read(text).expect_err("it is wrong").report()
    }

    #[test]
    fn url_sets_every_setting() {
        let read = read(
            "kafka://h:1/a?client_id=c&batch_records=2&batch_bytes=3KiB&linger=4ms&compression=zstd&compression_level=5\
             &delivery_timeout=6s&queue_records=7&queue_bytes=8KiB&when_full=reject&partitioner=spread&max_record_bytes=9KiB\
             &idempotent=false&option.socket.timeout.ms=1000",
        );
        let wanted = SinkConfig {
            client_id: Some("c".to_owned()),
            batch_records: 2,
            batch_bytes: 3 << 10,
            linger: Duration::from_millis(4),
            compression: Compression::Zstd,
            compression_level: Some(5),
            delivery_timeout: Duration::from_secs(6),
            queue_records: 7,
            queue_bytes: 8 << 10,
            when_full: WhenFull::Reject,
            partitioner: Partitioner::Spread,
            max_record_bytes: 9 << 10,
            idempotent: false,
            options: Options([("socket.timeout.ms".to_owned(), "1000".to_owned())].into()),
            ..SinkConfig::new("h:1", "a")
        };
        assert_eq!(read.expect("it is right"), wanted);
    }

    #[test]
    fn topics_of_records_are_read() {
        let prefix = read("kafka://h:1/orders.*?creation=4&max_topics=9").expect("it is right");
        let policy = TopicPolicy::prefix("orders.").with_creation(4).with_max_topics(9);
        assert_eq!(prefix, SinkConfig { routing: Some(policy), ..SinkConfig::new("h:1", "") });
        let named = read("kafka://h:1?topics=a,b").expect("it is right");
        assert_eq!(named.routing, Some(TopicPolicy::only(["a", "b"])));
    }

    #[test]
    fn every_setting_has_a_field() {
        let told = report("kafka://h:1/a?x=1");
        let config = serde_json::to_value(SinkConfig::new("", "")).expect("it serializes");
        for name in config.as_object().expect("an object").keys() {
            let elsewhere = ["brokers", "topic", "routing", "security", "options"];
            let has = elsewhere.contains(&name.as_str()) || told.contains(&format!(" {name},"));
            assert!(has, "{name} is not in {told}");
        }
    }

    #[test]
    fn each_wrong_field_is_told() {
        insta::assert_snapshot!(report(
            "kafka://h:1/a?compression=lz5&linger=x&when_full=x&partitioner=x&idempotent=x&batch_bytes=x&compression_level=x&topics=b"
        ), @r#"
        E0201 failed to use the URL kafka://h:1/a?compression=…&linger=…&when_full=…&partitioner=…&idempotent=…&batch_bytes=…&compression_level=…&topics=…: a topic in the URL and "topics" do not go together; "batch_bytes" is not a size such as 32MiB; "linger" is not a duration such as 10ms or 30s; "compression" is not one of none, gzip, snappy, lz4, zstd; "compression_level" is not a valid number; "when_full" is not one of wait, reject; "partitioner" is not one of murmur2_random, spread; "idempotent" is not true or false
        Its fields are topics, max_topics, creation, preset, client_id, batch_records, batch_bytes, linger, compression, compression_level, delivery_timeout, queue_records, queue_bytes, when_full, partitioner, max_record_bytes, idempotent, tls, ca_file, certificate_file, key_env, key_file, key_password_env, key_password_file, danger_accept_any_certificate, login, user, password_env, password_file, token_file, option.NAME.
        "#);
    }
}
