//! Pulsar by hand, on a blocking socket and the admin's HTTP: topics, and reading back, without a task of the connector.
//!
//! It shares the bytes of the protocol with the connector, and nothing else.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use millstream_engine::batch::{Origin, OwnedRecord, Record, RecordBatch};
use prost::Message as _;

use crate::wire::compression::Decompressor;
use crate::wire::entry::read::{BatchCursor, Message, unbatched};
use crate::wire::entry::write::{Fields, append};
use crate::wire::frame::{message_head, next_frame, open_envelope, simple};
use crate::wire::proto::{
    Command, CommandConnect, CommandFlow, CommandGetLastMessageId, CommandLookupTopic, CommandPong,
    CommandProducer, CommandSend, CommandSubscribe, InitialPosition, MessageIdData,
    MessageMetadata, PROTOCOL_VERSION,
};

/// Nothing on a local broker takes this long.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// A broker: its address, and that of its admin.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    pub(crate) address: String,
    admin: String,
}

/// A message as it lies at the broker.
pub(crate) struct Stored {
    pub(crate) metadata: MessageMetadata,
    pub(crate) payload: Bytes,
    pub(crate) records: Vec<OwnedRecord>,
}

impl Plain {
    pub(crate) fn new(address: &str, admin_url: &str) -> Self {
        let admin = admin_url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { address: address.to_owned(), admin }
    }

    /// The base of its admin API.
    pub(crate) fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// The broker to test with. Where there is none the test is skipped, which must not happen unseen on CI.
    #[expect(clippy::print_stdout, reason = "a skipped test must be seen")]
    pub(crate) fn of_environment() -> Option<Self> {
        let names = ["MILLSTREAM_TEST_PULSAR", "MILLSTREAM_TEST_PULSAR_HTTP"];
        let [address, admin] = names.map(|name| std::env::var(name).ok());
        let (Some(address), Some(admin)) = (address, admin) else {
            assert!(std::env::var_os("CI").is_none(), "{names:?} must be set on CI");
            println!("SKIPPED: {} or {} is not set", names[0], names[1]);
            return None;
        };
        Some(Self::new(&address, &admin))
    }

    /// A name that no topic has, `NAMESPACE/PREFIX-…`.
    pub(crate) fn new_name(namespace: &str, prefix: &str) -> String {
        format!("{namespace}/{prefix}-{:016x}", RandomState::new().hash_one(prefix))
    }

    /// A new topic in `public/default`; 0 partitions make one without.
    pub(crate) fn create(&self, prefix: &str, n_partitions: u32) -> String {
        let name = Self::new_name("public/default", prefix);
        self.create_named(&name, n_partitions);
        name
    }

    pub(crate) fn create_named(&self, name: &str, n_partitions: u32) {
        let (status, said) = match n_partitions {
            0 => self.admin("PUT", &format!("persistent/{name}"), ""),
            n => self.admin("PUT", &format!("persistent/{name}/partitions"), &n.to_string()),
        };
        assert!((200..300).contains(&status), "creating {name}: {status} {said}");
    }

    /// How many partitions a topic has, 0 for one without.
    pub(crate) fn n_partitions(&self, topic: &str) -> u32 {
        let (_, said) = self.admin("GET", &format!("persistent/{topic}/partitions"), "");
        let digits = said.rsplit_once("\"partitions\":").map_or("0", |(_, rest)| rest);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().expect("a number")
    }

    /// Makes the namespace `public/dedup`, where it is not there: the broker drops what it has seen.
    pub(crate) fn create_dedup_namespace(&self) {
        let policies = r#"{"bundles":{"numBundles":4},"deduplicationEnabled":true}"#;
        let (status, said) = self.admin("PUT", "namespaces/public/dedup", policies);
        assert!(matches!(status, 200..300 | 409), "{status} {said}");
    }

