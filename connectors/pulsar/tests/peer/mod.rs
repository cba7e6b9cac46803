//! A broker that does as a test says: it speaks the protocol over loopback, and answers what is sent as its script has it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

use bytes::BytesMut;
use prost::Message as _;

use crate::wire::frame::{next_frame, open_envelope, simple};
use crate::wire::proto::{
    Command, CommandConnected, CommandLookupTopicResponse, CommandPartitionedTopicMetadataResponse,
    CommandProducerSuccess, CommandSend, CommandSendError, CommandSendReceipt, CommandSuccess,
    LookupType, MessageIdData, MessageMetadata, MetadataLookupType, ServerError,
};

/// What is answered to a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Stored,
    /// Dropped, as a batch that the broker has.
    Dropped,
    Refused(ServerError),
    /// Nothing at all.
    Silence,
    /// The end of the connection.
    HangUp,
}

impl Answer {
    /// What is sent to the producer of this batch.
    fn to(self, send: &CommandSend) -> Option<Command> {
        let (producer_id, sequence_id) = (send.producer_id, send.sequence_id);
        let receipt = |ledger_id, entry_id| {
            let message_id = MessageIdData { ledger_id, entry_id, ..MessageIdData::default() };
            Command::SendReceipt(CommandSendReceipt {
                producer_id,
                sequence_id,
                message_id: Some(message_id),
                ..CommandSendReceipt::default()
            })
        };
        match self {
            Self::Stored => Some(receipt(1, sequence_id)),
            Self::Dropped => Some(receipt(u64::MAX, u64::MAX)),
            Self::Refused(error) => Some(Command::SendError(CommandSendError {
                producer_id,
                sequence_id,
                error: error.into(),
                message: "as the script has it".to_owned(),
            })),
            Self::Silence | Self::HangUp => None,
        }
    }
}

/// A batch that came: the producer it is of, counted from 0, its first number, and how many records it has.
pub(crate) type Came = (u64, u64, i32);

/// The broker.
pub(crate) struct Peer {
    pub(crate) address: String,
    came: Arc<Mutex<Vec<Came>>>,
}

#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<Vec<Answer>>>,
    came: Arc<Mutex<Vec<Came>>>,
    n_producers: Arc<Mutex<u64>>,
    /// What the broker says that it has of the producer's name.
    last_sequence_id: i64,
}

impl Peer {
    /// Answers batches one after the other as `answers` says, and those that come after them as stored.
    pub(crate) fn start(answers: &[Answer], last_sequence_id: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let mut answers = answers.to_vec();
        answers.reverse();
        let came: Arc<Mutex<Vec<Came>>> = Arc::default();
        let script = Script {
            answers: Arc::new(Mutex::new(answers)),
            came: Arc::clone(&came),
            n_producers: Arc::default(),
            last_sequence_id,
        };
        let own = address.clone();
        spawn(move || {
            for stream in listener.incoming() {
                let (script, own) = (script.clone(), own.clone());
                spawn(move || script.serve(stream.expect("a connection"), &own));
            }
        });
        Self { address, came }
    }

    /// The batches that came, in their order.
    pub(crate) fn came(&self) -> Vec<Came> {
        self.came.lock().expect("nobody panics with it").clone()
    }
}

impl Script {
    /// Serves a connection to its end.
    fn serve(&self, mut stream: TcpStream, own: &str) {
        let (mut read, mut producer) = (BytesMut::new(), 0);
        loop {
            while let Some(frame) = next_frame(&mut read, 8 << 20).expect("a good frame") {
                let answer = match frame.command.expect("a known command") {
                    Command::Send(send) => {
                        let envelope = open_envelope(frame.rest).expect("a good message");
                        let metadata = MessageMetadata::decode(envelope.metadata).expect("good");
                        let n_records = metadata.num_messages_in_batch.unwrap_or(1);
                        let came = (producer, send.sequence_id, n_records);
                        self.came.lock().expect("nobody panics with it").push(came);
                        let next = self.answers.lock().expect("nobody panics with it").pop();
                        match next.unwrap_or(Answer::Stored) {
                            Answer::HangUp => return,
                            answer => answer.to(&send),
                        }
                    }
                    command => self.greet(command, own, &mut producer),
                };
                if answer.is_some_and(|answer| stream.write_all(&simple(answer)).is_err()) {
                    return;
                }
            }
            let mut some = vec![0; 64 << 10];
            match stream.read(&mut some) {
                Ok(0) | Err(_) => return,
                Ok(n) => read.extend_from_slice(&some[..n]),
            }
        }
    }

    /// The answer to whatever comes before a batch.
    fn greet(&self, command: Command, own: &str, producer: &mut u64) -> Option<Command> {
        Some(match command {
            Command::Connect(_) => Command::Connected(CommandConnected {
                server_version: "scripted".to_owned(),
                ..CommandConnected::default()
            }),
            Command::PartitionMetadata(asked) => {
                Command::PartitionMetadataResponse(CommandPartitionedTopicMetadataResponse {
                    partitions: Some(0),
                    request_id: asked.request_id,
                    response: Some(MetadataLookupType::Success.into()),
                    ..CommandPartitionedTopicMetadataResponse::default()
                })
            }
            Command::Lookup(asked) => Command::LookupResponse(CommandLookupTopicResponse {
                broker_service_url: Some(format!("pulsar://{own}")),
                response: Some(LookupType::Connect.into()),
                request_id: asked.request_id,
                ..CommandLookupTopicResponse::default()
            }),
            Command::Producer(asked) => {
                let mut n_producers = self.n_producers.lock().expect("nobody panics with it");
                *producer = *n_producers;
                *n_producers += 1;
                Command::ProducerSuccess(CommandProducerSuccess {
                    request_id: asked.request_id,
                    producer_name: asked.producer_name.unwrap_or_else(|| "scripted-1".to_owned()),
                    last_sequence_id: Some(self.last_sequence_id),
                    ..CommandProducerSuccess::default()
                })
            }
            Command::CloseProducer(asked) => {
                Command::Success(CommandSuccess { request_id: asked.request_id })
            }
            _ => return None,
        })
    }
}
