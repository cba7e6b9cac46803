//! The task that reads frames, and tells whoever they are for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Duration, Instant, timeout};

use super::{Connection, ForConsumer, ForProducer};
use crate::net::Trouble;
use crate::net::connect::auth_response;
use crate::wire::frame::{Frame, next_frame};
use crate::wire::proto::{Command, CommandPing, CommandPong};

/// A connection on which nothing came for so long is asked for a sign of life…
const QUIET: Duration = Duration::from_secs(30);

/// … and given up after so long.
const DEAD: Duration = Duration::from_mins(1);

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 256 << 10;

impl Connection {
    pub(super) async fn read(
        self: Arc<Self>,
        mut stream: impl AsyncRead + Unpin,
        mut read: BytesMut,
    ) {
        let mut last = Instant::now();
        let why = loop {
            if let Err(why) = self.take_frames(&mut read) {
                break why;
            }
            read.reserve(READ_BYTES);
            match timeout(QUIET, stream.read_buf(&mut read)).await {
                Ok(Ok(0)) => break self.disconnected("the broker closed the connection"),
                Ok(Ok(_)) => last = Instant::now(),
                Ok(Err(error)) => break Trouble::io(&self.broker, &error),
                Err(_) if last.elapsed() >= DEAD => {
                    break self.disconnected(format!("no sign of life for {} s", DEAD.as_secs()));
                }
                Err(_) => self.send_if_room(Command::Ping(CommandPing {})),
            }
        };
        self.end(&why);
    }

    fn take_frames(self: &Arc<Self>, read: &mut BytesMut) -> Result<(), Trouble> {
        loop {
            match next_frame(read, self.max_message_bytes) {
                Ok(None) => return Ok(()),
                Ok(Some(Frame { command: None, .. })) => {}
                Ok(Some(Frame { command: Some(command), rest })) => {
                    self.take(command, rest);
                }
                Err(bad) => {
                    let (broker, why) = (self.broker.to_string(), format!("a bad frame: {bad:?}"));
                    return Err(Trouble::Protocol { broker, why });
                }
            }
        }
    }

    fn take(self: &Arc<Self>, command: Command, rest: Bytes) {
        match command {
            Command::Message(message) => {
                if let Some(consumer) = self.consumer(message.consumer_id) {
                    consumer.message(message, rest);
                }
            }
            Command::SendReceipt(receipt) => {
                if let Some(producer) = self.producer(receipt.producer_id) {
                    producer.receipt(receipt);
                }
            }
            Command::SendError(refusal) => {
                if let Some(producer) = self.producer(refusal.producer_id) {
                    producer.refused(refusal);
                }
            }
            Command::Ping(_) => self.send_if_room(Command::Pong(CommandPong {})),
            Command::AckResponse(answer) => {
                if let Some(consumer) = self.consumer(answer.consumer_id) {
                    consumer.acknowledged(answer);
                }
            }
            Command::ActiveConsumerChange(change) => {
                if let Some(consumer) = self.consumer(change.consumer_id) {
                    consumer.active(change.is_active());
                }
            }
            Command::ReachedEndOfTopic(end) => {
                if let Some(consumer) = self.consumer(end.consumer_id) {
                    consumer.end_of_topic();
                }
            }
            Command::CloseConsumer(close) => {
                let consumer = self.lock().consumers.remove(&close.consumer_id);
                if let Some(consumer) = consumer {
                    consumer.closed(self.disconnected("the broker closed the consumer"));
                }
            }
            Command::CloseProducer(close) => {
                let producer = self.lock().producers.remove(&close.producer_id);
                if let Some(producer) = producer {
                    producer.closed(self.disconnected("the broker closed the producer"));
                }
            }
            Command::AuthChallenge(_) if !self.is_challenged.swap(true, Ordering::AcqRel) => {
                // beside: a supplier of tokens may take its time, and messages go on meanwhile
                tokio::spawn(self.until_ended(Arc::clone(self).answer_challenge()));
            }
            answer => self.answer(answer),
        }
    }

    /// The broker does not take our pass any more, and waits for a fresh one. Without one it would hang up soon.
    async fn answer_challenge(self: Arc<Self>) {
        let fresh = self.passes.renewed().await;
        self.is_challenged.store(false, Ordering::Release);
        let answered = match fresh {
            Ok(pass) => self.send(auth_response(pass.as_ref())).await,
            Err(why) => Err(Trouble::NoPass { broker: self.broker.to_string(), why }),
        };
        if let Err(why) = answered {
            self.end(&why);
        }
    }

    /// Answers the request that `answer` is for; nobody waits for it any more where there is none.
    fn answer(&self, answer: Command) {
        let waiting = answer.answers().and_then(|request| self.lock().requests.remove(&request));
        if let Some(waiting) = waiting {
            // whoever asked has given up where this fails
            drop(waiting.send(answer));
        }
    }

    fn consumer(&self, id: u64) -> Option<Arc<dyn ForConsumer>> {
        self.lock().consumers.get(&id).map(Arc::clone)
    }

    fn producer(&self, id: u64) -> Option<Arc<dyn ForProducer>> {
        self.lock().producers.get(&id).map(Arc::clone)
    }
}
