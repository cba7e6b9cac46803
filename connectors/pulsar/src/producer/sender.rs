//! The task of one topic: keeps a producer at its broker, sends what is put down, and says what became of it.
//!
//! It sleeps until somebody wakes it: the worker for batches, the connection for answers, the clock for what is late. Invariant: a
//! batch is told of once, as delivered or as given up; after a batch was given up that the broker may have, the producer is another
//! one.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};

use super::Shared;
use super::batch::Batch;
use super::inbox::{Inbox, Told};
use super::lane::{Heard, Lane, UnderWay};
use super::making::{Made, Wish, make};
use super::reason::Reason;
use super::sealing::{Sealed, seal};
use super::settings::Settings;
use super::tray::{Found, GivenUp, LaneId, Place};
use super::verdict::{Verdict, judge, judge_making};
use crate::encryption::encryptor::Encryptor;
use crate::net::Trouble;
use crate::net::backoff::Backoff;
use crate::net::cluster::Cluster;
use crate::wire::frame::message_head;
use crate::wire::proto::{Command, CommandSend, MessageMetadata};

/// A sleep without anything that would end it.
const LONG: Duration = Duration::from_mins(1);

/// Why a producer is made again that the broker has let go on from where another one was.
const FOREIGN: &str = "another producer of the same name has written";

/// What a sender is made of.
pub(super) struct Parts {
    pub(super) shared: Arc<Shared>,
    pub(super) cluster: Arc<Cluster>,
    pub(super) settings: Arc<Settings>,
    /// How many producers may be made at once.
    pub(super) making: Arc<Semaphore>,
    pub(super) id: LaneId,
    pub(super) place: Place,
    /// The whole name of the topic or partition.
    pub(super) topic: Arc<str>,
}

type Making = Pin<Box<dyn Future<Output = Result<Made, Trouble>> + Send>>;

/// The way to the broker.
enum Link {
    /// None; another try not before then.
    Down {
        not_before: Instant,
    },
    Making(Making),
    Up(Made),
}

/// The task of one topic.
pub(super) struct Sender {
    parts: Parts,
    notify: Arc<Notify>,
    lane: Lane,
    link: Link,
    backoff: Backoff,
    /// The name of the producer, once it has one.
    name: Option<String>,
    schema_version: Option<Vec<u8>>,
    /// None where nothing is encrypted.
    encryptor: Option<Encryptor>,
    n_made: u64,
    /// Tries since the first, as long as there was no producer yet.
    n_tries: u32,
    /// What went wrong last, for those that time out meanwhile.
    trouble: Option<Trouble>,
    /// When there was something to do last.
    busy: Instant,
    delivered: Vec<Batch>,
    given_up: Vec<GivenUp>,
}

impl Sender {
    pub(super) fn new(parts: Parts, encryptor: Option<Encryptor>) -> Self {
        Self {
            name: parts.settings.producer_name.clone(),
            parts,
            notify: Arc::default(),
            lane: Lane::default(),
            link: Link::Down { not_before: Instant::now() },
            backoff: super::backoff(),
            schema_version: None,
            encryptor,
            n_made: 0,
            n_tries: 0,
            trouble: None,
            busy: Instant::now(),
            delivered: Vec::new(),
            given_up: Vec::new(),
        }
    }

    /// Runs until the lane is closed and everything on it has arrived, or the writer is gone.
    pub(super) async fn run(mut self) {
        let mut end =
            End { parts: Some((Arc::clone(&self.parts.shared), self.parts.place.clone())) };
        loop {
            self.hear();
            let now = Instant::now();
            let found = self.take(now);
            let is_done = found.is_closing && found.due.is_none() && self.lane.is_empty();
            if found.is_closed || (is_done && found.oldest.is_none()) {
                break;
            }
            self.give_up_late(now, &found);
            self.report();
            self.keep_linked(now, found.oldest.is_some());
            self.wait(now, &found).await;
        }
        self.report();
        self.parts.shared.lock().end_lane(self.parts.id);
        end.parts = None;
        match self.link {
            Link::Up(made) => made.close().await,
            // It is there by the time that it is told of, and would stay.
            Link::Making(making) => {
                if let Ok(made) = making.await {
                    made.close().await;
                }
            }
            Link::Down { .. } => {}
        }
    }

