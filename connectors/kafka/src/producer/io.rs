//! The thread that sends: takes batches up, writes requests, reads answers, and says what became of each batch.
//!
//! It waits for sockets, the worker and the clock in one place, and for nothing else. Invariant: a batch that was taken up is told of
//! once, as delivered or as given up.

mod answers;
mod links;
mod sending;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use millstream_engine::runtime::Wake;
use mio::{Events, Poll, Token};

use super::Shared;
use super::batch::Batch;
use super::broker::Broker;
use super::lane::Identity;
use super::lanes::{Lanes, Next};
use super::settings::Settings;
use super::tray::{Change, Done, LaneId, Tray};
use crate::control::{Control, News};
use crate::listener::Listener;
use crate::net::address::Address;
use crate::net::dial::{Connection, Dialer};
use crate::trouble::Trouble;
use crate::wire::compression::Compressor;

/// The token of the waker; connections have those after it.
pub(super) const WAKER: Token = Token(0);

/// How often batches are looked through for those whose time is over.
const LOOK: Duration = Duration::from_millis(100);

/// How long to sleep where nothing is to be done.
const LONG: Duration = Duration::from_mins(1);

/// Bytes of records, before they are compressed, after which a request gets no further batch.
const MAX_REQUEST: usize = 4 << 20;

/// Buffers of requests that are kept.
const MAX_SPARE: usize = 8;

/// What a thread that dialed brings.
type Dialed = (i32, Address, Result<Connection, Trouble>);

/// The thread's half of a producer.
pub(super) struct Io {
    shared: Arc<Shared>,
    control: Arc<Control>,
    dialer: Arc<Dialer>,
    listener: Arc<Listener>,
    settings: Settings,
    poll: Poll,
    wake: Wake,
    lanes: Lanes,
    brokers: BTreeMap<i32, Broker>,
    /// Lanes to take the open batch of.
    to_take: Vec<LaneId>,
    compressor: Compressor,
    done: Vec<Done>,
    spare: Vec<Vec<u8>>,
    /// Buffers of records on their way back to the tray.
    emptied: Vec<Vec<u8>>,
    dialed: (Sender<Dialed>, Receiver<Dialed>),
    next_token: usize,
    now: Instant,
    next_look: Instant,
    /// Until when the worker thinks that we sleep.
    sleeps_until: Instant,
    has_asked_identity: bool,
}

/// What the thread is made of.
pub(super) struct Parts {
    pub(super) shared: Arc<Shared>,
    pub(super) control: Arc<Control>,
    pub(super) dialer: Arc<Dialer>,
    pub(super) listener: Arc<Listener>,
    pub(super) settings: Settings,
    pub(super) poll: Poll,
    pub(super) wake: Wake,
}

