//! One connection to a broker, shared by the consumers and producers whose topics it serves.
//!
//! A task reads frames and tells whoever they are for; another writes. Invariant: whoever registered is told once when the
//! connection has ended, and every request is answered, refused or told of the end.

mod reading;
mod writing;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::Trouble;
use crate::auth::Passes;
use crate::wire::frame::simple;
use crate::wire::proto::{
    Command, CommandAckResponse, CommandMessage, CommandSendError, CommandSendReceipt, ServerError,
};

/// Frames that wait to be written, of each of the two kinds.
const MAX_WAITING: usize = 1_000;

/// What a consumer is told. Called on the connection's own task: must return at once.
pub(crate) trait ForConsumer: Send + Sync {
    /// A message: `rest` is what follows the command.
    fn message(&self, command: CommandMessage, rest: Bytes);

    /// Acknowledgements that asked for a receipt got it, or were refused.
    fn acknowledged(&self, answer: CommandAckResponse);

    /// It became the active consumer of its subscription, or is no more.
    fn active(&self, is_active: bool);

    /// The topic was terminated: nothing comes after what has come.
    fn end_of_topic(&self);

    /// The broker closed it, or the connection ended: it must be made again.
    fn closed(&self, why: Trouble);
}

/// What a producer is told. Called on the connection's own task: must return at once.
pub(crate) trait ForProducer: Send + Sync {
    /// A batch was stored, or dropped as seen before.
    fn receipt(&self, receipt: CommandSendReceipt);

    /// A batch was refused.
    fn refused(&self, refusal: CommandSendError);

    /// The broker closed it, or the connection ended: it must be made again.
    fn closed(&self, why: Trouble);
}

/// What waits to be written: one frame, in one or two pieces.
#[derive(Debug)]
pub(crate) struct Outgoing {
    head: Bytes,
    payload: Bytes,
}

/// A connection that is set up and logged in.
pub(crate) struct Connection {
    broker: Arc<str>,
    max_message_bytes: usize,
    passes: Arc<Passes>,
    /// A fresh pass is being made: one at a time, however often the broker asks.
    is_challenged: AtomicBool,
    /// Commands: acknowledgements and permits must not wait behind messages.
    commands: mpsc::Sender<Outgoing>,
    messages: mpsc::Sender<Outgoing>,
    state: Mutex<State>,
    has_ended: watch::Sender<bool>,
    next_id: AtomicU64,
}

#[derive(Default)]
struct State {
    requests: HashMap<u64, oneshot::Sender<Command>>,
    consumers: HashMap<u64, Arc<dyn ForConsumer>>,
    producers: HashMap<u64, Arc<dyn ForProducer>>,
    /// Why it ended.
    end: Option<Trouble>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("broker", &self.broker).finish_non_exhaustive()
    }
}

impl Connection {
    /// Starts the tasks of a connection that is logged in by `passes`; `read` is what came behind the answer to the login.
    pub(super) fn start(
        broker: &str,
        (reading, writing): (
            impl AsyncRead + Unpin + Send + 'static,
            impl AsyncWrite + Unpin + Send + 'static,
        ),
        read: BytesMut,
        (max_message_bytes, passes): (usize, Arc<Passes>),
    ) -> Arc<Self> {
        let (commands, command_queue) = mpsc::channel(MAX_WAITING);
        let (messages, message_queue) = mpsc::channel(MAX_WAITING);
        let connection = Arc::new(Self {
            broker: broker.into(),
            max_message_bytes,
            passes,
            is_challenged: AtomicBool::new(false),
            commands,
            messages,
            state: Mutex::default(),
            has_ended: watch::Sender::new(false),
            next_id: AtomicU64::new(1),
        });
        let reader = Arc::clone(&connection).read(reading, read);
        tokio::spawn(connection.until_ended(reader));
        let writer = Arc::clone(&connection).write(writing, command_queue, message_queue);
        tokio::spawn(connection.until_ended(writer));
        connection
    }

    /// Drops the task when the connection has ended, and with it its half of the socket, and the ends of the queues: whoever waits
    /// for room there is told.
    fn until_ended<T: Future<Output = ()>>(&self, task: T) -> impl Future<Output = ()> + use<T> {
        let mut ended = self.has_ended.subscribe();
        async move {
            tokio::select! {
                () = task => {}
                _ = ended.wait_for(|ended| *ended) => {}
            }
        }
    }

    /// The broker's address.
    pub(crate) fn broker(&self) -> &str {
        &self.broker
    }