    /// Takes in what the broker has said.
    fn hear(&mut self) {
        let Link::Up(made) = &self.link else { return };
        for told in made.inbox.take() {
            match told {
                Told::Receipt { first, is_dropped } => {
                    let heard = self.lane.receipt(first, is_dropped);
                    self.settle(heard, || Reason::Dropped);
                }
                Told::Refused { first, error, message } => {
                    let trouble = Trouble::refused(error, &message);
                    match judge(error) {
                        Verdict::Again => self.unlink(trouble),
                        Verdict::GiveUp => {
                            let heard = self.lane.refused(first);
                            self.settle(heard, || Reason::Refused(trouble));
                        }
                        Verdict::GiveUpAll => {
                            self.give_up_all(&Reason::Refused(trouble.clone()));
                            self.unlink(trouble);
                        }
                        Verdict::Fail => self.fail(trouble),
                    }
                }
                Told::Closed(trouble) => self.unlink(trouble),
            }
            if !matches!(self.link, Link::Up(_)) {
                // What else was said is said of a producer that is no more.
                return;
            }
        }
    }

    fn settle(&mut self, heard: Heard, reason: impl FnOnce() -> Reason) {
        match heard {
            Heard::Stored(batch) => {
                self.backoff.reset();
                self.delivered.push(batch);
            }
            Heard::Dropped(under_way) | Heard::Refused(under_way) => {
                self.give_up(under_way.sealed.batch, reason(), under_way.n_sent);
            }
            Heard::Late => {}
            Heard::OutOfOrder => {
                let why = "a receipt came for a batch while another one was due".to_owned();
                self.unlink(Trouble::Protocol { broker: self.broker(), why });
            }
        }
    }

    fn broker(&self) -> String {
        match &self.link {
            Link::Up(made) => made.connection.broker().to_owned(),
            _ => String::new(),
        }
    }

    fn give_up(&mut self, batch: Batch, reason: Reason, attempts: u32) {
        let place = self.parts.place.clone();
        self.given_up.push(GivenUp { place, batch, reason, attempts });
    }

    /// Gives up on everything that waits or is under way.
    fn give_up_all(&mut self, reason: &Reason) {
        for under_way in self.lane.take_all() {
            self.give_up(under_way.sealed.batch, reason.clone(), under_way.n_sent);
        }
        let waiting = self.parts.shared.lock().take_all(self.parts.id);
        for batch in waiting {
            self.give_up(batch, reason.clone(), 0);
        }
    }

    /// Gives up on the whole sink: no try will ever help.
    fn fail(&mut self, trouble: Trouble) {
        let reason = Reason::Refused(trouble.clone());
        self.give_up_all(&reason);
        let place = self.parts.place.clone();
        self.parts.shared.lock().failure.get_or_insert((place, reason));
        self.parts.shared.wake.wake();
        self.unlink(trouble);
    }

    /// Lets go of the producer; the next one is made after a while. What it had not confirmed is sent to that one.
    fn unlink(&mut self, trouble: Trouble) {
        tracing::debug!(topic = %self.parts.topic, ?trouble, "a producer is to be made again");
        self.trouble = Some(trouble);
        self.lane.stop();
        let not_before = Instant::now() + self.backoff.next();
        if let Link::Up(made) = std::mem::replace(&mut self.link, Link::Down { not_before }) {
            self.link = Link::Making(self.making(Some(made), not_before));
        }
    }

    /// Takes batches and gives them their numbers, as far as there is a producer for them and room.
    fn take(&mut self, now: Instant) -> Found {
        let room = match &self.link {
            Link::Up(_) => self.parts.settings.max_under_way.saturating_sub(self.lane.len()),
            _ => 0,
        };
        let mut found = self.parts.shared.lock().take(self.parts.id, room, now);
        let max_bytes = match &self.link {
            Link::Up(made) => made.connection.max_message_bytes(),
            _ => usize::MAX,
        };
        for batch in found.batches.drain(..) {
            self.number(batch, max_bytes);
        }
        found
    }

