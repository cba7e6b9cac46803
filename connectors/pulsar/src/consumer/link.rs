//! Keeps one consumer subscribed: a task of the I/O runtime, and what the reader's thread tells it.
//!
//! A subscription that is lost is made again, after a wait that grows, wherever the topic is served by then. Invariant: a reader goes on
//! at the last entry that came, never at its first start; acknowledgements without a receipt are sent again on the next subscription,
//! because what they say stays true; closing never unsubscribes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::inbox::{Arrival, Ends, Inbox};
use super::receiver::Receiver;
use super::terms::Terms;
use crate::net::backoff::Backoff;
use crate::net::cluster::Cluster;
use crate::net::{Connection, Trouble};
use crate::position::EntryId;
use crate::topic_name::TopicName;
use crate::wire::proto::{
    AckType, Command, CommandAck, CommandAckResponse, CommandCloseConsumer, CommandFlow,
    CommandGetLastMessageId, CommandRedeliverUnacknowledgedMessages, MessageIdData, ServerError,
};

/// How long the broker may think that a lost subscription of ours is still there, and refuse the next one for that.
const TAKEN_BY_OURSELVES: Duration = Duration::from_mins(1);
/// The same at the start, for the consumer of the run before.
const TAKEN_BY_THE_RUN_BEFORE: Duration = Duration::from_secs(5);

/// Messages that one acknowledgement names at most.
pub(crate) const MAX_ACKS: usize = 1_000;

/// Acknowledgements, as one command has them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ack {
    pub(crate) kind: AckType,
    /// With an `ack_set`: those of the batch that are not acknowledged yet. Without: the whole entry is.
    pub(crate) ids: Vec<MessageIdData>,
}

impl Ack {
    /// What the reader need not remember any more once the broker has said that it has this.
    fn to_arrival(&self) -> Arrival {
        let whole = self.ids.iter().filter(|id| id.ack_set.is_empty()).map(EntryId::of);
        match (self.kind, self.ids.first()) {
            (AckType::Cumulative, Some(id)) => {
                let entry = EntryId::of(id);
                let part = i64::from(!id.ack_set.is_empty());
                Arrival::AcknowledgedUpTo(EntryId { entry: entry.entry - part, ..entry })
            }
            _ => Arrival::Acknowledged(whole.collect()),
        }
    }
}

/// What the reader wants of the task.
#[derive(Debug, Default)]
struct Outbox {
    permits: u32,
    acks: VecDeque<Ack>,
    redeliver: Vec<MessageIdData>,
    asks_ends: bool,
    is_closing: bool,
}

#[derive(Debug)]
struct State {
    outbox: Outbox,
    /// Acknowledgements that wait for their receipts, by the number of the request.
    in_flight: HashMap<u64, Ack>,
    /// Acknowledgements that the broker has refused: sent again with the next subscription.
    refused: Vec<Ack>,
    /// The last entry that came; before one did, where reading starts.
    received: EntryId,
}

/// What the task and the connection's task share with the reader.
#[derive(Debug)]
pub(super) struct Shared {
    consumer: usize,
    inbox: Arc<Inbox>,
    state: Mutex<State>,
    wake: Notify,
}

impl Shared {
    pub(super) fn put(&self, arrival: Arrival) {
        self.inbox.put(self.consumer, arrival);
    }

    pub(super) fn received(&self, id: EntryId) {
        self.lock().received = id;
    }

    pub(super) fn acknowledged(&self, answer: &CommandAckResponse) {
        let mut state = self.lock();
        let Some(ack) = state.in_flight.remove(&answer.request_id()) else { return };
        if answer.error.is_some() {
            tracing::warn!(why = answer.message(), "the broker refused acknowledgements");
            state.refused.push(ack);
        } else {
            self.put(ack.to_arrival());
        }
        drop(state);
        self.wake.notify_one();
    }

