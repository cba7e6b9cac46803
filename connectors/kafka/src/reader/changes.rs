//! What the reader does when the cluster says that a topic is gone, or is another one.

use std::sync::Arc;
use std::time::Duration;

use millstream_engine::error::Error;
use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;

use super::Reader;
use crate::config::Expired;
use crate::consumer::{Consumer, index_of, list};
use crate::finder::expired;
use crate::lanes::Lane;
use crate::position::{Position, TopicId};
use crate::watch::{Answer, Change, is_gone, made_again};

impl Reader {
    /// Goes on, or not, with each partition that has changed; at most one error a topic.
    pub(super) fn on_answer(&mut self, consumer: &mut Consumer, answer: &Answer) {
        let mut told: Vec<Arc<str>> = Vec::new();
        for at in 0..self.lanes.len() {
            let lane = &self.lanes[at];
            if lane.replaced || lane.ended && (self.cx.bounded || self.expired == Expired::Stop) {
                continue;
            }
            let Some(change) = answer.change(lane) else { continue };
            let has_partition = !answer.is_gone(&lane.partition);
            let error = match change {
                Change::MadeAgain(now) if has_partition => self.on_made_again(consumer, at, &now),
                // Told before.
                _ if lane.ended => None,
                Change::MadeAgain(now) if self.expired == Expired::Stop => {
                    Some(self.made_again(at, &now))
                }
                Change::MadeAgain(_) | Change::Gone => Some(is_gone(lane)),
                Change::Expired => Some(self.expired(consumer, at)),
            };
            let Some(error) = error else { continue };
            let lost = &mut self.lanes[at];
            lost.end(consumer);
            if !told.contains(&lost.partition.topic) {
                told.push(Arc::clone(&lost.partition.topic));
                self.failed.push_back(error);
            }
        }
    }

    /// The topic of a lane was made again: an error, or the new one is read, as the policy says.
    fn on_made_again(
        &mut self,
        consumer: &mut Consumer,
        at: usize,
        now: &TopicId,
    ) -> Option<Error> {
        let error = self.made_again(at, now);
        let start = match self.expired {
            Expired::Stop => return Some(error),
            Expired::Earliest => Offset::Beginning,
            Expired::Latest => Offset::End,
        };
        let partition = self.lanes[at].partition.clone();
        let starts = list([(&partition, start)].into_iter());
        let client = consumer.raw.client();
        // Without a wait nothing is told of how it went: the client tries again until the broker has answered.
        let moved = client
            .resume(&starts)
            .and_then(|()| client.seek_partitions(starts, Duration::ZERO).map(drop));
        if let Err(refused) = moved {
            return Some(consumer.failed(&refused, "read the new topic"));
        }
        consumer.raw.discard(&partition.topic, index_of(&partition));
        consumer.raw.listener().warn(&format!("{}; the new one is read", error.report()));
        self.lanes[at].replaced = true;
        self.lanes[at].ended = true;
        // Where the client starts is known with the first record.
        let position = Position { offset: 0, topic: Some(now.clone()) };
        self.lanes.push(Lane::new(&partition, position, None));
        None
    }

    fn made_again(&self, at: usize, now: &TopicId) -> Error {
        let lane = &self.lanes[at];
        let what = format!("read on at position {}", lane.next);
        let then = lane.topic_id.as_ref().unwrap_or(now);
        made_again(self.expired, &lane.partition, &what, (then, now)).at_position(lane.next)
    }

    /// The broker no longer has the record that comes next, and the policy says stop: otherwise the client goes on by itself.
    fn expired(&self, consumer: &Consumer, at: usize) -> Error {
        let lane = &self.lanes[at];
        let what = format!("read on at position {}", lane.next);
        match consumer.bounds(&lane.partition) {
            Ok(bounds) => expired(Expired::Stop, &lane.partition, &what, bounds.low),
            Err(error) => error,
        }
    }
}
