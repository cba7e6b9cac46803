//! The running half of a source: writes what came into batches, and acknowledges what became durable.

mod lane;
mod told;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_engine::batch::RecordBatch;
use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::source::{
    Assignment, Confirmed, Read, Reader as ReaderContract, ReaderContext,
};
use tokio::runtime::Handle;

use crate::config::{End, SourceConfig};
use crate::consumer::{
    Arrival, Delivered, Entry, Flow, Inbox, Kind, Link, Opener, Terms, Unreadable, Wanted,
};
use crate::error::error_of;
use crate::net::cluster::Cluster;
use crate::position::Position;
use crate::receipts::{Part, Receipts};
use crate::topic_name::TopicName;
use lane::Lane;
pub(crate) use told::expired;

/// How often the end of a topic is asked for where others may have acknowledged what lies before it.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The header of a record that is handed on encrypted: the metadata of its entry.
const SEALED: &str = "pulsar-message-metadata";

/// An entry that is being handed out.
struct Current {
    lane: usize,
    entry: Entry,
    /// The first message that was not handed out yet.
    from: u32,
}

/// What came of writing an entry into a batch.
enum Written {
    /// The batch is full, and there may be more.
    Full,
    /// All of it.
    All,
    /// What lies behind is not handed out.
    End,
    /// What lies behind cannot be read.
    Bad(Unreadable),
}

/// Reads the partitions that it was assigned.
pub(crate) struct Reader {
    cx: ReaderContext,
    config: SourceConfig,
    runtime: Handle,
    cluster: Arc<Cluster>,
    terms: Arc<Terms>,
    inbox: Arc<Inbox>,
    arrivals: VecDeque<(usize, Arrival)>,
    opener: Opener,
    lanes: Vec<Lane>,
    current: Option<Current>,
    receipts: Receipts,
    /// Memory for keys, …
    scratch: Vec<u8>,
    /// … and for the ids of entries.
    id_text: String,
    /// Errors that came while there were records to hand out: at most one a partition and entry.
    failed: VecDeque<Error>,
    asked_at: Instant,
}

impl Reader {
    pub(crate) fn new(
        runtime: Handle,
        cluster: Arc<Cluster>,
        cx: ReaderContext,
        config: SourceConfig,
    ) -> Self {
        Self {
            terms: Arc::new(config.terms(&cx.open.qualified_name())),
            opener: Opener::new(config.max_entry_bytes, config.decryption.as_ref()),
            cx,
            config,
            runtime,
            cluster,
            inbox: Arc::default(),
            arrivals: VecDeque::new(),
            lanes: Vec::new(),
            current: None,
            receipts: Receipts::default(),
            scratch: Vec::new(),
            id_text: String::new(),
            failed: VecDeque::new(),
            asked_at: Instant::now(),
        }
    }

    /// Fills the batch from what has come, without waiting, until it is full or an error is to be told.
    fn fill(&mut self, batch: &mut RecordBatch) {
        while self.failed.is_empty() && !self.is_full(batch) {
            if let Some(current) = self.current.take() {
                self.hand_out(current, batch);
                continue;
            }
            if self.arrivals.is_empty() {
                self.inbox.take(&mut self.arrivals, Duration::ZERO);
            }
            let Some((lane, arrival)) = self.arrivals.pop_front() else { return };
            self.on_arrival(lane, arrival);
        }
    }

    fn is_full(&self, batch: &RecordBatch) -> bool {
        batch.len() >= self.cx.batch_records.max(1) || batch.n_bytes() >= self.cx.batch_bytes
    }

    fn on_arrival(&mut self, at: usize, arrival: Arrival) {
        let lane = &mut self.lanes[at];
        match arrival {
            Arrival::Opened(ends) => self.on_opened(at, ends),
            Arrival::Delivered(delivered) => self.on_delivered(at, delivered),
            Arrival::Acknowledged(entries) => lane.release(&entries),
            Arrival::AcknowledgedUpTo(entry) => lane.release_up_to(entry),
            Arrival::Ends(ends) => lane.check_end(ends),
            Arrival::Terminated => {
                tracing::info!(partition = %lane.partition, "the topic was terminated");
                lane.has_ended = true;
            }
            Arrival::Failed(trouble) => {
                let error = told::place(lane, error_of(&trouble, "read the topic"));
                lane.has_ended = true;
                self.failed.push_back(error);
            }
            Arrival::Closed => lane.is_closed = true,
        }
    }