    pub(super) fn active(&self, is_active: bool) {
        tracing::debug!(consumer = self.consumer, is_active, "the active consumer has changed");
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is subscribed to, and how.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) topic: TopicName,
    pub(crate) index: u32,
    pub(crate) terms: Arc<Terms>,
    /// Where a reader starts, that entry included.
    pub(crate) start: EntryId,
    /// Whether the broker is asked where the topic ends, each time that it is subscribed to.
    pub(crate) asks_ends: bool,
}

/// A consumer, as the reader's thread has it.
#[derive(Debug)]
pub(crate) struct Link {
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Link {
    /// Subscribes, and keeps subscribed; what comes is put into `inbox` under the number `consumer`.
    pub(crate) fn start(
        runtime: &Handle,
        cluster: &Arc<Cluster>,
        (inbox, consumer): (&Arc<Inbox>, usize),
        wanted: Wanted,
    ) -> Self {
        let state = State {
            outbox: Outbox::default(),
            in_flight: HashMap::new(),
            refused: Vec::new(),
            received: wanted.start,
        };
        let shared = Arc::new(Shared {
            consumer,
            inbox: Arc::clone(inbox),
            state: Mutex::new(state),
            wake: Notify::new(),
        });
        let keeper = Keeper {
            shared: Arc::clone(&shared),
            cluster: Arc::clone(cluster),
            wanted,
            name: None,
        };
        let task = runtime.spawn(keeper.run()).abort_handle();
        Self { shared, task }
    }

    /// Lets the broker send so many messages more.
    pub(crate) fn permit(&self, n_messages: u32) {
        self.tell(|outbox| outbox.permits = outbox.permits.saturating_add(n_messages));
    }

    /// Acknowledges; the receipt comes as an arrival.
    pub(crate) fn acknowledge(&self, ack: Ack) {
        self.tell(|outbox| outbox.acks.push_back(ack));
    }

    /// Asks for entries again, which are not acknowledged.
    pub(crate) fn redeliver(&self, ids: impl IntoIterator<Item = MessageIdData>) {
        self.tell(|outbox| outbox.redeliver.extend(ids));
    }

    /// Asks where the topic ends; the answer comes as an arrival.
    pub(crate) fn ask_ends(&self) {
        self.tell(|outbox| outbox.asks_ends = true);
    }

    /// Closes once every acknowledgement has its receipt; told as an arrival.
    pub(crate) fn close(&self) {
        self.tell(|outbox| outbox.is_closing = true);
    }

    /// Whether acknowledgements have no receipt yet.
    pub(crate) fn has_unconfirmed(&self) -> bool {
        let state = self.shared.lock();
        !(state.outbox.acks.is_empty() && state.in_flight.is_empty() && state.refused.is_empty())
    }

    fn tell(&self, what: impl FnOnce(&mut Outbox)) {
        what(&mut self.shared.lock().outbox);
        self.shared.wake.notify_one();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A subscription that was made.
struct Subscribed {
    connection: Arc<Connection>,
    consumer_id: u64,
    receiver: Arc<Receiver>,
}

/// Why a subscription ended.
enum Ended {
    Closed,
    Lost(Trouble),
}

/// The task.
struct Keeper {
    shared: Arc<Shared>,
    cluster: Arc<Cluster>,
    wanted: Wanted,
    /// The topic's whole name, with the partition where it has some.
    name: Option<TopicName>,
}

impl Keeper {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        // At the start it may be that of the run before.
        let mut lost_at = Instant::now();
        let mut patience = TAKEN_BY_THE_RUN_BEFORE;
        loop {
            let trouble = match self.subscribe().await {
                Ok(subscribed) => {
                    backoff.reset();
                    match self.serve(&subscribed).await {
                        Ended::Closed => break,
                        Ended::Lost(why) => {
                            subscribed.connection.remove_consumer(subscribed.consumer_id);
                            (lost_at, patience) = (Instant::now(), TAKEN_BY_OURSELVES);
                            why
                        }
                    }
                }
                Err(why) if why.may_pass() || is_taken(&why) && lost_at.elapsed() < patience => why,
                Err(why) => {
                    self.shared.put(Arrival::Failed(why));
                    self.wait_for_close(Duration::MAX).await;
                    break;
                }
            };
            let wait = backoff.next();
            let topic = self.wanted.topic.as_str();
            tracing::warn!(topic, ?trouble, ?wait, "the subscription is lost, and made again");
            if self.wait_for_close(wait).await {
                break;
            }
        }
        self.shared.put(Arrival::Closed);
    }

    /// Whether closing was asked for within `limit`.
    async fn wait_for_close(&self, limit: Duration) -> bool {
        let closing = async {
            while !self.shared.lock().outbox.is_closing {
                self.shared.wake.notified().await;
            }
        };
        tokio::time::timeout(limit, closing).await.is_ok()
    }

    async fn subscribe(&mut self) -> Result<Subscribed, Trouble> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => self.name.insert(whole_name(&self.cluster, &self.wanted).await?).clone(),
        };
        let connection = self.cluster.broker_of(name.as_str()).await?;
        let consumer_id = connection.next_id();
        let receiver = Receiver::new(&self.shared, &connection);
        let start = self.shared.lock().received;
        connection.add_consumer(consumer_id, Arc::clone(&receiver) as _)?;
        let subscribed = Subscribed { connection, consumer_id, receiver };
        let opened = self.open(&subscribed, &name, start).await;
        match opened {
            Ok(ends) => {
                self.send_again();
                self.shared.put(Arrival::Opened(ends));
                Ok(subscribed)
            }
            Err(why) => {
                subscribed.connection.remove_consumer(consumer_id);
                Err(why)
            }
        }
    }

