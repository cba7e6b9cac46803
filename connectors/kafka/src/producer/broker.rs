//! A broker as the I/O thread sees it: whether there is a connection, and which lanes have something for it.

use std::collections::VecDeque;
use std::time::Instant;

use super::channel::Channel;
use super::tray::LaneId;
use crate::net::address::Address;
use crate::net::backoff::Backoff;

/// The connection to a broker.
#[derive(Debug)]
pub(super) enum Link {
    /// There is none, and none is wanted before this.
    Down(Instant),
    /// A thread sets one up.
    Dialing,
    Up(Channel),
}

/// One broker.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) address: Address,
    pub(super) link: Link,
    /// Lanes that may send, and have something to send.
    pub(super) ready: VecDeque<LaneId>,
    pub(super) backoff: Backoff,
}

impl Broker {
    pub(super) fn new(address: Address, now: Instant, backoff: Backoff) -> Self {
        Self { address, link: Link::Down(now), ready: VecDeque::new(), backoff }
    }

    pub(super) fn channel(&mut self) -> Option<&mut Channel> {
        match &mut self.link {
            Link::Up(channel) => Some(channel),
            Link::Down(_) | Link::Dialing => None,
        }
    }

    /// Whether a connection is to be set up now.
    pub(super) fn wants_dial(&self, now: Instant) -> bool {
        !self.ready.is_empty() && matches!(self.link, Link::Down(until) if until <= now)
    }

    /// When something is to be done here, if nothing comes before.
    pub(super) fn next_due(&self) -> Option<Instant> {
        match &self.link {
            Link::Down(until) => (!self.ready.is_empty()).then_some(*until),
            Link::Dialing => None,
            Link::Up(channel) => {
                let idle = channel.ends.filter(|_| channel.n_under_way() == 0);
                channel.due().into_iter().chain(idle).min()
            }
        }
    }
}
