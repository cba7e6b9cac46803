//! What became of batches: reads answers, and tells, sends again or gives up.

use std::collections::HashMap;
use std::sync::Arc;

use rdkafka::types::RDKafkaErrorCode;

use super::{Io, MAX_SPARE};
use crate::producer::batch::Batch;
use crate::producer::channel::{Part, Request};
use crate::producer::lanes::Lanes;
use crate::producer::tray::{Done, GivenUp, LaneId};
use crate::producer::verdict::{Verdict, judge};
use crate::wire::error_code::outcome;
use crate::wire::produce;

impl Io {
    /// Settles the batches of a request.
    pub(super) fn answered(&mut self, broker: i32, request: Request, answer: &[u8], version: i16) {
        if let Some(broker) = self.brokers.get_mut(&broker) {
            broker.backoff.reset();
        }
        let Request { bytes, parts, .. } = request;
        let mut parts: Vec<Option<Part>> = parts.into_iter().map(Some).collect();
        let mut index = Index::default();
        let mut settled = Vec::with_capacity(parts.len());
        // What could not be read counts as not answered.
        let _malformed = produce::read(answer, version, |said| {
            if let Some(at) = index.find(&parts, &mut self.lanes, said.topic, said.partition)
                && let Some(part) = parts[at].take()
            {
                settled.push((part, outcome(said.code), said.at_fault));
            }
        });
        for (part, said, at_fault) in settled {
            self.settle(&bytes, part, said, &at_fault);
        }
        for part in parts.into_iter().flatten() {
            self.put_off(&bytes, part, true);
        }
        if self.spare.len() < MAX_SPARE {
            self.spare.push(bytes);
        }
    }

    fn settle(
        &mut self,
        bytes: &[u8],
        part: Part,
        said: Result<(), RDKafkaErrorCode>,
        at_fault: &[u32],
    ) {
        let id = part.lane;
        match judge(said) {
            Verdict::Delivered => {
                self.done.push(Done::Delivered(part.batch.runs));
                if let Some(lane) = self.lanes.get(id) {
                    lane.delivered();
                }
            }
            Verdict::Again { is_doubtful, is_misplaced } => {
                self.put_off(bytes, part, is_doubtful);
                if is_misplaced {
                    self.control.refresh();
                }
            }
            Verdict::Misnumbered => {
                let batch = Request::restore(bytes, part);
                if let Some(lane) = self.lanes.get(id) {
                    lane.misnumbered(batch);
                }
                self.lanes.rest(id, self.now, self.settings.retry);
            }
            Verdict::TooLarge if part.batch.n_records() > 1 => {
                let half = part.batch.n_records() / 2;
                let batch = Request::restore(bytes, part);
                let (first, second) = batch.divide(|index| index < half);
                self.replace(id, &batch, [first, second]);
            }
            Verdict::TooLarge | Verdict::Refused => {
                let code = said.err().unwrap_or(RDKafkaErrorCode::Unknown);
                let n_records = part.batch.n_records();
                let batch = Request::restore(bytes, part);
                let n_at_fault = (0..n_records).filter(|index| at_fault.contains(index)).count();
                if n_at_fault == 0 || n_at_fault == n_records as usize {
                    self.replace(id, &batch, []);
                    self.give_up(id, batch, code);
                } else {
                    let (faulty, others) = batch.divide(|index| at_fault.contains(&index));
                    self.replace(id, &batch, [others]);
                    self.give_up(id, faulty, code);
                }
            }
        }
        self.stir(id);
    }

    fn replace<const N: usize>(&mut self, id: LaneId, batch: &Batch, by: [Batch; N]) {
        if let Some(lane) = self.lanes.get(id) {
            lane.refused(batch, by);
        }
    }

    /// Puts a batch back into its lane, to be sent again after a pause.
    fn put_off(&mut self, bytes: &[u8], part: Part, is_doubtful: bool) {
        let id = part.lane;
        self.bring_back(bytes, part, is_doubtful);
        self.lanes.rest(id, self.now, self.settings.retry);
    }

    /// Puts a batch back into its lane, to be sent again.
    pub(super) fn bring_back(&mut self, bytes: &[u8], part: Part, is_doubtful: bool) {
        let id = part.lane;
        let mut batch = Request::restore(bytes, part);
        batch.is_doubtful |= is_doubtful;
        if let Some(lane) = self.lanes.get(id) {
            lane.returned(batch);
        }
    }

    pub(super) fn give_up(&mut self, id: LaneId, batch: Batch, code: RDKafkaErrorCode) {
        if let Some(lane) = self.lanes.get(id) {
            let (topic, partition) = (Arc::clone(&lane.topic), lane.partition);
            let given_up = GivenUp { topic, partition, batch, code };
            self.done.push(Done::GivenUp(Box::new(given_up)));
        }
    }
}

/// Finds the batch that an answer speaks of: mostly they come in the order of the request.
#[derive(Default)]
struct Index {
    next: usize,
    by_place: Option<HashMap<(Arc<str>, u32), usize>>,
}

impl Index {
    fn find(
        &mut self,
        parts: &[Option<Part>],
        lanes: &mut Lanes,
        topic: &str,
        partition: i32,
    ) -> Option<usize> {
        let partition = u32::try_from(partition).ok()?;
        let mut is_it = |at: &usize| {
            let part = parts.get(*at).and_then(Option::as_ref);
            part.is_some_and(|part| {
                part.partition == partition
                    && lanes.get(part.lane).is_some_and(|lane| *lane.topic == *topic)
            })
        };
        let guess = Some(self.next).filter(&mut is_it);
        let at = guess.or_else(|| (0..parts.len().min(8)).find(&mut is_it)).or_else(|| {
            let by_place = self.by_place.get_or_insert_with(|| {
                let places = parts.iter().enumerate().filter_map(|(at, part)| {
                    let part = part.as_ref()?;
                    Some(((Arc::clone(&lanes.get(part.lane)?.topic), part.partition), at))
                });
                places.collect()
            });
            by_place.get(&(Arc::from(topic), partition)).copied()
        })?;
        self.next = at + 1;
        Some(at)
    }
}