    async fn open(
        &self,
        to: &Subscribed,
        name: &TopicName,
        start: EntryId,
    ) -> Result<Option<Ends>, Trouble> {
        let terms = &self.wanted.terms;
        let subscribed =
            to.connection.ask("a subscription", self.cluster.timeout(), |request_id| {
                let ids = (to.consumer_id, request_id);
                Command::Subscribe(terms.subscribe(name.as_str(), start, ids))
            });
        subscribed.await?;
        if !self.wanted.asks_ends {
            return Ok(None);
        }
        ends_of(&to.connection, to.consumer_id, self.cluster.timeout()).await.map(Some)
    }

    /// What has no receipt goes out again. Permits asked for before are of no use: the reader gives new ones when it has seen what came
    /// before.
    fn send_again(&self) {
        let mut state = self.shared.lock();
        state.outbox.permits = 0;
        let mut again: Vec<_> = state.in_flight.drain().collect();
        again.sort_unstable_by_key(|(request_id, _)| *request_id);
        let refused = std::mem::take(&mut state.refused);
        for ack in again.into_iter().map(|(_, ack)| ack).chain(refused).rev() {
            state.outbox.acks.push_front(ack);
        }
    }

    async fn serve(&self, on: &Subscribed) -> Ended {
        loop {
            match self.work(on).await {
                Ok(false) => {}
                Ok(true) => return Ended::Closed,
                Err(why) => return Ended::Lost(why),
            }
            tokio::select! {
                () = self.shared.wake.notified() => {}
                () = on.receiver.ended.notified() => {
                    let unknown = || Trouble::Disconnected {
                        broker: on.connection.broker().to_owned(),
                        why: "the consumer was closed".to_owned(),
                    };
                    return Ended::Lost(on.receiver.why_ended().unwrap_or_else(unknown));
                }
            }
        }
    }

