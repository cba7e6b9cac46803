//! What the connection tells one subscription of a consumer: put into the inbox of its reader.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::Notify;

use super::inbox::{Arrival, Delivered};
use super::link::Shared;
use crate::net::connection::ForConsumer;
use crate::net::{Connection, Trouble};
use crate::position::EntryId;
use crate::wire::proto::{CommandAckResponse, CommandMessage};

/// One subscription of a consumer on one connection; after a loss there is another one.
pub(super) struct Receiver {
    shared: Arc<Shared>,
    connection: Weak<Connection>,
    /// Messages that the broker may send, and entries that it has sent: an entry is at least one message.
    n_permitted: AtomicU64,
    n_entries: AtomicU64,
    /// Why it ended.
    end: Mutex<Option<Trouble>>,
    pub(super) ended: Notify,
}

impl Receiver {
    pub(super) fn new(shared: &Arc<Shared>, connection: &Arc<Connection>) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::clone(shared),
            connection: Arc::downgrade(connection),
            n_permitted: AtomicU64::new(0),
            n_entries: AtomicU64::new(0),
            end: Mutex::default(),
            ended: Notify::new(),
        })
    }

    /// From here on the broker may send so many messages more.
    pub(super) fn permit(&self, n_messages: u32) {
        self.n_permitted.fetch_add(u64::from(n_messages), Ordering::Relaxed);
    }

    /// Why it ended, if it did.
    pub(super) fn why_ended(&self) -> Option<Trouble> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A broker that sends more than it may would fill our memory.
    fn cut_off(&self) {
        let Some(connection) = self.connection.upgrade() else { return };
        let why = "it sends more messages than it was asked for".to_owned();
        connection.end(&Trouble::Disconnected { broker: connection.broker().to_owned(), why });
    }
}

impl ForConsumer for Receiver {
    fn message(&self, command: CommandMessage, rest: Bytes) {
        let n_entries = self.n_entries.fetch_add(1, Ordering::Relaxed) + 1;
        if n_entries > self.n_permitted.load(Ordering::Relaxed) {
            return self.cut_off();
        }
        let id = EntryId::of(&command.message_id);
        self.shared.received(id);
        self.shared.put(Arrival::Delivered(Delivered {
            id,
            redelivery_count: command.redelivery_count(),
            ack_set: command.ack_set,
            frame: rest,
        }));
    }

    fn acknowledged(&self, answer: CommandAckResponse) {
        self.shared.acknowledged(&answer);
    }

    fn active(&self, is_active: bool) {
        self.shared.active(is_active);
    }

    fn end_of_topic(&self) {
        self.shared.put(Arrival::Terminated);
    }

    fn closed(&self, why: Trouble) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        self.ended.notify_one();
    }
}