    /// One request to the admin: its status, and what it said.
    pub(crate) fn admin(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.admin).expect("the admin listens");
        stream.set_read_timeout(Some(LONG)).expect("a timeout");
        let request = format!(
            "{method} /admin/v2/{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.admin,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("the admin takes it");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the admin answers");
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.unwrap_or(0), answer)
    }

    /// Writes records to a topic without partitions, or to one partition, and waits until they are durable.
    pub(crate) fn produce(&self, topic: &str, records: &[OwnedRecord]) {
        let mut writer = Socket::open(&self.address, topic);
        writer.send(Command::Producer(CommandProducer {
            topic: format!("persistent://{topic}"),
            producer_id: 1,
            request_id: 2,
            ..CommandProducer::default()
        }));
        writer.wait_for(|command| matches!(command, Command::ProducerSuccess(_)));
        for (number, some) in (0..).zip(records.chunks(1000)) {
            let mut batch = RecordBatch::default();
            for record in some {
                batch.push_owned(record);
            }
            let mut payload = Vec::new();
            for record in batch.iter() {
                append(&mut payload, &Fields::from(record)).expect("text alone");
            }
            let n_messages = i32::try_from(some.len()).ok();
            let metadata = MessageMetadata {
                producer_name: "plain".to_owned(),
                sequence_id: number,
                publish_time: 1,
                num_messages_in_batch: n_messages,
                ..MessageMetadata::default()
            };
            let send = CommandSend {
                producer_id: 1,
                sequence_id: number,
                num_messages: n_messages,
                ..CommandSend::default()
            };
            let head = message_head(Command::Send(send), &metadata, &payload);
            writer.stream.write_all(&head).expect("the broker takes it");
            writer.stream.write_all(&payload).expect("the broker takes it");
            writer.wait_for(|command| matches!(command, Command::SendReceipt(_)));
        }
    }

    /// All messages of a topic without partitions, or of one partition: waits until they have `n_expected` records, and reads to the
    /// end.
    pub(crate) fn stored(&self, topic: &str, n_expected: usize) -> Vec<Stored> {
        let (mut reader, start) = (Reader::open(&self.address, topic), Instant::now());
        let (mut stored, mut n_records) = (Vec::new(), 0);
        loop {
            while let Some(message) = reader.next() {
                n_records += message.records.len();
                stored.push(message);
            }
            if n_records >= n_expected || start.elapsed() > LONG {
                return stored;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// All records of a topic of so many partitions (0: without), partition by partition.
    pub(crate) fn records(
        &self,
        topic: &str,
        n_partitions: u32,
        n_expected: usize,
    ) -> Vec<OwnedRecord> {
        let of = |name: &str, partition, at_least| {
            let stored = self.stored(name, at_least).into_iter();
            stored.flat_map(|message| message.records).map(move |mut record| {
                record.origin = Some(Origin::new("pulsar", topic, partition));
                record
            })
        };
        if n_partitions == 0 {
            return of(topic, 0, n_expected).collect();
        }
        let partition = |n| of(&format!("{topic}-partition-{n}"), n, 0);
        let start = Instant::now();
        loop {
            let records: Vec<_> = (0..n_partitions).flat_map(partition).collect();
            if records.len() >= n_expected || start.elapsed() > LONG {
                return records;
            }
        }
    }
}

/// Reads a topic from its start.
struct Reader {
    socket: Socket,
    n_since_flow: u32,
    /// Messages that came, and were not asked for yet.
    queue: VecDeque<Bytes>,
    /// The message that came last, and the last one of the topic when the broker was asked.
    at: Option<(u64, u64)>,
    end: Option<(u64, u64)>,
}

const PERMITS: u32 = 100_000;

impl Reader {
    fn open(address: &str, topic: &str) -> Self {
        let mut socket = Socket::open(address, topic);
        socket.send(Command::Subscribe(CommandSubscribe {
            topic: format!("persistent://{topic}"),
            subscription: format!("test-{:x}", RandomState::new().hash_one(topic)),
            consumer_id: 1,
            request_id: 2,
            durable: Some(false),
            initial_position: Some(InitialPosition::Earliest.into()),
            ..CommandSubscribe::default()
        }));
        socket.wait_for(|command| matches!(command, Command::Success(_)));
        let mut reader =
            Self { socket, n_since_flow: 0, queue: VecDeque::new(), at: None, end: None };
        reader.flow();
        reader
    }

    fn flow(&mut self) {
        let flow = CommandFlow { consumer_id: 1, message_permits: PERMITS };
        self.socket.send(Command::Flow(flow));
        self.n_since_flow = 0;
    }

    /// The next message; none at the end of the topic.
    fn next(&mut self) -> Option<Stored> {
        if self.queue.is_empty() && self.at >= self.end {
            let ask = CommandGetLastMessageId { consumer_id: 1, request_id: 3 };
            self.socket.send(Command::GetLastMessageId(ask));
            while !self.hear() {}
        }
        while self.queue.is_empty() && self.at < self.end {
            self.hear();
        }
        let rest = self.queue.pop_front()?;
        Some(self.open_message(rest))
    }

    /// Takes in what the broker says next; whether that is where the topic ends.
    fn hear(&mut self) -> bool {
        match self.socket.frame(LONG).expect("the broker goes on") {
            (Command::GetLastMessageIdResponse(last), _) => {
                let MessageIdData { ledger_id, entry_id, .. } = last.last_message_id;
                let is_empty = i64::try_from(entry_id).is_err();
                self.end = (!is_empty).then_some((ledger_id, entry_id));
                true
            }
            (Command::Message(message), rest) => {
                let MessageIdData { ledger_id, entry_id, .. } = message.message_id;
                self.at = Some((ledger_id, entry_id));
                self.queue.push_back(rest);
                false
            }
            (other, _) => panic!("{other:?}"),
        }
    }

    fn open_message(&mut self, rest: Bytes) -> Stored {
        let envelope = open_envelope(rest).expect("a good message");
        let metadata = MessageMetadata::decode(envelope.metadata.clone()).expect("metadata");
        let payload = decompressed(&metadata, &envelope.payload);
        let (mut batch, mut scratch) = (RecordBatch::default(), Vec::new());
        let mut add = |message: Message<'_>| {
            let mut writer = batch.writer();
            message.write_to(&mut writer, &mut scratch).expect("a key");
            writer.finish();
        };
        match metadata.num_messages_in_batch {
            // Its records are for those who have the key.
            _ if metadata.encryption_param.is_some() => {}
            None => add(unbatched(&envelope.metadata, &payload).expect("a message")),
            Some(n_messages) => {
                let mut cursor = BatchCursor::new(n_messages);
                while let Some(message) = cursor.next(&payload, &[]).expect("a message") {
                    add(message);
                }
            }
        }
        self.n_since_flow += u32::try_from(batch.len()).expect("a small batch");
        if self.n_since_flow >= PERMITS / 2 {
            self.flow();
        }
        Stored {
            metadata,
            payload: envelope.payload,
            records: batch.iter().map(Record::to_owned).collect(),
        }
    }
}

/// A connection to the broker that serves a topic.
struct Socket {
    stream: TcpStream,
    read: BytesMut,
}

impl Socket {
    fn open(address: &str, topic: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the broker listens");
        let mut socket = Self { stream, read: BytesMut::new() };
        socket.send(Command::Connect(CommandConnect {
            client_version: "test".to_owned(),
            protocol_version: Some(PROTOCOL_VERSION),
            ..CommandConnect::default()
        }));
        socket.wait_for(|command| matches!(command, Command::Connected(_)));
        // A topic that was unloaded is served again once it is looked up.
        socket.send(Command::Lookup(CommandLookupTopic {
            topic: format!("persistent://{topic}"),
            request_id: 1,
            ..CommandLookupTopic::default()
        }));
        socket.wait_for(|command| matches!(command, Command::LookupResponse(_)));
        socket
    }

    fn send(&mut self, command: Command) {
        self.stream.write_all(&simple(command)).expect("the broker takes it");
    }

    fn wait_for(&mut self, is_it: impl Fn(&Command) -> bool) {
        let (command, _) = self.frame(LONG).expect("the broker answers");
        assert!(is_it(&command), "{command:?}");
    }

    fn frame(&mut self, patience: Duration) -> Option<(Command, Bytes)> {
        let deadline = Instant::now() + patience;
        loop {
            let frame = next_frame(&mut self.read, 64 << 20).expect("a good frame");
            if let Some(frame) = frame {
                match frame.command.expect("a known command") {
                    Command::Ping(_) => self.send(Command::Pong(CommandPong {})),
                    command => return Some((command, frame.rest)),
                }
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1)))).expect("set");
            let mut some = vec![0; 64 << 10];
            match self.stream.read(&mut some) {
                Ok(0) => panic!("the broker closed the connection"),
                Ok(n) => self.read.extend_from_slice(&some[..n]),
                Err(_late) => return None,
            }
        }
    }
}

fn decompressed(metadata: &MessageMetadata, payload: &Bytes) -> Bytes {
    let codec = metadata.compression.unwrap_or(0);
    if codec == 0 || metadata.encryption_param.is_some() {
        return payload.clone();
    }
    let mut plain = Vec::new();
    let n_bytes = metadata.uncompressed_size.expect("what is compressed says how large it was");
    let outcome = Decompressor::new().decompress(codec, payload, n_bytes, 64 << 20, &mut plain);
    assert_eq!(outcome, Ok(()));
    plain.into()
}
