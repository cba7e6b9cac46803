//! Makes topics. Sources and sinks never do so by themselves.

use std::time::Duration;

use millstream_engine::clock::SystemClock;
use millstream_engine::error::{Error, ErrorKind, Result, codes};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::types::RDKafkaErrorCode;

use crate::config::Security;
use crate::entrance::Entrance;
use crate::error::{from_client, from_code};
use crate::listener::Listener;
use crate::raw::{RawConsumer, with_tokens};

/// How long the cluster may take to make a topic.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes a topic of `n_partitions` with the cluster's default replication; one that exists already is left as it is.
///
/// # Blocking
/// Waits for the cluster, at most 30 s.
///
/// # Errors
/// *Unavailable* when the cluster cannot be reached, *denied* without the permission, *config* when it refuses the name or the
/// number of partitions.
///
/// # Examples
/// ```no_run
/// millstream_kafka::create_topic("127.0.0.1:9092", "orders", 4)?;
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub fn create_topic(brokers: &str, topic: &str, n_partitions: u32) -> Result<()> {
    create_topic_with(brokers, &Security::default(), topic, n_partitions)
}

/// As [`create_topic`], at a cluster that asks who comes.
///
/// # Blocking
/// Waits for the cluster, at most 30 s to be let in and 30 s for the answer.
///
/// # Errors
/// As [`create_topic`], and what a source says when it is not let in.
///
/// # Examples
/// ```no_run
/// use millstream_engine::Secret;
/// use millstream_kafka::{Login, Security, create_topic_with};
///
/// let login = Login::scram_sha_512("admin", Secret::from_env("KAFKA_PASSWORD"));
/// create_topic_with("kafka.example:9093", &Security::tls().with_login(login), "orders", 4)?;
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub fn create_topic_with(
    brokers: &str,
    security: &Security,
    topic: &str,
    n_partitions: u32,
) -> Result<()> {
    let what = || format!("create the topic \"{topic}\" at {brokers}");
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    security.apply(&mut config)?;
    let listener = || Listener::new("create_topic", SystemClock::new(), security);
    let probe = RawConsumer::new(&config, listener()).map_err(|e| from_client(&e, what()))?;
    Entrance::default().pass(&probe, brokers, PATIENCE)?;
    let admin: AdminClient<Listener> =
        config.create_with_context(listener()).map_err(|e| from_client(&e, what()))?;
    let count = i32::try_from(n_partitions).map_err(|e| Error::config(what()).with_source(e))?;
    // -1 asks for the cluster's default; the crate's type has no other way to say so.
    let new = NewTopic::new(topic, count, TopicReplication::Fixed(-1));
    let options =
        AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
    let answer = with_tokens(admin.inner(), probe.listener().keeper(), || {
        futures_executor::block_on(admin.create_topics([&new], &options))
    });
    let results = answer.map_err(|e| unreachable(&e, what()))?;
    for (_, code) in results.into_iter().filter_map(std::result::Result::err) {
        if code != RDKafkaErrorCode::TopicAlreadyExists {
            return Err(from_code(code, what()));
        }
    }
    Ok(())
}

/// A cluster that did not answer in time; anything else says itself what it is.
fn unreachable(error: &rdkafka::error::KafkaError, what: String) -> Error {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::BrokerTransportFailure) => {
            Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what)
                .with_source(error.to_string())
                .with_hint("Is a broker listening there, and does it advertise an address that this host can reach?")
        }
        _ => from_client(error, what),
    }
}