    /// Does what the reader wants; true once it is closed.
    async fn work(&self, on: &Subscribed) -> Result<bool, Trouble> {
        let consumer_id = on.consumer_id;
        let (outbox, is_closing) = {
            let mut state = self.shared.lock();
            let is_closing = state.outbox.is_closing;
            // those that are not sent yet stay, should the connection end meanwhile
            let acks = std::mem::take(&mut state.outbox.acks);
            let fresh = Outbox { acks, is_closing, ..Outbox::default() };
            (std::mem::replace(&mut state.outbox, fresh), is_closing)
        };
        if outbox.permits > 0 {
            on.receiver.permit(outbox.permits);
            let flow = CommandFlow { consumer_id, message_permits: outbox.permits };
            on.connection.send(Command::Flow(flow)).await?;
        }
        while let Some(ack) = self.next_ack() {
            self.send_ack(on, ack).await?;
        }
        if !outbox.redeliver.is_empty() {
            let again = CommandRedeliverUnacknowledgedMessages {
                consumer_id,
                message_ids: outbox.redeliver,
                ..CommandRedeliverUnacknowledgedMessages::default()
            };
            on.connection.send(Command::RedeliverUnacknowledged(again)).await?;
        }
        if outbox.asks_ends {
            let ends = ends_of(&on.connection, consumer_id, self.cluster.timeout()).await?;
            self.shared.put(Arrival::Ends(ends));
        }
        if is_closing && self.shared.lock().in_flight.is_empty() {
            close(&on.connection, consumer_id, self.cluster.timeout()).await;
            return Ok(true);
        }
        Ok(false)
    }

    fn next_ack(&self) -> Option<Ack> {
        self.shared.lock().outbox.acks.pop_front()
    }

    async fn send_ack(&self, on: &Subscribed, ack: Ack) -> Result<(), Trouble> {
        let request_id = on.connection.next_id();
        let command = CommandAck {
            consumer_id: on.consumer_id,
            ack_type: ack.kind.into(),
            message_id: ack.ids.clone(),
            request_id: Some(request_id),
            ..CommandAck::default()
        };
        // before it is sent: the receipt may be faster than we are
        self.shared.lock().in_flight.insert(request_id, ack);
        on.connection.send(Command::Ack(command)).await
    }
}

/// After a loss the broker may think for a while that our old consumer is still there.
fn is_taken(why: &Trouble) -> bool {
    matches!(why, Trouble::Refused { error: ServerError::ConsumerBusy, .. })
}

/// The topic, or its partition where it has some.
pub(super) async fn whole_name(cluster: &Cluster, wanted: &Wanted) -> Result<TopicName, Trouble> {
    let Wanted { topic, index, .. } = wanted;
    let n_partitions = cluster.n_partitions(topic.as_str()).await?;
    Ok(if n_partitions == 0 { topic.clone() } else { topic.at_partition(*index) })
}

/// Asks where a topic ends.
pub(super) async fn ends_of(
    connection: &Connection,
    consumer_id: u64,
    limit: Duration,
) -> Result<Ends, Trouble> {
    let asked = connection.ask("the end of a topic", limit, |request_id| {
        Command::GetLastMessageId(CommandGetLastMessageId { consumer_id, request_id })
    });
    match asked.await? {
        Command::GetLastMessageIdResponse(answer) => Ok(Ends {
            last: EntryId::of(&answer.last_message_id),
            mark: answer.consumer_mark_delete_position.as_ref().map(EntryId::of),
        }),
        _ => Err(Trouble::Protocol {
            broker: connection.broker().to_owned(),
            why: "the answer to a question for the end of a topic is of another kind".to_owned(),
        }),
    }
}

/// Lets go of a consumer; its subscription stays. A broker that is away has let go of it by itself.
pub(super) async fn close(connection: &Connection, consumer_id: u64, limit: Duration) {
    let closed = connection.ask("the end of a consumer", limit, |request_id| {
        Command::CloseConsumer(CommandCloseConsumer { consumer_id, request_id })
    });
    if let Err(trouble) = closed.await {
        tracing::debug!(?trouble, "the broker did not say that a consumer is closed");
    }
    connection.remove_consumer(consumer_id);
}
