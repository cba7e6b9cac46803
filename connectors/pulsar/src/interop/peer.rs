//! The least producer and consumer that the layer of bytes can be tried with.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use millstream_engine::batch::RecordBatch;
use prost::Message as _;

use super::java::Written;
use crate::config::ClusterConfig;
use crate::encryption::decryptor::Decryptor;
use crate::encryption::encryptor::Encryptor;
use crate::encryption::{Encryption, KeyFiles};
use crate::net::cluster::Cluster;
use crate::net::connection::{Connection, ForConsumer, ForProducer};
use crate::net::{Trouble, runtime};
use crate::wire::chunk::{Assembly, ChunkLimits, Put, is_chunk, split};
use crate::wire::compression::{Compressor, Decompressor};
use crate::wire::entry::read::{BatchCursor, Message, unbatched};
use crate::wire::entry::write::{Fields, append, into_metadata};
use crate::wire::frame::{message_head, open_envelope};
use crate::wire::proto::*;

const LIMIT: Duration = Duration::from_mins(1);

/// The broker to try it on; none is a test skipped, which must not happen unseen on CI.
pub(super) fn broker() -> Option<String> {
    let broker = std::env::var("MILLSTREAM_TEST_PULSAR").ok();
    if broker.is_none() {
        assert!(std::env::var_os("CI").is_none(), "MILLSTREAM_TEST_PULSAR is not set");
        println!("SKIPPED: MILLSTREAM_TEST_PULSAR is not set");
    }
    broker
}

struct Told<T>(mpsc::Sender<T>);

impl ForProducer for Told<CommandSendReceipt> {
    fn receipt(&self, receipt: CommandSendReceipt) {
        drop(self.0.send(receipt));
    }

    fn refused(&self, refusal: CommandSendError) {
        panic!("{refusal:?}");
    }

    fn closed(&self, _why: Trouble) {}
}

impl ForConsumer for Told<Bytes> {
    fn message(&self, _command: CommandMessage, rest: Bytes) {
        drop(self.0.send(rest));
    }

    fn acknowledged(&self, _answer: CommandAckResponse) {}

    fn active(&self, _is_active: bool) {}

    fn end_of_topic(&self) {}

    fn closed(&self, _why: Trouble) {}
}

fn keys(name: &str) -> KeyFiles {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/encryption"));
    KeyFiles::new()
        .with_public_key(name, folder.join(format!("{name}.pub.pem")))
        .with_private_key(name, folder.join(format!("{name}.pem")))
}

/// What the other side wrote, beside the records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) codec: CompressionType,
    pub(super) is_batched: bool,
    pub(super) is_encrypted: bool,
}

pub(super) struct Peer {
    cluster: Arc<Cluster>,
}

impl Peer {
    pub(super) fn new(broker: &str) -> Self {
        Self { cluster: Cluster::new(&ClusterConfig::new(broker)) }
    }

    /// Writes records in the form that Java knows by that name, and waits until they are stored.
    pub(super) fn write(
        &self,
        topic: &str,
        (form, codec, key): (&str, CompressionType, Option<&str>),
        records: &[Written],
    ) {
        runtime::handle().block_on(async {
            let connection = self.cluster.broker_of(topic).await.expect("a broker");
            let (receipts, receipt) = mpsc::channel();
            let mut sending = Sending::start(connection, topic, receipts).await;
            sending.compressor = Compressor::new(codec, None);
            let encryption = key.map(|name| Encryption::new([name], keys(name)));
            sending.encryptor =
                encryption.map(|e| Encryptor::new(e, Instant::now()).expect("good"));
            match form {
                "batched" => sending.batch(records).await,
                "single" => sending.singles(records, usize::MAX).await,
                bytes => sending.singles(records, bytes.parse().expect("bytes of a chunk")).await,
            }
            for _ in 0..sending.n_sent {
                receipt.recv_timeout(LIMIT).expect("a receipt");
            }
        });
    }

