//! Short subscriptions that no message is asked of: where a topic begins and ends, where a time stands in it, and that a subscription
//! exists before reading starts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::inbox::Ends;
use super::link::{Wanted, close, ends_of, whole_name};
use crate::net::cluster::Cluster;
use crate::net::connection::ForConsumer;
use crate::net::{Connection, Trouble};
use crate::position::{EntryId, Position};
use crate::wire::proto::{Command, CommandAckResponse, CommandMessage, CommandSeek};

/// What the broker has of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Everything up to here is gone.
    pub(crate) low: EntryId,
    /// The last entry; not behind `low` where there is none.
    pub(crate) last: EntryId,
    /// The entry before the first that was published at the time that was asked for, or later.
    before_time: EntryId,
}

impl Bounds {
    /// The position of a reader that starts at the end. An empty topic has no entry to name: whatever comes is read.
    pub(crate) fn end(&self) -> Position {
        self.place(self.last)
    }

    /// The position of a reader that starts at the time that was asked for.
    pub(crate) fn at_time(&self) -> Position {
        self.place(self.before_time)
    }

    fn place(&self, entry: EntryId) -> Position {
        if entry.entry < 0 || entry <= self.low { Position::START } else { Position::behind(entry) }
    }
}

/// Listens for nothing but the end.
#[derive(Default)]
struct Silent {
    end: Mutex<Option<Trouble>>,
    ended: Notify,
}

impl ForConsumer for Silent {
    fn message(&self, _command: CommandMessage, _rest: Bytes) {}

    fn acknowledged(&self, _answer: CommandAckResponse) {}

    fn active(&self, _is_active: bool) {}

    fn end_of_topic(&self) {}

    fn closed(&self, why: Trouble) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        self.ended.notify_one();
    }
}

/// A subscription for a moment.
struct Moment {
    connection: Arc<Connection>,
    consumer_id: u64,
    silent: Arc<Silent>,
    limit: Duration,
}

impl Moment {
    async fn open(cluster: &Cluster, wanted: &Wanted) -> Result<Self, Trouble> {
        let name = whole_name(cluster, wanted).await?;
        let connection = cluster.broker_of(name.as_str()).await?;
        let (consumer_id, silent, limit) =
            (connection.next_id(), Arc::<Silent>::default(), cluster.timeout());
        connection.add_consumer(consumer_id, Arc::clone(&silent) as _)?;
        let subscribed = connection.ask("a subscription", limit, |request_id| {
            let ids = (consumer_id, request_id);
            Command::Subscribe(wanted.terms.subscribe(name.as_str(), wanted.start, ids))
        });
        if let Err(why) = subscribed.await {
            connection.remove_consumer(consumer_id);
            return Err(why);
        }
        Ok(Self { connection, consumer_id, silent, limit })
    }

    /// Moves the subscription to the first message that was published at this time or later; the broker closes the consumer for that.
    async fn seek(self, millis: u64) -> Result<(), Trouble> {
        let moved = self.connection.ask("a time in a topic", self.limit, |request_id| {
            Command::Seek(CommandSeek {
                consumer_id: self.consumer_id,
                request_id,
                message_publish_time: Some(millis),
                ..CommandSeek::default()
            })
        });
        moved.await?;
        let closed = tokio::time::timeout(self.limit, self.silent.ended.notified()).await;
        closed.map_err(|_elapsed| Trouble::Silent {
            broker: self.connection.broker().to_owned(),
            what: "the end of a consumer that was moved",
        })
    }

    async fn close(self) {
        close(&self.connection, self.consumer_id, self.limit).await;
    }
}

/// What the broker has of a topic, and where a time stands in it; `wanted` is a reader from the start.
pub(crate) async fn probe(
    cluster: &Cluster,
    wanted: &Wanted,
    time: Option<u64>,
) -> Result<Bounds, Trouble> {
    let ends = ends_for_a_moment(cluster, wanted).await?;
    let low = ends.mark.unwrap_or(EntryId::START);
    let mut bounds = Bounds { low, last: ends.last, before_time: ends.last };
    if let Some(millis) = time {
        Moment::open(cluster, wanted).await?.seek(millis).await?;
        // the same subscription again, which stands where it was moved to
        let moved = ends_for_a_moment(cluster, wanted).await?;
        bounds.before_time = moved.mark.unwrap_or(EntryId::START);
    }
    Ok(bounds)
}

async fn ends_for_a_moment(cluster: &Cluster, wanted: &Wanted) -> Result<Ends, Trouble> {
    let moment = Moment::open(cluster, wanted).await?;
    let ends = ends_of(&moment.connection, moment.consumer_id, moment.limit).await;
    moment.close().await;
    ends
}

/// Makes a subscription exist, where it is to begin; one that exists stays where it is.
pub(crate) async fn subscribe_once(cluster: &Cluster, wanted: &Wanted) -> Result<(), Trouble> {
    Moment::open(cluster, wanted).await?.close().await;
    Ok(())
}
