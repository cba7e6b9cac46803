//! What a connection tells a producer, until its sender looks.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::net::Trouble;
use crate::net::connection::ForProducer;
use crate::wire::proto::{CommandSendError, CommandSendReceipt, ServerError};

/// Answers that may lie here: far more than there are batches under way.
const MAX_TOLD: usize = 10_000;

/// What the broker says of a producer.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// The batch that begins with this number is stored, or was dropped as seen before.
    Receipt { first: u64, is_dropped: bool },
    /// The batch that begins with this number is not stored.
    Refused { first: u64, error: ServerError, message: String },
    /// The producer is no more.
    Closed(Trouble),
}

/// The answers to one producer. A producer that is made again has another inbox: what comes late for the old one goes nowhere.
#[derive(Debug)]
pub(super) struct Inbox {
    told: Mutex<Vec<Told>>,
    notify: Arc<Notify>,
}

impl Inbox {
    pub(super) fn new(notify: &Arc<Notify>) -> Arc<Self> {
        Arc::new(Self { told: Mutex::default(), notify: Arc::clone(notify) })
    }

    /// What was told since the last time.
    pub(super) fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, told: Told) {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MAX_TOLD {
            all.push(told);
        } else if all.len() == MAX_TOLD {
            let why = format!("{MAX_TOLD} answers came at once");
            all.push(Told::Closed(Trouble::Protocol { broker: String::new(), why }));
        }
        drop(all);
        self.notify.notify_one();
    }
}

impl ForProducer for Inbox {
    fn receipt(&self, receipt: CommandSendReceipt) {
        let of_nothing = |id: &crate::wire::proto::MessageIdData| {
            id.ledger_id == u64::MAX && id.entry_id == u64::MAX
        };
        let is_dropped = receipt.message_id.as_ref().is_some_and(of_nothing);
        self.put(Told::Receipt { first: receipt.sequence_id, is_dropped });
    }

    fn refused(&self, refusal: CommandSendError) {
        let (first, error) = (refusal.sequence_id, refusal.error());
        self.put(Told::Refused { first, error, message: refusal.message });
    }

    fn closed(&self, why: Trouble) {
        self.put(Told::Closed(why));
    }
}