    /// Seals a batch and gives it its numbers; one that is too large goes in halves.
    fn number(&mut self, batch: Batch, max_bytes: usize) {
        let Parts { shared, settings, .. } = &self.parts;
        let metadata = MessageMetadata {
            producer_name: self.name.clone().unwrap_or_default(),
            sequence_id: self.lane.next_number(),
            publish_time: shared.unix_millis(),
            schema_version: self.schema_version.clone(),
            ..MessageMetadata::default()
        };
        let sealed = seal(batch, metadata, settings, &shared.compressors);
        let overhead = self.encryptor.as_ref().map_or(0, Encryptor::overhead);
        let n_bytes = sealed.n_bytes() + overhead;
        if n_bytes <= max_bytes {
            self.push(sealed);
        } else if sealed.batch.n_records > 1 {
            sealed.batch.halves().into_iter().for_each(|half| self.number(half, max_bytes));
        } else {
            self.give_up(sealed.batch, Reason::TooLarge { n_bytes, limit: max_bytes }, 0);
        }
    }

    /// Puts a batch behind those that are under way, encrypted where it is to be.
    fn push(&mut self, mut sealed: Sealed) {
        let encrypted = match &mut self.encryptor {
            Some(encryptor) => sealed.encrypt(encryptor, Instant::now()),
            None => Ok(()),
        };
        match encrypted {
            Ok(()) => self.lane.push(sealed),
            Err(error) => {
                self.give_up(sealed.batch, Reason::Unencrypted(Arc::new(error)), 0);
            }
        }
    }

    /// Gives up on what was taken too long ago.
    fn give_up_late(&mut self, now: Instant, found: &Found) {
        let limit = self.parts.settings.send_timeout;
        let Some(born) = now.checked_sub(limit) else { return };
        let oldest = self.lane.oldest().into_iter().chain(found.oldest).min();
        if oldest.is_none_or(|oldest| oldest > born) {
            return;
        }
        let (late, was_sent) = self.lane.take_old(born);
        let reason = Reason::TimedOut { limit, trouble: self.trouble.clone() };
        for UnderWay { sealed, n_sent, .. } in late {
            self.give_up(sealed.batch, reason.clone(), n_sent);
        }
        if self.lane.is_empty() {
            let waiting = self.parts.shared.lock().take_old(self.parts.id, born);
            for batch in waiting {
                self.give_up(batch, reason.clone(), 0);
            }
        }
        if was_sent {
            self.unlink(Trouble::Silent { broker: self.broker(), what: "receipts" });
        }
    }

    /// Says what became of batches.
    fn report(&mut self) {
        if self.delivered.is_empty() && self.given_up.is_empty() {
            return;
        }
        let (delivered, given_up) =
            (std::mem::take(&mut self.delivered), std::mem::take(&mut self.given_up));
        self.parts.shared.lock().report(delivered, given_up);
        self.parts.shared.wake.wake();
    }

    /// Makes a producer where there is none and something waits for one; closes one that has had nothing to do for long.
    fn keep_linked(&mut self, now: Instant, something_waits: bool) {
        if something_waits || !self.lane.is_empty() {
            self.busy = now;
        }
        match &self.link {
            Link::Down { not_before } if self.busy == now => {
                self.link = Link::Making(self.making(None, *not_before));
            }
            Link::Up(_) if now - self.busy >= self.parts.settings.idle => {
                self.lane.stop();
                if let Link::Up(made) =
                    std::mem::replace(&mut self.link, Link::Down { not_before: now })
                {
                    tokio::spawn(made.close());
                }
            }
            _ => {}
        }
    }

    /// Makes a producer once the one before is closed, and not before then.
    fn making(&mut self, before: Option<Made>, not_before: Instant) -> Making {
        let Parts { cluster, settings, making, topic, .. } = &self.parts;
        let (cluster, settings) = (Arc::clone(cluster), Arc::clone(settings));
        let making = Arc::clone(making);
        let wish =
            Wish { topic: Arc::clone(topic), name: self.name.clone(), n_before: self.n_made };
        self.n_made += 1;
        let inbox = Inbox::new(&self.notify);
        Box::pin(async move {
            if let Some(before) = before {
                before.close().await;
            }
            tokio::time::sleep_until(not_before.into()).await;
            // It is closed at the end of the process alone.
            let _place = making.acquire().await;
            make(&cluster, &settings, wish, inbox).await
        })
    }