    /// Reads that many records.
    pub(super) fn read(&self, topic: &str, n: usize, key: Option<&str>) -> (Vec<Written>, Seen) {
        let (messages, message) = mpsc::channel();
        runtime::handle().block_on(async {
            let connection = self.cluster.broker_of(topic).await.expect("a broker");
            subscribe(&connection, topic, messages).await;
        });
        let mut reading = Reading {
            decryptor: Decryptor::new(Arc::new(keys(key.unwrap_or("rsa")))),
            assembly: Assembly::new(ChunkLimits::default()),
            records: Vec::new(),
        };
        let mut seen = None;
        while reading.records.len() < n {
            seen = Some(reading.take(message.recv_timeout(LIMIT).expect("a message")));
        }
        (reading.records, seen.expect("a message"))
    }
}

struct Sending {
    connection: Arc<Connection>,
    producer_id: u64,
    producer_name: String,
    compressor: Compressor,
    encryptor: Option<Encryptor>,
    sequence_id: u64,
    n_sent: usize,
}

impl Sending {
    async fn start(
        connection: Arc<Connection>,
        topic: &str,
        receipts: mpsc::Sender<CommandSendReceipt>,
    ) -> Self {
        let producer_id = connection.next_id();
        connection.add_producer(producer_id, Arc::new(Told(receipts))).expect("it lives");
        let made = connection.ask("a producer", LIMIT, |request_id| {
            let topic = topic.to_owned();
            Command::Producer(CommandProducer {
                topic,
                producer_id,
                request_id,
                ..CommandProducer::default()
            })
        });
        let Command::ProducerSuccess(made) = made.await.expect("a producer") else {
            panic!("another answer");
        };
        Self {
            connection,
            producer_id,
            producer_name: made.producer_name,
            compressor: Compressor::new(CompressionType::None, None),
            encryptor: None,
            sequence_id: 0,
            n_sent: 0,
        }
    }

    async fn batch(&mut self, records: &[Written]) {
        let mut payload = Vec::new();
        for written in records {
            with_fields(written, |fields| append(&mut payload, fields)).expect("text");
        }
        let n_messages = i32::try_from(records.len()).expect("few");
        let metadata = MessageMetadata {
            num_messages_in_batch: Some(n_messages),
            ..MessageMetadata::default()
        };
        self.send(metadata, &payload, usize::MAX).await;
    }

    async fn singles(&mut self, records: &[Written], chunk_bytes: usize) {
        for written in records {
            let mut metadata = MessageMetadata::default();
            with_fields(written, |fields| into_metadata(fields, &mut metadata)).expect("text");
            let value = written.record.value.as_deref().unwrap_or_default();
            self.send(metadata, value, chunk_bytes).await;
        }
    }

    async fn send(&mut self, metadata: MessageMetadata, payload: &[u8], max_bytes: usize) {
        let mut small = Vec::new();
        let codec = self.compressor.append(payload, &mut small);
        let metadata = MessageMetadata {
            producer_name: self.producer_name.clone(),
            sequence_id: self.sequence_id,
            publish_time: 1,
            compression: Some(codec.into()),
            uncompressed_size: Some(u32::try_from(payload.len()).expect("short")),
            ..metadata
        };
        self.sequence_id += 1;
        let small = Bytes::from(small);
        if small.len() <= max_bytes {
            return self.send_one(metadata, small, false).await;
        }
        for (chunk, part) in split(&metadata, &small, max_bytes).expect("there is room") {
            self.send_one(chunk, part, true).await;
        }
    }