    fn on_delivered(&mut self, at: usize, delivered: Delivered) {
        let lane = &mut self.lanes[at];
        let id = delivered.id;
        let (cost, opened) = self.opener.open(delivered);
        match cost {
            Some(cost) => lane.flow.took(cost.n_permits, cost.n_bytes),
            None => lane.flow.took_unknown(),
        }
        if lane.has_ended {
            return;
        }
        let due = lane.flow.due();
        if due > 0 {
            lane.link.permit(due);
        }
        let is_reader = self.terms.kind == Kind::Reader;
        let is_seen = id < lane.done.entry || id == lane.done.entry && lane.done.index.is_none();
        if is_reader && is_seen {
            return;
        }
        let mut entry = match opened {
            Ok(entry) => entry,
            Err(why) => {
                // An entry that must not be passed over keeps its place.
                if self.config.rests_at(&why) {
                    lane.has_ended = true;
                } else {
                    lane.done = Position::behind(id);
                }
                self.failed.push_back(told::unreadable(lane, id, why));
                return;
            }
        };
        if lane.is_behind_end(&entry) {
            lane.has_ended = true;
            return;
        }
        if is_reader && id == lane.done.entry {
            entry.skip_to(lane.done.index.unwrap_or(0));
        }
        if !is_reader && !lane.hold(&entry) {
            return self.opener.recycle(entry);
        }
        let from = entry.n_skipped();
        self.current = Some(Current { lane: at, entry, from });
    }

    /// Writes what fits of an entry, and keeps it where there may be more.
    fn hand_out(&mut self, mut current: Current, batch: &mut RecordBatch) {
        let (at, id) = (current.lane, current.entry.id);
        if batch.is_empty() {
            batch.ingest_micros = self.cx.open.clock.micros();
        }
        let written = self.write(&mut current, batch);
        let lane = &mut self.lanes[at];
        let is_last = matches!(written, Written::All);
        let part = Part {
            lane: at,
            entry: id,
            to: current.from,
            n_messages: current.entry.n_messages,
            is_last,
        };
        if is_last || current.from > 0 {
            lane.done = part.position();
            self.receipts.add(part);
        }
        match written {
            Written::Full => {
                self.current = Some(current);
                return;
            }
            Written::All => {
                lane.has_ended |= lane.until.is_some_and(|until| lane.done.covers(until));
            }
            Written::End => lane.has_ended = true,
            Written::Bad(why) => {
                lane.done = Position::behind(id);
                self.failed.push_back(told::unreadable(lane, id, why));
            }
        }
        self.opener.recycle(current.entry);
    }

    fn write(&mut self, current: &mut Current, batch: &mut RecordBatch) -> Written {
        let lane = &self.lanes[current.lane];
        let (id, publish_time) = (current.entry.id, current.entry.publish_time);
        let end = lane.end_within(id);
        batch.set_origin(&lane.origin);
        self.id_text.clear();
        let written = write!(self.id_text, "{id}");
        debug_assert!(written.is_ok(), "a string takes everything");
        batch.set_envelope(&current.entry.envelope(&self.id_text));
        while !self.is_full(batch) {
            let message = match current.entry.next() {
                Ok(Some(message)) => message,
                Ok(None) => return Written::All,
                Err(why) => return Written::Bad(why),
            };
            if end.is_some_and(|end| message.index >= end) {
                return Written::End;
            }
            let (index, ordering_key) = (message.index, message.ordering_key);
            let mut writer = batch.writer();
            writer.time(publish_time.cast_signed()).position(id.number_of(index));
            if message.write_to(&mut writer, &mut self.scratch).is_err() {
                drop(writer);
                return Written::Bad(Unreadable::Key);
            }
            if let Some(key) = ordering_key {
                writer.ordering_key(key);
            }
            if let Some(metadata) = current.entry.sealed() {
                writer.header(SEALED, Some(metadata));
            }
            writer.finish();
            current.from = index + 1;
        }
        Written::Full
    }

    /// The broker is asked again where the topics end, where what lies before the end may have been acknowledged by others.
    fn ask_ends(&mut self) {
        if self.config.end == End::Never || self.asked_at.elapsed() < ASK_AGAIN {
            return;
        }
        self.asked_at = Instant::now();
        let is_open = |lane: &&Lane| lane.was_opened && !lane.has_ended;
        self.lanes.iter().filter(is_open).for_each(|lane| lane.link.ask_ends());
    }

    fn redeliver(&mut self) {
        if let Some(timeout) = self.config.ack_timeout {
            self.lanes.iter_mut().for_each(|lane| lane.redeliver_older(timeout));
        }
    }

