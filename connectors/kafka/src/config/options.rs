//! Options of librdkafka that no typed field sets, and the checks on all of them.
//!
//! Invariant: values never reach `Debug` or an error, because an option may be a password.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use millstream_engine::error::Error;
use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};

use crate::error::did_you_mean;
use crate::raw;

/// Options of the client, by librdkafka's names.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Options(pub BTreeMap<String, String>);

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// A key that may not be given as an option: the key, and the setter that takes its place (empty: the connector alone decides).
pub(crate) type Taken = (&'static str, &'static str);

/// Keys that neither a source nor a sink takes as an option.
const TAKEN: &[Taken] = &[
    ("bootstrap.servers", "`new`, as its first argument"),
    ("metadata.broker.list", "`new`, as its first argument"),
    ("client.id", "`with_client_id`"),
    ("security.protocol", "`with_security`"),
    ("sasl.mechanism", "`with_security`, with a `Login`"),
    ("sasl.mechanisms", "`with_security`, with a `Login`"),
    ("sasl.username", "`with_security`, with a `Login`"),
    ("sasl.password", "`with_security`, with a `Login`"),
    ("sasl.oauthbearer.config", "`Login::OAuthBearer`"),
    ("sasl.oauthbearer.method", "`Login::OAuthBearer`"),
    ("sasl.oauthbearer.client.id", "`Login::OAuthBearer`"),
    ("sasl.oauthbearer.client.secret", "`Login::OAuthBearer`"),
    ("sasl.oauthbearer.scope", "`Login::OAuthBearer`"),
    ("sasl.oauthbearer.extensions", "`Login::OAuthBearer`"),
    ("sasl.oauthbearer.token.endpoint.url", "`Login::OAuthBearer`"),
    ("enable.sasl.oauthbearer.unsecure.jwt", "`Tokens::danger_unsecured`"),
    ("ssl.ca.location", "`with_security`, with `Security::with_ca_file`"),
    ("ssl.ca.pem", "`with_security`, with `Security::with_ca_pem`"),
    ("ssl.certificate.location", "`with_security`, with an `Identity`"),
    ("ssl.certificate.pem", "`with_security`, with an `Identity`"),
    ("ssl.key.location", "`with_security`, with an `Identity`"),
    ("ssl.key.pem", "`with_security`, with an `Identity`"),
    ("ssl.key.password", "`with_security`, with an `Identity`"),
    ("ssl.keystore.location", "`with_security`, with an `Identity`"),
    ("ssl.keystore.password", "`with_security`, with an `Identity`"),
    ("enable.ssl.certificate.verification", "`Security::danger_accept_any_certificate`"),
    ("ssl.endpoint.identification.algorithm", "`Security::danger_accept_any_certificate`"),
    ("log.queue", ""),
    ("allow.auto.create.topics", ""),
];

impl Options {
    /// All faults of the options, and of the settings made from typed fields: unknown keys, keys that have a setter, bad values.
    pub(crate) fn faults(&self, typed: &ClientConfig, taken: &[Taken]) -> Vec<Error> {
        let of_options = self.0.iter().filter_map(|(key, value)| match find(key, taken) {
            Some(setter) => Some(refused(key, setter)),
            None => fault(key, value),
        });
        let typed = typed.config_map();
        let of_fields = typed.iter().filter(|(key, _)| !self.0.contains_key(**key));
        let of_fields = of_fields.filter_map(|(key, value)| {
            let fault = fault(key, value)?;
            Some(match find(key, taken) {
                Some(setter) if !setter.is_empty() => fault.with_hint(format!("{setter} sets it.")),
                _ => fault,
            })
        });
        of_options.chain(of_fields).collect()
    }

    /// Whether the connector alone decides, or a field sets it.
    pub(crate) fn is_taken(key: &str, taken: &[Taken]) -> bool {
        find(key, taken).is_some()
    }

    /// Whether there is such an option at all.
    pub(crate) fn is_known(key: &str) -> bool {
        raw::known_options().iter().any(|known| known == key)
    }

    /// The value of an option that is a whole number.
    pub(crate) fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.0.get(key)?.trim().parse().ok()
    }

    /// The value of an option that is a time in milliseconds.
    pub(crate) fn millis(&self, key: &str) -> Option<Duration> {
        self.number(key).map(Duration::from_millis)
    }

    pub(crate) fn apply(&self, config: &mut ClientConfig) {
        for (key, value) in &self.0 {
            config.set(key, value);
        }
    }
}

fn find(key: &str, taken: &[Taken]) -> Option<&'static str> {
    taken.iter().chain(TAKEN).find(|(name, _)| *name == key).map(|(_, setter)| *setter)
}

fn refused(key: &str, setter: &str) -> Error {
    let error = Error::config(format!("use the Kafka option \"{key}\": the connector sets it"));
    if setter.is_empty() {
        error.with_hint("Leave it out.")
    } else {
        error.with_hint(format!("Leave it out and use {setter}."))
    }
}