impl Io {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { shared, control, dialer, listener, settings, poll, wake } = parts;
        let now = Instant::now();
        Self {
            lanes: Lanes::new(settings.idempotent, settings.max_under_way),
            compressor: Compressor::new(settings.compression, settings.compression_level),
            shared,
            control,
            dialer,
            listener,
            settings,
            poll,
            wake,
            brokers: BTreeMap::new(),
            to_take: Vec::new(),
            done: Vec::new(),
            spare: Vec::new(),
            emptied: Vec::new(),
            dialed: channel(),
            next_token: WAKER.0 + 1,
            now,
            next_look: now + LOOK,
            sleeps_until: now,
            has_asked_identity: false,
        }
    }

    /// Runs until the producer is closed.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        while self.turn() {
            let wait = self.next_due().map(|due| due.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => self.now = Instant::now(),
            }
            for event in events.iter().filter(|event| event.token() != WAKER) {
                self.serve(event.token());
            }
        }
        Ok(())
    }

    /// Does what is to be done now; says whether the producer is still open.
    fn turn(&mut self) -> bool {
        self.now = Instant::now();
        #[cfg(test)]
        self.shared.n_turns.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.hear_news();
        self.connect();
        while let Some(id) = self.lanes.rested(self.now) {
            self.stir(id);
        }
        self.check_brokers();
        let shared = Arc::clone(&self.shared);
        let mut tray = shared.lock();
        if tray.is_closed {
            return false;
        }
        self.take_up(&mut tray);
        if self.next_look <= self.now {
            self.look_through(&mut tray);
        }
        let has_told = !self.done.is_empty();
        tray.done.append(&mut self.done);
        self.sleeps_until = tray.next_due().unwrap_or(self.now + LONG);
        tray.sleeps_until = Some(self.sleeps_until);
        drop(tray);
        if has_told {
            self.wake.wake();
        }
        if self.settings.idempotent && !self.has_asked_identity && self.lanes.wants_identity() {
            self.has_asked_identity = true;
            self.control.want_producer_id();
        }
        self.send();
        true
    }

    /// Takes over what the worker has put down, and what has waited long enough.
    fn take_up(&mut self, tray: &mut Tray) {
        for memory in self.emptied.drain(..) {
            tray.give_back(memory);
        }
        for change in std::mem::take(&mut tray.changes) {
            self.change(tray, change);
        }
        let mut filled = Vec::new();
        tray.take_full(|id, batch| filled.push((id, batch)));
        for (id, batch) in filled {
            if let Some(lane) = self.lanes.get(id) {
                lane.push(batch);
            }
            self.stir(id);
        }
        // Those that are due a moment later go along: one request instead of two.
        let soon = self.now + (self.settings.linger / 8).min(Duration::from_millis(1));
        let mut due = std::mem::take(&mut self.to_take);
        tray.take_due(soon, |id| due.push(id));
        for id in due {
            self.lanes.set_due(id, true);
            if self.lanes.next(id, self.now) == Next::Take {
                self.lanes.set_due(id, false);
                if let (Some(batch), Some(lane)) = (tray.take_open(id, soon), self.lanes.get(id)) {
                    lane.push(batch);
                }
            }
            self.stir(id);
        }
    }

    fn change(&mut self, tray: &mut Tray, change: Change) {
        match change {
            Change::Open { lane, topic, partition } => self.lanes.open(lane, &topic, partition),
            Change::GiveUp { lane, code } => {
                self.take_all(tray, lane);
                self.lanes.set_given_up(lane, code);
                self.next_look = self.now;
            }
            Change::Close { lane } => {
                self.take_all(tray, lane);
                self.lanes.close(lane);
                self.next_look = self.now;
            }
        }
    }

    /// Takes over all that the worker has put down for a lane, as nothing more will come.
    fn take_all(&mut self, tray: &mut Tray, id: LaneId) {
        if let Some(lane) = self.lanes.get(id) {
            tray.take_all(id).for_each(|batch| lane.push(batch));
        }
    }

    /// Gives up on what was tried for too long, and lets go of lanes that are done.
    fn look_through(&mut self, tray: &mut Tray) {
        self.next_look = self.now + LOOK;
        let (now, timeout) = (self.now, self.settings.delivery_timeout);
        self.lanes.forget_leaders(now);
        let mut is_untold = false;
        for id in self.lanes.ids() {
            let is_over = |batch: &Batch| batch.born + timeout <= now;
            if self.lanes.is_due(id)
                && let Some(batch) = tray.take_open_if(id, is_over)
                && let Some(lane) = self.lanes.get(id)
            {
                lane.push(batch);
            }
            for (batch, code) in self.lanes.give_up(id, is_over) {
                self.give_up(id, batch, code);
            }
            self.stir(id);
            if self.lanes.remove_if_done(id) {
                tray.reuse(id);
            }
            is_untold |= self.lanes.is_untold(id);
        }
        self.list_anew();
        if is_untold {
            self.control.refresh();
        }
    }

    /// Lists lanes with the brokers that lead their partitions by now, and those that have nothing any more not at all.
    fn list_anew(&mut self) {
        let lists = self.brokers.values_mut().map(|broker| std::mem::take(&mut broker.ready));
        let listed: Vec<LaneId> = lists.flatten().collect();
        for id in &listed {
            if let Some(lane) = self.lanes.get(*id) {
                lane.is_listed = false;
            }
        }
        for id in listed {
            self.stir(id);
        }
    }

    /// Sees to it that what a lane has is sent.
    fn stir(&mut self, id: LaneId) {
        match self.lanes.next(id, self.now) {
            Next::Nothing => {}
            Next::Take => self.to_take.push(id),
            Next::Send(leader) => {
                if let (Some(lane), Some(broker)) =
                    (self.lanes.get(id), self.brokers.get_mut(&leader))
                    && !std::mem::replace(&mut lane.is_listed, true)
                {
                    broker.ready.push_back(id);
                }
            }
        }
    }

    /// Takes in what the control thread has found out.
    fn hear_news(&mut self) {
        let mut has_moved = false;
        for news in self.control.news() {
            match news {
                News::Brokers(brokers) => self.meet(brokers),
                News::Leaders { topic, leaders } => {
                    for id in self.lanes.set_leaders(&topic, leaders, self.now) {
                        self.stir(id);
                    }
                    has_moved = true;
                }
                News::ProducerId(producer_id, epoch) => {
                    self.has_asked_identity = false;
                    self.lanes.identify(Identity { producer_id, epoch });
                    for id in self.lanes.ids() {
                        self.stir(id);
                    }
                }
                News::NoProducerId(code) => {
                    self.shared.lock().refusal = Some(code);
                    self.wake.wake();
                }
            }
        }
        if has_moved {
            self.list_anew();
        }
    }

    /// Reads and writes what a connection has for us and takes from us.
    fn serve(&mut self, token: Token) {
        let of_token = |(id, broker): (&i32, &mut Broker)| {
            broker.channel().is_some_and(|channel| channel.token == token).then_some(*id)
        };
        let Some(id) = self.brokers.iter_mut().find_map(of_token) else { return };
        let Some(channel) = self.brokers.get_mut(&id).and_then(Broker::channel) else { return };
        let version = channel.version;
        let mut answered = Vec::new();
        let outcome = channel.write().and_then(|()| {
            channel.read(|request, answer| answered.push((request, answer.to_vec())))
        });
        for (request, answer) in answered {
            self.answered(id, request, &answer, version);
        }
        if let Err(error) = outcome {
            self.lose(id, &error);
        }
    }

    /// When something is to be done, if nothing comes before.
    fn next_due(&self) -> Option<Instant> {
        if !self.to_take.is_empty() {
            return Some(self.now);
        }
        let of_brokers = self.brokers.values().filter_map(Broker::next_due);
        let others = [self.lanes.next_rested(), Some(self.sleeps_until), self.look_due()];
        of_brokers.chain(others.into_iter().flatten()).min()
    }

    fn look_due(&self) -> Option<Instant> {
        self.lanes.has_something().then_some(self.next_look)
    }
}