    fn has_ended(&self) -> bool {
        self.cx.bounded && self.current.is_none() && self.lanes.iter().all(|lane| lane.has_ended)
    }

    /// The bounds of a partition's queue, when there are so many.
    fn bounds(&self, n_lanes: usize) -> (u32, usize) {
        let n_lanes = n_lanes.max(1);
        let share = self.config.total_receiver_queue / u32::try_from(n_lanes).unwrap_or(u32::MAX);
        let most = self.config.receiver_queue.min(share.max(1));
        (most, self.config.receiver_queue_bytes / n_lanes)
    }

    fn acknowledge(&self, lane: &Lane, parts: &[Part]) {
        let parts_of_batches = self.config.batch_index_acks;
        match self.terms.kind {
            Kind::Reader => {}
            Kind::Shared | Kind::KeyShared => lane.acknowledge_each(parts, parts_of_batches),
            Kind::Exclusive | Kind::Failover => lane.acknowledge_up_to(parts, parts_of_batches),
        }
    }
}

impl ReaderContract for Reader {
    fn assign(&mut self, assignments: &[Assignment]) -> Result<()> {
        let (most, bytes) = self.bounds(self.lanes.len() + assignments.len());
        self.lanes.iter_mut().for_each(|lane| lane.flow.bound(most, bytes));
        for assignment in assignments {
            let partition = &assignment.partition;
            let done = match self.terms.kind {
                Kind::Reader => Position::parse(partition, &assignment.start)?,
                _ => Position::START,
            };
            let topic = TopicName::parse(&partition.topic).map_err(|rule| {
                Error::config(format!("read the topic \"{}\"", partition.topic)).with_source(rule)
            })?;
            let wanted = Wanted {
                topic,
                index: partition.index,
                terms: Arc::clone(&self.terms),
                start: done.entry,
                asks_ends: self.terms.kind == Kind::Reader || self.config.end != End::Never,
            };
            let place = (&self.inbox, self.lanes.len());
            let link = Link::start(&self.runtime, &self.cluster, place, wanted);
            self.lanes.push(Lane::new(partition, done, link, Flow::new(most, bytes)));
        }
        Ok(())
    }

    fn read(&mut self, batch: &mut RecordBatch, wait: Duration) -> Result<Read> {
        let deadline = Instant::now() + wait;
        self.redeliver();
        loop {
            self.fill(batch);
            if !batch.is_empty() {
                self.receipts.batch_ended();
                return Ok(Read::Records);
            }
            if let Some(error) = self.failed.pop_front() {
                return Err(error);
            }
            if self.has_ended() {
                return Ok(Read::End);
            }
            self.ask_ends();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Read::Idle);
            }
            self.inbox.take(&mut self.arrivals, left);
        }
    }

    fn confirm(&mut self, n_batches: u64, resume: &mut Vec<Confirmed>) -> Result<()> {
        let mut parts: Vec<_> = self.receipts.confirm(n_batches).collect();
        // stable: the parts of a partition stay in their order
        parts.sort_by_key(|part| part.lane);
        for of_lane in parts.chunk_by(|a, b| a.lane == b.lane) {
            let lane = &self.lanes[of_lane[0].lane];
            self.acknowledge(lane, of_lane);
            resume.extend(of_lane.last().map(|last| Confirmed {
                partition: lane.partition.clone(),
                resume: last.position().to_resume(),
            }));
        }
        Ok(())
    }

    fn close(&mut self, deadline: Duration) -> Result<()> {
        let until = Instant::now() + deadline;
        self.lanes.iter().for_each(|lane| lane.link.close());
        while !self.lanes.iter().all(|lane| lane.is_closed) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let mut arrivals = std::mem::take(&mut self.arrivals);
            arrivals.clear();
            self.inbox.take(&mut arrivals, left);
            for (lane, arrival) in arrivals.drain(..) {
                self.lanes[lane].is_closed |= matches!(arrival, Arrival::Closed);
            }
        }
        let open = self.lanes.iter().find(|lane| lane.link.has_unconfirmed());
        let error = open.map(|lane| {
            let what = "acknowledge the last records before closing";
            told::place(lane, Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what))
                .with_source("the broker did not confirm them in time")
        });
        self.lanes.clear();
        // What did not get through must not keep the messages: the broker gives them out again once the connection is gone.
        self.cluster.end();
        error.map_or(Ok(()), Err)
    }
}
