//! Produces by hand, on a blocking socket: entries of the test's own making, without a task of the connector.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use bytes::BytesMut;
use millstream_engine::batch::{OwnedRecord, RecordBatch};
use millstream_engine::clock::SystemClock;
use millstream_pulsar::MessageId;

use crate::plain::LONG;
use crate::wire::entry::write::{Fields, append, into_metadata};
use crate::wire::frame::{message_head, next_frame, simple};
use crate::wire::proto::{
    Command, CommandConnect, CommandLookupTopic, CommandPong, CommandProducer, CommandSend,
    MessageMetadata, PROTOCOL_VERSION,
};

/// A producer of one topic without partitions, or of one partition.
#[derive(Debug)]
pub(crate) struct Feed {
    stream: TcpStream,
    read: BytesMut,
    name: String,
    sequence_id: u64,
}

impl Feed {
    /// For `TENANT/NAMESPACE/TOPIC`.
    pub(crate) fn open(address: &str, topic: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the broker listens");
        stream.set_read_timeout(Some(LONG)).expect("a timeout");
        let topic = format!("persistent://{topic}");
        let mut feed = Self { stream, read: BytesMut::new(), name: String::new(), sequence_id: 0 };
        feed.send(Command::Connect(CommandConnect {
            client_version: "test".to_owned(),
            protocol_version: Some(PROTOCOL_VERSION),
            ..CommandConnect::default()
        }));
        feed.answer();
        // A topic is served once it was looked up.
        let lookup = CommandLookupTopic {
            topic: topic.clone(),
            request_id: 1,
            ..CommandLookupTopic::default()
        };
        feed.send(Command::Lookup(lookup));
        feed.answer();
        let producer =
            CommandProducer { topic, producer_id: 1, request_id: 2, ..CommandProducer::default() };
        feed.send(Command::Producer(producer));
        let Command::ProducerSuccess(made) = feed.answer() else { panic!("a producer is made") };
        feed.name = made.producer_name;
        feed
    }

    /// Writes these records as one entry, a batch, and waits until it is stored.
    pub(crate) fn batch(&mut self, records: impl IntoIterator<Item = OwnedRecord>) -> MessageId {
        let records: Vec<_> = records.into_iter().collect();
        let mut payload = Vec::new();
        let mut batch = RecordBatch::default();
        for record in &records {
            batch.push_owned(record);
        }
        for record in batch.iter() {
            append(&mut payload, &Fields::from(record)).expect("a record that can be written");
        }
        let metadata = MessageMetadata {
            num_messages_in_batch: i32::try_from(records.len()).ok(),
            publish_time: publish_time(&records[0]),
            ..MessageMetadata::default()
        };
        self.entry(metadata, &payload)
    }

    /// Writes a record as an entry of its own.
    pub(crate) fn single(&mut self, record: &OwnedRecord) -> MessageId {
        let mut batch = RecordBatch::default();
        batch.push_owned(record);
        let fields = Fields::from(batch.get(0).expect("it was pushed"));
        let mut metadata =
            MessageMetadata { publish_time: publish_time(record), ..MessageMetadata::default() };
        into_metadata(&fields, &mut metadata).expect("a record that can be written");
        self.entry(metadata, record.value.as_deref().unwrap_or_default())
    }

    /// Writes an entry of any metadata and payload.
    pub(crate) fn entry(&mut self, mut metadata: MessageMetadata, payload: &[u8]) -> MessageId {
        metadata.producer_name.clone_from(&self.name);
        metadata.sequence_id = self.sequence_id;
        let send = CommandSend {
            producer_id: 1,
            sequence_id: self.sequence_id,
            num_messages: Some(metadata.num_messages_in_batch.unwrap_or(1)),
            ..CommandSend::default()
        };
        self.sequence_id += 1;
        let head = message_head(Command::Send(send), &metadata, payload);
        self.stream.write_all(&head).expect("the broker takes it");
        self.stream.write_all(payload).expect("the broker takes it");
        let Command::SendReceipt(receipt) = self.answer() else { panic!("an entry is stored") };
        let id = receipt.message_id.expect("the entry has an id");
        MessageId { ledger: id.ledger_id, entry: id.entry_id, index: None }
    }

    fn send(&mut self, command: Command) {
        self.stream.write_all(&simple(command)).expect("the broker takes it");
    }

    /// The next command that is no keep-alive.
    fn answer(&mut self) -> Command {
        loop {
            if let Some(frame) = next_frame(&mut self.read, 64 << 20).expect("a good frame") {
                match frame.command.expect("a known command") {
                    Command::Ping(_) => self.send(Command::Pong(CommandPong {})),
                    command => return command,
                }
                continue;
            }
            let mut some = vec![0; 64 << 10];
            let n_bytes = self.stream.read(&mut some).expect("the broker answers");
            assert!(n_bytes > 0, "the broker keeps the connection");
            self.read.extend_from_slice(&some[..n_bytes]);
        }
    }
}

/// A record's own time is also when it was published: tests choose both.
fn publish_time(record: &OwnedRecord) -> u64 {
    record.time.unwrap_or_else(|| SystemClock::new().unix_millis()).cast_unsigned()
}