    /// Bytes that a message may have, with its metadata.
    pub(crate) fn max_message_bytes(&self) -> usize {
        self.max_message_bytes
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        *self.has_ended.borrow()
    }

    /// A number that nothing else on this connection has: of a request, a consumer or a producer.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, and waits for the answer at most `limit`. A refusal is an error.
    pub(crate) async fn ask(
        &self,
        what: &'static str,
        limit: Duration,
        command: impl FnOnce(u64) -> Command,
    ) -> Result<Command, Trouble> {
        let request_id = self.next_id();
        let (waiting, answered) = oneshot::channel();
        {
            let mut state = self.lock();
            if let Some(end) = &state.end {
                return Err(end.clone());
            }
            state.requests.insert(request_id, waiting);
        }
        let asked = async {
            self.send(command(request_id)).await?;
            answered.await.ok().ok_or_else(|| self.why_ended())
        };
        let outcome = timeout(limit, asked).await;
        self.lock().requests.remove(&request_id);
        match outcome {
            Err(_) => Err(Trouble::Silent { broker: self.broker.to_string(), what }),
            Ok(Ok(Command::Error(refusal))) => Err(self.refused(refusal.error(), &refusal.message)),
            Ok(answer) => answer,
        }
    }

    /// Hands over a command that has no answer; waits while too many wait to be written.
    pub(crate) async fn send(&self, command: Command) -> Result<(), Trouble> {
        let outgoing = Outgoing { head: simple(command), payload: Bytes::new() };
        self.commands.send(outgoing).await.ok().ok_or_else(|| self.why_ended())
    }

    /// Hands over a sign of life. Where too many commands wait already, one more would change nothing.
    fn send_if_room(&self, command: Command) {
        let outgoing = Outgoing { head: simple(command), payload: Bytes::new() };
        drop(self.commands.try_send(outgoing));
    }

    /// Hands over a message: what [`message_head`](crate::wire::frame::message_head) has made, and the payload.
    pub(crate) async fn send_message(&self, head: Bytes, payload: Bytes) -> Result<(), Trouble> {
        let outgoing = Outgoing { head, payload };
        self.messages.send(outgoing).await.ok().ok_or_else(|| self.why_ended())
    }

    /// From here on `consumer` is told what comes for the consumer of this number.
    pub(crate) fn add_consumer(
        &self,
        id: u64,
        consumer: Arc<dyn ForConsumer>,
    ) -> Result<(), Trouble> {
        let mut state = self.lock();
        if let Some(end) = &state.end {
            return Err(end.clone());
        }
        state.consumers.insert(id, consumer);
        Ok(())
    }

    /// Nobody is told any more what comes for the consumer of this number.
    pub(crate) fn remove_consumer(&self, id: u64) {
        self.lock().consumers.remove(&id);
    }

    /// From here on `producer` is told what comes for the producer of this number.
    pub(crate) fn add_producer(
        &self,
        id: u64,
        producer: Arc<dyn ForProducer>,
    ) -> Result<(), Trouble> {
        let mut state = self.lock();
        if let Some(end) = &state.end {
            return Err(end.clone());
        }
        state.producers.insert(id, producer);
        Ok(())
    }

    /// Nobody is told any more what comes for the producer of this number.
    pub(crate) fn remove_producer(&self, id: u64) {
        self.lock().producers.remove(&id);
    }

    /// Ends the connection; everyone on it is told.
    pub(crate) fn end(&self, why: &Trouble) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        state.end = Some(why.clone());
        self.has_ended.send_replace(true);
        let (consumers, producers) =
            (std::mem::take(&mut state.consumers), std::mem::take(&mut state.producers));
        state.requests.clear();
        drop(state);
        for consumer in consumers.into_values() {
            consumer.closed(why.clone());
        }
        for producer in producers.into_values() {
            producer.closed(why.clone());
        }
    }

    /// A refusal; who it was that lacks a permission is said too.
    pub(crate) fn refused(&self, error: ServerError, message: &str) -> Trouble {
        match error {
            ServerError::AuthorizationError => {
                Trouble::refused(error, &format!("{message} ({})", self.passes.user()))
            }
            _ => Trouble::refused(error, message),
        }
    }

    fn why_ended(&self) -> Trouble {
        let end = self.lock().end.clone();
        end.unwrap_or_else(|| self.disconnected("it was closed"))
    }

    fn disconnected(&self, why: impl Into<String>) -> Trouble {
        Trouble::Disconnected { broker: self.broker.to_string(), why: why.into() }
    }
}
