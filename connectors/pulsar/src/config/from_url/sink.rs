//! The settings of a sink.

use millstream_engine::Result;
use millstream_engine::routing::TopicPolicy;
use millstream_engine::url::{ConnectorUrl, Fields};

use super::cluster;
use crate::config::SinkConfig;
use crate::source::CONNECTOR;

impl SinkConfig {
    /// The settings that a URL has, for [`crate::Sink::from_url`].
    pub(crate) fn from_url(url: &ConnectorUrl) -> Result<Self> {
        let mut fields = url.fields(CONNECTOR);
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
        producer_name: fields.text("producer_name"),
        access_mode: fields.choice("access_mode").unwrap_or(base.access_mode),
        batch_records: fields.number("batch_records").unwrap_or(base.batch_records),
        batch_bytes: fields.bytes("batch_bytes").unwrap_or(base.batch_bytes),
        linger: fields.duration("linger").unwrap_or(base.linger),
        compression: fields.choice("compression").unwrap_or(base.compression),
        compression_level: fields.number("compression_level"),
        send_timeout: fields.duration("send_timeout").unwrap_or(base.send_timeout),
        queue_records: fields.number("queue_records").unwrap_or(base.queue_records),
        queue_bytes: fields.bytes("queue_bytes").unwrap_or(base.queue_bytes),
        when_full: fields.choice("when_full").unwrap_or(base.when_full),
        partitioner: fields.choice("partitioner").unwrap_or(base.partitioner),
        idle_timeout: fields.duration("idle_timeout").unwrap_or(base.idle_timeout),
        cluster: cluster::read(url, fields),
        ..base
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millstream_engine::sink::WhenFull;

    use super::*;
    use crate::config::{AccessMode, Compression, Partitioner};

    fn read(text: &str) -> Result<SinkConfig> {
        SinkConfig::from_url(&text.parse().expect("a URL"))
    }

    fn report(text: &str) -> String {
        read(text).expect_err("it is wrong").report()
    }

    /// Key readers cannot be compared.
    fn same(read: &SinkConfig, wanted: &SinkConfig) {
        assert_eq!(format!("{read:?}"), format!("{wanted:?}"));
    }

    #[test]
    fn url_sets_every_setting() {
        let read = read(
            "pulsar://h:1/t/n/a?producer_name=p&access_mode=exclusive&batch_records=2&batch_bytes=3KiB&linger=4ms&compression=zstd\
             &compression_level=5&send_timeout=6s&queue_records=7&queue_bytes=8KiB&when_full=reject&partitioner=spread&idle_timeout=9s",
        );
        let wanted = SinkConfig {
            producer_name: Some("p".to_owned()),
            access_mode: AccessMode::Exclusive,
            batch_records: 2,
            batch_bytes: 3 << 10,
            linger: Duration::from_millis(4),
            compression: Compression::Zstd,
            compression_level: Some(5),
            send_timeout: Duration::from_secs(6),
            queue_records: 7,
            queue_bytes: 8 << 10,
            when_full: WhenFull::Reject,
            partitioner: Partitioner::Spread,
            idle_timeout: Duration::from_secs(9),
            ..SinkConfig::new("h:1", "t/n/a")
        };
        same(&read.expect("it is right"), &wanted);
    }

    #[test]
    fn topics_of_records_are_read() {
        let prefix = read("pulsar://h:1/orders.*?creation=4&max_topics=9").expect("it is right");
        let policy = TopicPolicy::prefix("orders.").with_creation(4).with_max_topics(9);
        same(&prefix, &SinkConfig { routing: Some(policy), ..SinkConfig::new("h:1", "") });
    }

    #[test]
    fn each_wrong_field_is_told() {
        insta::assert_snapshot!(report(
            "pulsar://h:1/a?compression=lz5&linger=x&when_full=x&partitioner=x&access_mode=x&batch_bytes=x&naem=x"
        ), @r#"
        E0201 failed to use the URL pulsar://h:1/a?compression=…&linger=…&when_full=…&partitioner=…&access_mode=…&batch_bytes=…&naem=…: "access_mode" is not one of shared, exclusive, exclusive_with_fencing; "batch_bytes" is not a size such as 32MiB; "linger" is not a duration such as 10ms or 30s; "compression" is not one of none, lz4, zlib, zstd, snappy; "when_full" is not one of wait, reject; "partitioner" is not one of java_string_hash, murmur3, spread; there is no field "naem"
        Its fields are topics, max_topics, creation, preset, producer_name, access_mode, batch_records, batch_bytes, linger, compression, compression_level, send_timeout, queue_records, queue_bytes, when_full, partitioner, idle_timeout, admin_url, listener_name, connect_timeout, operation_timeout, tls, ca_file, certificate_file, key_env, key_file, danger_accept_any_certificate, token_env, token_file, user, password_env, password_file, issuer_url, client_file, audience, scope.
        "#);
    }
}
