//! Writing to and reading from Pulsar with the crate `pulsar`, as its own examples do it, in a task of its own: driven from the
//! main future it takes three times the processor time.

use std::collections::VecDeque;
use std::time::Duration;

use futures::TryStreamExt as _;
use pulsar::compression::{Compression, CompressionLz4, CompressionZstd};
use pulsar::consumer::{ConsumerOptions, InitialPosition};
use pulsar::producer::{Message, ProducerOptions, SendFuture};
use pulsar::reader::Reader;
use pulsar::{Consumer, Pulsar, SubType, TokioExecutor};
use tokio::runtime::{Builder, Runtime};

/// Records that are sent and not confirmed, as many as our queue holds.
const MAX_IN_FLIGHT: usize = 20_000;

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("threads can be started")
}

async fn client(broker: &str) -> Pulsar<TokioExecutor> {
    Pulsar::builder(format!("pulsar://{broker}"), TokioExecutor)
        .build()
        .await
        .expect("the broker is there")
}

/// A codec by the name that ours has.
fn codec(name: &str) -> Option<Compression> {
    match name {
        "lz4" => Some(Compression::Lz4(CompressionLz4::default())),
        "zstd" => Some(Compression::Zstd(CompressionZstd::default())),
        _ => None,
    }
}

/// Writes what `next` gives, in batches of 1,000, 128 KiB or 5 ms, and waits for all receipts; returns how many there were.
pub(crate) fn write(
    broker: &str,
    topic: &str,
    compression: &str,
    mut next: impl FnMut() -> Option<(String, Vec<u8>)> + Send + 'static,
) -> u64 {
    let (broker, topic) = (broker.to_owned(), topic.to_owned());
    let options = ProducerOptions {
        batch_size: Some(1_000),
        batch_byte_size: Some(128 << 10),
        batch_timeout: Some(Duration::from_millis(5)),
        compression: codec(compression),
        block_queue_if_full: true,
        ..ProducerOptions::default()
    };
    let writing = async move {
        let client = client(&broker).await;
        let producer = client.producer().with_topic(topic).with_options(options);
        let mut producer = producer.build().await.expect("a producer");
        let mut in_flight: VecDeque<SendFuture> = VecDeque::new();
        let mut n_records = 0;
        while let Some((key, payload)) = next() {
            let message = Message { payload, partition_key: Some(key), ..Message::default() };
            in_flight.push_back(producer.send_non_blocking(message).await.expect("it is taken"));
            n_records += 1;
            if in_flight.len() > MAX_IN_FLIGHT
                && let Some(oldest) = in_flight.pop_front()
            {
                oldest.await.expect("it is confirmed");
            }
        }
        producer.send_batch().await.expect("the last batch");
        for sent in in_flight {
            sent.await.expect("it is confirmed");
        }
        n_records
    };
    let runtime = runtime();
    runtime.block_on(async { tokio::spawn(writing).await.expect("it ends") })
}

/// Hands the values of `n_records` from the beginning of `topic` to `see`, without acknowledging any.
pub(crate) fn read(
    broker: &str,
    topic: &str,
    n_records: u64,
    mut see: impl FnMut(&[u8]) + Send + 'static,
) {
    let (broker, topic) = (broker.to_owned(), topic.to_owned());
    let reading = async move {
        let client = client(&broker).await;
        let options = ConsumerOptions::default()
            .durable(false)
            .with_initial_position(InitialPosition::Earliest);
        let reader = client.reader().with_topic(topic).with_options(options);
        let mut reader: Reader<Vec<u8>, _> = reader.into_reader().await.expect("a reader");
        for _ in 0..n_records {
            let message = reader.try_next().await.expect("a message").expect("there is another");
            see(&message.payload.data);
        }
        see
    };
    let runtime = runtime();
    drop(runtime.block_on(async { tokio::spawn(reading).await.expect("it ends") }));
}

/// The same through a shared subscription, acknowledging every message.
pub(crate) fn read_shared(
    broker: &str,
    topic: &str,
    n_records: u64,
    mut see: impl FnMut(&[u8]) + Send + 'static,
) {
    let (broker, topic) = (broker.to_owned(), topic.to_owned());
    let reading = async move {
        let client = client(&broker).await;
        let options = ConsumerOptions::default().with_initial_position(InitialPosition::Earliest);
        let consumer = client.consumer().with_topic(topic).with_options(options);
        let consumer = consumer
            .with_subscription(format!("bench-{}", std::process::id()))
            .with_subscription_type(SubType::Shared);
        let mut consumer: Consumer<Vec<u8>, _> = consumer.build().await.expect("a consumer");
        for _ in 0..n_records {
            let message = consumer.try_next().await.expect("a message").expect("another");
            see(&message.payload.data);
            consumer.ack(&message).await.expect("it is taken");
        }
        see
    };
    let runtime = runtime();
    drop(runtime.block_on(async { tokio::spawn(reading).await.expect("it ends") }));
}
