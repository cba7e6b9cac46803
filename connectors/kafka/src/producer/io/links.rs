//! Connections to brokers: set up by threads of their own where lanes want one, and ended where they are of no use.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::Token;

use super::Io;
use crate::net::address::Address;
use crate::net::backoff::Backoff;
use crate::net::dial::Connection;
use crate::producer::broker::{Broker, Link};
use crate::producer::channel::Channel;
use crate::trouble::Trouble;

impl Io {
    /// Takes down which brokers there are, and where.
    pub(super) fn meet(&mut self, brokers: Vec<(i32, Address)>) {
        for (id, address) in brokers {
            let backoff = Backoff::new(self.settings.reconnect.0, self.settings.reconnect.1);
            let now = self.now;
            let broker = self
                .brokers
                .entry(id)
                .or_insert_with(|| Broker::new(address.clone(), now, backoff));
            if broker.address != address {
                broker.address = address;
                self.hang_up(id, Duration::ZERO);
            }
        }
        for id in self.lanes.ids() {
            self.stir(id);
        }
    }

    /// Puts connections to use that were set up, and has others set up where they are wanted.
    pub(super) fn connect(&mut self) {
        while let Ok((id, address, outcome)) = self.dialed.1.try_recv() {
            self.connected(id, &address, outcome);
        }
        for (id, broker) in &mut self.brokers {
            if broker.wants_dial(self.now) {
                broker.link = Link::Dialing;
                let (dialer, address) = (Arc::clone(&self.dialer), broker.address.clone());
                let (back, shared, id) = (self.dialed.0.clone(), Arc::clone(&self.shared), *id);
                let dial = move || {
                    // Nobody to tell: the producer was closed.
                    let outcome = dialer.dial(&address);
                    drop(back.send((id, address, outcome)));
                    shared.wake_io();
                };
                let thread = std::thread::Builder::new().name("kafka-dial".to_owned());
                if thread.spawn(dial).is_err() {
                    broker.link = Link::Down(self.now + self.settings.reconnect.1);
                }
            }
        }
    }

    fn connected(&mut self, id: i32, address: &Address, outcome: Result<Connection, Trouble>) {
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        if broker.address != *address {
            // It has moved meanwhile: whoever is there now is somebody else.
            broker.link = Link::Down(self.now);
            return;
        }
        let registry = self.poll.registry();
        let token = Token(self.next_token);
        let opened = outcome.and_then(|connection| {
            Channel::new(connection, token, registry)
                .map_err(|error| Trouble::broken(address, &error))
        });
        match opened {
            Ok(channel) => {
                self.next_token += 1;
                broker.link = Link::Up(channel);
            }
            Err(trouble) => {
                self.listener.hear_trouble(trouble);
                broker.link = Link::Down(self.now + broker.backoff.next());
                self.control.refresh();
            }
        }
    }

    /// Ends connections that do not answer, or whose login is over.
    pub(super) fn check_brokers(&mut self) {
        let now = self.now;
        let is_late = |channel: &Channel| channel.due().is_some_and(|due| due <= now);
        let is_over = |channel: &Channel| {
            channel.n_under_way() == 0 && channel.ends.is_some_and(|ends| ends <= now)
        };
        let (mut late, mut over) = (Vec::new(), Vec::new());
        for (id, broker) in &mut self.brokers {
            match broker.channel() {
                Some(channel) if is_late(channel) => late.push(*id),
                Some(channel) if is_over(channel) => over.push(*id),
                _ => {}
            }
        }
        for id in late {
            self.lose(id, &io::ErrorKind::TimedOut.into());
        }
        for id in over {
            self.hang_up(id, Duration::ZERO);
        }
    }

    /// A connection is gone: what was under way there may or may not be written.
    pub(super) fn lose(&mut self, id: i32, error: &io::Error) {
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        let is_idle = broker.channel().is_none_or(|channel| channel.n_under_way() == 0);
        if is_idle {
            // Brokers end connections that nobody uses.
            return self.hang_up(id, Duration::ZERO);
        }
        let trouble = Trouble::broken(&broker.address, error);
        let pause = broker.backoff.next();
        self.listener.hear_trouble(trouble);
        self.hang_up(id, pause);
        self.control.refresh();
    }

    /// Ends the connection to a broker; the next one is set up after a pause.
    pub(super) fn hang_up(&mut self, id: i32, pause: Duration) {
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        let link = std::mem::replace(&mut broker.link, Link::Down(self.now + pause));
        match link {
            Link::Up(channel) => {
                for request in channel.close() {
                    for part in request.parts {
                        let lane = part.lane;
                        self.bring_back(&request.bytes, part, true);
                        self.stir(lane);
                    }
                }
            }
            // Whoever dials tells of it later.
            Link::Dialing => broker.link = Link::Dialing,
            Link::Down(_) => {}
        }
    }
}
