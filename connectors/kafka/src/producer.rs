//! The producer as a writer uses it: a client, the number of partitions of its topic, and a thread that keeps that number fresh.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::runtime::Wake;
use millstream_engine::source::OpenContext;
use rdkafka::ClientConfig;
use rdkafka::types::RDKafkaErrorCode;

use crate::config::Security;
use crate::error;
use crate::listener::Listener;
use crate::raw::{Client, RawProducer, Topic};

/// How long the number of partitions is believed.
const REFRESH: Duration = Duration::from_mins(1);

/// How long to wait after a question that was not answered.
const RETRY: Duration = Duration::from_secs(1);

/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(5);

/// A producer for one topic.
///
/// The thread that asks for partitions owns a share of the client and ends when `ask` is dropped. It is then the last owner, so
/// that the client is destroyed there and nobody waits for it.
pub(crate) struct Producer {
    pub(crate) raw: RawProducer,
    pub(crate) topic: Arc<Topic>,
    partitions: Arc<Partitions>,
    ask: SyncSender<()>,
}

/// What is known of the topic's partitions.
#[derive(Default)]
struct Partitions {
    /// 0 as long as it is not known.
    n_partitions: AtomicU32,
    failed: Mutex<Option<RDKafkaErrorCode>>,
}

impl Producer {
    pub(crate) fn open(
        mut config: ClientConfig,
        security: &Security,
        topic: &str,
        cx: &OpenContext,
        wake: &Wake,
    ) -> Result<Self> {
        let failed =
            |error| error::from_client(&error, "set up the Kafka client").at_step(&cx.step);
        security.apply(&mut config).map_err(|error| error.at_step(&cx.step))?;
        let listener = Listener::new(&cx.step, Arc::clone(&cx.clock), security);
        let client = Client::new(&config, listener, wake.clone()).map_err(failed)?;
        let client = Arc::new(client);
        let topic = Arc::new(Topic::open(&client, topic).map_err(failed)?);
        let raw = RawProducer::new(client).map_err(failed)?;
        let partitions = Arc::new(Partitions::default());
        let (ask, asked) = sync_channel(1);
        let (asked_for, shared, wake) = (Arc::clone(&topic), Arc::clone(&partitions), wake.clone());
        let refresh = move || keep_fresh(&asked_for, &shared, &wake, &asked);
        std::thread::Builder::new().name("kafka-topic".to_owned()).spawn(refresh).map_err(
            |error| {
                Error::new(
                    ErrorKind::Unavailable,
                    codes::UNREACHABLE,
                    "start a thread for the Kafka client",
                )
                .with_source(error)
                .at_step(&cx.step)
            },
        )?;
        Ok(Self { raw, topic, partitions, ask })
    }

    /// How many partitions the topic has; `None` until the cluster has told. The wake is called when it has.
    #[inline]
    pub(crate) fn n_partitions(&self) -> Option<u32> {
        Some(self.partitions.n_partitions.load(Ordering::Relaxed))
            .filter(|n_partitions| *n_partitions > 0)
    }

    /// Asks for the number of partitions again, soon.
    pub(crate) fn refresh(&self) {
        // A full channel means that the question has been put already.
        let _asked = self.ask.try_send(());
    }

    /// Why the topic cannot be written, as the cluster said last.
    pub(crate) fn topic_error(&self) -> Option<RDKafkaErrorCode> {
        self.partitions.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Asks for the number of partitions until nobody wants to know any more.
fn keep_fresh(topic: &Topic, partitions: &Partitions, wake: &Wake, asked: &Receiver<()>) {
    loop {
        if topic.client().listener().take_login() {
            topic.client().renew_login();
        }
        let wait = match topic.n_partitions(QUESTION) {
            Ok(n_partitions) if n_partitions > 0 => {
                let before = partitions.n_partitions.swap(n_partitions, Ordering::Relaxed);
                if before != n_partitions {
                    wake.wake();
                }
                REFRESH
            }
            Err(code) if is_lasting(code) => {
                *partitions.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
                wake.wake();
                RETRY
            }
            Ok(_) | Err(_) => RETRY,
        };
        if asked.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// Whether asking again will not help.
fn is_lasting(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::InvalidTopic
    )
}
