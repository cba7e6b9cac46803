//! Which options librdkafka knows.

use std::ffi::c_char;

use rdkafka::ClientConfig;
use rdkafka::bindings as rd;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use super::text;

/// Why an option is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    UnknownKey,
    BadValue,
}

/// Whether librdkafka takes an option, and if not, why.
pub(crate) fn check_option(key: &str, value: &str) -> Option<Refusal> {
    let mut config = ClientConfig::new();
    config.set(key, value);
    match config.create_native_config() {
        Ok(_) => None,
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            Some(Refusal::UnknownKey)
        }
        Err(_) => Some(Refusal::BadValue),
    }
}

/// The names of the options, for suggestions.
pub(crate) fn known_options() -> Vec<String> {
    // SAFETY: a new configuration is dumped and destroyed; the dump is freed by `take`.
    let mut names = unsafe {
        let config = rd::rd_kafka_conf_new();
        let mut n_texts = 0;
        let texts = rd::rd_kafka_conf_dump(config, &raw mut n_texts);
        let of_clients = take(texts, n_texts);
        rd::rd_kafka_conf_destroy(config);
        of_clients
    };
    // SAFETY: as above, for the options of topics.
    names.extend(unsafe {
        let config = rd::rd_kafka_topic_conf_new();
        let mut n_texts = 0;
        let texts = rd::rd_kafka_topic_conf_dump(config, &raw mut n_texts);
        let of_topics = take(texts, n_texts);
        rd::rd_kafka_topic_conf_destroy(config);
        of_topics
    });
    names.extend(
        ["bootstrap.servers", "compression.type", "sasl.username", "sasl.password"]
            .map(String::from),
    );
    names
}

/// Copies the names out of a dump of names and values, and frees it.
///
/// # Safety
/// `texts` comes from a dump function of librdkafka, with this count, and is used no more.
unsafe fn take(texts: *mut *const c_char, n_texts: usize) -> Vec<String> {
    // SAFETY: the dump is an array of `n_texts` strings, names and values in turn.
    unsafe {
        let names = (0..n_texts).step_by(2).map(|at| text(*texts.add(at))).collect();
        rd::rd_kafka_conf_dump_free(texts, n_texts);
        names
    }
}
