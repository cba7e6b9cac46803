//! Requests: which batches go together, to whom, and when.

use std::io;
use std::sync::Arc;

use super::{Io, LOOK, MAX_REQUEST};
use crate::producer::broker::Broker;
use crate::producer::channel::{Channel, Request};
use crate::producer::lanes::Next;
use crate::producer::request::{self, Chosen, Envelope};

impl Io {
    /// Writes requests for every broker that may have more of them.
    pub(super) fn send(&mut self) {
        let ids: Vec<i32> = self.brokers.keys().copied().collect();
        for id in ids {
            if let Err(error) = self.send_to(id) {
                self.lose(id, &error);
            }
        }
    }

    fn send_to(&mut self, id: i32) -> io::Result<()> {
        loop {
            let Some(broker) = self.brokers.get_mut(&id) else { return Ok(()) };
            let max = self.settings.max_under_way;
            let is_over = |channel: &Channel| channel.ends.is_some_and(|ends| ends <= self.now);
            let has_room =
                broker.channel().is_some_and(|at| at.n_under_way() < max && !is_over(at));
            if !has_room || broker.ready.is_empty() {
                return Ok(());
            }
            let chosen = self.choose(id);
            if chosen.is_empty() {
                return Ok(());
            }
            let request = self.request(id, chosen);
            let channel = self.brokers.get_mut(&id).and_then(Broker::channel);
            if let (Some(channel), Some(request)) = (channel, request) {
                channel.send(request)?;
            }
        }
    }

    /// One batch of each lane that has something for a broker, as far as a request goes.
    fn choose(&mut self, id: i32) -> Vec<Chosen> {
        let Some(broker) = self.brokers.get_mut(&id) else { return Vec::new() };
        let mut ready = std::mem::take(&mut broker.ready);
        let (mut chosen, mut n_bytes) = (Vec::new(), 0);
        let mut again = Vec::new();
        while n_bytes < MAX_REQUEST
            && let Some(lane_id) = ready.pop_front()
        {
            let is_ready = self.lanes.next(lane_id, self.now) == Next::Send(id);
            let Some(lane) = self.lanes.get(lane_id) else { continue };
            lane.is_listed = false;
            again.push(lane_id);
            if !is_ready {
                continue;
            }
            let identity = lane.identity();
            let (topic, partition) = (Arc::clone(&lane.topic), lane.partition);
            if let Some(batch) = lane.take() {
                n_bytes += batch.n_bytes();
                chosen.push(Chosen { lane: lane_id, topic, partition, identity, batch });
            }
        }
        if let Some(sent_to) = self.brokers.get_mut(&id) {
            sent_to.ready = ready;
        }
        for lane in again {
            self.stir(lane);
        }
        chosen
    }

    fn request(&mut self, id: i32, chosen: Vec<Chosen>) -> Option<Request> {
        let channel = self.brokers.get_mut(&id).and_then(Broker::channel)?;
        let born = chosen.iter().map(|chosen| chosen.batch.born).min()?;
        let patience = (born + self.settings.delivery_timeout).max(self.now + LOOK);
        let envelope = Envelope {
            version: channel.version,
            correlation: channel.next_correlation(),
            client_id: &self.settings.client_id,
            timeout: self.settings.ack_timeout,
            due: patience.min(self.now + self.settings.request_timeout),
        };
        let mut memory = self.spare.pop().unwrap_or_default();
        memory.clear();
        let spare = |emptied| self.emptied.push(emptied);
        Some(request::write(&envelope, chosen, &mut self.compressor, spare, memory))
    }
}