    /// Sends what is to be sent, or waits: for a producer, for somebody's call, or until something is late.
    async fn wait(&mut self, now: Instant, found: &Found) {
        let until = self.until(now, found);
        let deadline = tokio::time::sleep_until(until.into());
        match (&mut self.link, self.lane.next_to_send()) {
            (Link::Making(making), _) => {
                let made = tokio::select! {
                    made = making => Some(made),
                    () = self.notify.notified() => None,
                    () = deadline => None,
                };
                if let Some(made) = made {
                    self.made(made);
                }
            }
            (Link::Up(made), Some(next)) => {
                let is_sent = tokio::select! {
                    sent = send(made, next) => sent.is_ok(),
                    () = deadline => false,
                };
                if is_sent {
                    self.lane.sent();
                } else if made.connection.has_ended() {
                    // The inbox says why, at once.
                    self.notify.notified().await;
                }
            }
            _ => {
                let Parts { shared, id, .. } = &self.parts;
                let may_sleep = shared.lock().sleep(*id, found, until, &self.notify);
                if may_sleep {
                    tokio::select! {
                        () = self.notify.notified() => {}
                        () = deadline => {}
                    }
                }
            }
        }
    }

    /// When something will be late, or due.
    fn until(&self, now: Instant, found: &Found) -> Instant {
        let send_timeout = self.parts.settings.send_timeout;
        let oldest = self.lane.oldest().into_iter().chain(found.oldest).min();
        let late = oldest.map(|born| born + send_timeout);
        let due = found.due.filter(|_| matches!(self.link, Link::Up(_)) && self.has_room());
        let idle = Some(self.busy + self.parts.settings.idle);
        let first = [late, due, idle].into_iter().flatten().min();
        // What comes meanwhile is late no sooner.
        let longest = now + LONG.min(send_timeout);
        first.map_or(longest, |first| first.clamp(now, longest))
    }

    fn has_room(&self) -> bool {
        self.lane.len() < self.parts.settings.max_under_way
    }

    /// There is a producer, or there cannot be one now.
    fn made(&mut self, made: Result<Made, Trouble>) {
        match made {
            Ok(made) => {
                let is_ours = self.lane.start(made.last_sequence_id);
                self.name = Some(made.name.clone());
                self.schema_version.clone_from(&made.schema_version);
                self.n_tries = 0;
                self.link = Link::Up(made);
                if !is_ours {
                    self.give_up_all(&Reason::Dropped);
                    self.lane = Lane::default();
                    self.unlink(Trouble::Protocol {
                        broker: self.broker(),
                        why: FOREIGN.to_owned(),
                    });
                }
            }
            Err(trouble) => {
                self.link = Link::Down { not_before: Instant::now() + self.backoff.next() };
                if !self.lane.has_begun() {
                    self.n_tries += 1;
                }
                match judge_making(&trouble, self.n_tries) {
                    Verdict::Again => self.trouble = Some(trouble),
                    Verdict::GiveUp | Verdict::GiveUpAll => {
                        self.give_up_all(&Reason::Refused(trouble));
                    }
                    Verdict::Fail => self.fail(trouble),
                }
            }
        }
    }
}

/// Tells the worker of a task that ended by a panic: nothing would be heard of its records.
struct End {
    /// None where it has ended well.
    parts: Option<(Arc<Shared>, Place)>,
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some((shared, place)) = self.parts.take() {
            shared.lock().failure.get_or_insert((place, Reason::Ended));
            shared.wake.wake();
        }
    }
}

/// Hands a batch to the connection.
async fn send(made: &Made, batch: &UnderWay) -> Result<(), Trouble> {
    let Sealed { batch: records, metadata, payload } = &batch.sealed;
    let command = CommandSend {
        producer_id: made.id,
        sequence_id: batch.first,
        num_messages: i32::try_from(records.n_records).ok(),
        highest_sequence_id: metadata.highest_sequence_id,
        is_chunk: None,
    };
    let head = message_head(Command::Send(command), metadata, payload);
    made.connection.send_message(head, payload.clone()).await
}