    async fn send_one(&mut self, mut metadata: MessageMetadata, payload: Bytes, is_chunk: bool) {
        let mut sent = payload;
        if let Some(encryptor) = &mut self.encryptor {
            let mut out = Vec::new();
            encryptor.encrypt(&sent, &mut metadata, &mut out, Instant::now()).expect("good keys");
            sent = out.into();
        }
        let command = Command::Send(CommandSend {
            producer_id: self.producer_id,
            sequence_id: metadata.sequence_id,
            num_messages: metadata.num_messages_in_batch,
            is_chunk: is_chunk.then_some(true),
            ..CommandSend::default()
        });
        let head = message_head(command, &metadata, &sent);
        self.connection.send_message(head, sent).await.expect("it is taken");
        self.n_sent += 1;
    }
}

fn with_fields<T>(written: &Written, then: impl FnOnce(&Fields<'_>) -> T) -> T {
    let mut batch = RecordBatch::default();
    batch.push_owned(&written.record);
    let fields = Fields::from(batch.get(0).expect("one"));
    then(&Fields { ordering_key: written.ordering_key.as_deref(), ..fields })
}

async fn subscribe(connection: &Connection, topic: &str, messages: mpsc::Sender<Bytes>) {
    let consumer_id = connection.next_id();
    connection.add_consumer(consumer_id, Arc::new(Told(messages))).expect("it lives");
    let subscribed = connection.ask("a subscription", LIMIT, |request_id| {
        Command::Subscribe(CommandSubscribe {
            topic: topic.to_owned(),
            subscription: "ours".to_owned(),
            consumer_id,
            request_id,
            initial_position: Some(InitialPosition::Earliest.into()),
            ..CommandSubscribe::default()
        })
    });
    subscribed.await.expect("a subscription");
    let flow = Command::Flow(CommandFlow { consumer_id, message_permits: 1000 });
    connection.send(flow).await.expect("it is taken");
}

struct Reading {
    decryptor: Decryptor,
    assembly: Assembly<()>,
    records: Vec<Written>,
}

impl Reading {
    fn take(&mut self, rest: Bytes) -> Seen {
        let envelope = open_envelope(rest).expect("whole");
        let metadata = MessageMetadata::decode(&envelope.metadata[..]).expect("metadata");
        let mut payload = envelope.payload.to_vec();
        let now = Instant::now();
        let is_encrypted = !metadata.encryption_keys.is_empty();
        if is_encrypted {
            let encoded = &envelope.metadata;
            let outcome = self.decryptor.decrypt(encoded, &envelope.payload, &mut payload, now);
            outcome.expect("the key is known");
        }
        let seen = Seen {
            codec: metadata.compression(),
            is_batched: metadata.num_messages_in_batch.is_some(),
            is_encrypted,
        };
        if is_chunk(&metadata) {
            match self.assembly.put(&metadata, &payload, (), now) {
                Put::Kept => return seen,
                Put::Whole { payload: whole, .. } => payload = whole,
                other => panic!("{other:?}"),
            }
        }
        let n_bytes = metadata.uncompressed_size.unwrap_or_default();
        let mut plain = Vec::new();
        let codec = seen.codec.into();
        let outcome = Decompressor::new().decompress(codec, &payload, n_bytes, 5 << 20, &mut plain);
        outcome.expect("a good payload");
        self.records_of(&metadata, &envelope.metadata, &plain);
        seen
    }

    fn records_of(&mut self, metadata: &MessageMetadata, encoded: &[u8], payload: &[u8]) {
        let Some(n_messages) = metadata.num_messages_in_batch else {
            self.records.push(record(&unbatched(encoded, payload).expect("good metadata")));
            return;
        };
        let mut cursor = BatchCursor::new(n_messages);
        while let Some(message) = cursor.next(payload, &[]).expect("a good batch") {
            self.records.push(record(&message));
        }
    }
}

fn record(message: &Message<'_>) -> Written {
    let mut batch = RecordBatch::default();
    let mut writer = batch.writer();
    message.write_to(&mut writer, &mut Vec::new()).expect("a good key");
    writer.finish();
    let record = batch.get(0).expect("one").to_owned();
    Written { record, ordering_key: message.ordering_key.map(<[u8]>::to_vec) }
}