/// What is wrong with one setting, if anything.
fn fault(key: &str, value: &str) -> Option<Error> {
    let refusal = raw::check_option(key, value)?;
    Some(match refusal {
        raw::Refusal::UnknownKey => {
            let error =
                Error::config(format!("use the Kafka option \"{key}\": there is no such option"));
            let known = raw::known_options();
            match did_you_mean(key, known.iter().map(String::as_str)) {
                Some(near) => error.with_hint(format!("Did you mean \"{near}\"?")),
                None => error.with_hint("The options are those of librdkafka, by its names."),
            }
        }
        raw::Refusal::BadValue => {
            Error::config(format!("use the Kafka option \"{key}\": its value is not valid"))
                .with_hint(
                    "The page CONFIGURATION.md of librdkafka lists the values that it takes.",
                )
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpListener;

    use insta::assert_snapshot;

    use crate::config::{Compression, SinkConfig, SourceConfig};

    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Options(pairs.iter().map(owned).collect())
    }

    fn told(faults: &[Error]) -> String {
        faults.iter().map(Error::report).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn source_tells_all_faults_at_once() {
        let mut config = SourceConfig::new("127.0.0.1:1", "");
        config.fetch_bytes = usize::MAX;
        config.options = options(&[
            ("auto.offset.reset", "latest"),
            ("enable.auto.commit", "true"),
            ("fetch.max.byte", "1"),
            ("socket.keepalive.enable", "perhaps"),
            ("something.else.entirely", "1"),
            ("sasl.pasword", "secret"),
        ]);
        let told = told(&config.faults());
        assert!(!told.contains("secret") && !told.contains("perhaps"), "values stay hidden");
        assert_snapshot!(told, @r#"
        E0201 failed to choose a topic: the name is empty
        Name at least one topic.
        E0201 failed to use the Kafka option "auto.offset.reset": the connector sets it
        Leave it out and use `with_start` and `with_expired`.
        E0201 failed to use the Kafka option "enable.auto.commit": the connector sets it
        Leave it out.
        E0201 failed to use the Kafka option "fetch.max.byte": there is no such option
        Did you mean "fetch.max.bytes"?
        E0201 failed to use the Kafka option "sasl.pasword": there is no such option
        Did you mean "sasl.password"?
        E0201 failed to use the Kafka option "socket.keepalive.enable": its value is not valid
        The page CONFIGURATION.md of librdkafka lists the values that it takes.
        E0201 failed to use the Kafka option "something.else.entirely": there is no such option
        The options are those of librdkafka, by its names.
        E0201 failed to use the Kafka option "fetch.max.bytes": its value is not valid
        `with_fetch_bytes` sets it.
        "#);
    }

    #[test]
    fn sink_tells_all_faults_at_once() {
        let mut config = SinkConfig::new(" ", "orders");
        config.compression = Compression::Gzip;
        config.compression_level = Some(10);
        config.queue_records = 0;
        config.options = options(&[
            ("acks", "1"),
            ("compresion.type", "lz4"),
            ("linger.ms", "20"),
            ("metadata.broker.list", "elsewhere:9092"),
        ]);
        assert_snapshot!(told(&config.faults()), @r#"
        E0201 failed to find Kafka: the address is empty
        Give `host:port`.
        E0201 failed to bound the queue: it must hold at least one record and one byte
        E0201 failed to compress at level 10: "gzip" has levels 0 to 9
        E0201 failed to use the Kafka option "acks": the connector sets it
        Leave it out.
        E0201 failed to use the Kafka option "compresion.type": there is no such option
        Did you mean "compression.type"?
        E0201 failed to use the Kafka option "linger.ms": the connector sets it
        Leave it out and use `with_linger`.
        E0201 failed to use the Kafka option "metadata.broker.list": the connector sets it
        Leave it out and use `new`, as its first argument.
        "#);
    }

    #[test]
    fn every_key_that_a_field_sets_is_refused() {
        let taken = |faults: &[Error], key: &str| {
            faults.iter().any(|fault| fault.report().contains(&format!("\"{key}\"")))
        };
        let source = SourceConfig::new("127.0.0.1:1", "orders");
        // Defaults of ours, not settings: an option may override them.
        let is_set = |key: &&&str| !["reconnect.backoff.max.ms", "check.crcs"].contains(*key);
        for key in source.client_config("name").config_map().keys().filter(is_set) {
            let config = SourceConfig { options: options(&[(key, "1")]), ..source.clone() };
            assert!(taken(&config.faults(), key), "a source refuses {key}");
        }
        let sink = SinkConfig::new("127.0.0.1:1", "orders");
        for (key, _) in crate::config::sink::TAKEN {
            let config = SinkConfig { options: options(&[(key, "1")]), ..sink.clone() };
            assert!(taken(&config.faults(), key), "a sink refuses {key}");
        }
    }

    #[test]
    fn sink_refuses_what_its_producer_has_no_use_for() {
        let mut config = SinkConfig::new("127.0.0.1:1", "orders");
        config.options =
            options(&[("statistics.interval.ms", "1000"), ("socket.timeout.ms", "1000")]);
        let told = told(&config.faults());
        assert!(told.starts_with("E0201 failed to use the Kafka option \"statistics.interval.ms\": a sink has no use for it"), "{told}");
        assert!(!told.contains("\"socket.timeout.ms\""), "{told}");
    }

    #[test]
    fn faults_are_found_without_the_network() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("it is bound").to_string();
        let raw = || options(&[("socket.keepalive.enable", "true"), ("fetch.max.byte", "1")]);
        let source = SourceConfig { options: raw(), ..SourceConfig::new(&address, "orders") };
        let sink = SinkConfig { options: raw(), ..SinkConfig::new(&address, "orders") };
        assert_eq!((source.faults().len(), sink.faults().len()), (1, 1));
        let came = listener.accept().expect_err("nobody has connected");
        assert_eq!(came.kind(), ErrorKind::WouldBlock);
    }
}
