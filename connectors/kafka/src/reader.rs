//! The running half of a source: copies messages into batches, and commits what became durable.

mod changes;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_engine::batch::{NO_TIME, RecordBatch};
use millstream_engine::error::{Error, ErrorKind, Result};
use millstream_engine::source::{
    Assignment, Confirmed, Partition, Read, Reader as ReaderContract, ReaderContext,
};
use rdkafka::types::RDKafkaErrorCode;

use crate::config::{End, Expired, SourceConfig};
use crate::consumer::{Consumer, index_of, list, offset_of};
use crate::group::Group;
use crate::lanes::{Lane, strange};
use crate::position::Position;
use crate::raw::Message;
use crate::receipts::{Receipts, RunEnd};
use crate::watch::{Watch, is_unknown};

/// The longest wait for records before the client's own messages are looked at.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Microseconds between looks at the client's own messages while records come.
const SERVE_MICROS: u64 = 100_000;

/// The run that is being copied: the messages of one place belong to one lane.
struct Run {
    place: (usize, i32),
    lane: usize,
}

/// Reads the partitions that it was assigned.
pub(crate) struct Reader {
    /// `None` once closed.
    consumer: Option<Consumer>,
    cx: ReaderContext,
    end: End,
    expired: Expired,
    lanes: Vec<Lane>,
    receipts: Receipts,
    group: Group,
    watch: Watch,
    serve_at: u64,
    /// Errors that came while there were records to hand out, or several at once: at most one a topic.
    failed: VecDeque<Error>,
}

impl Reader {
    pub(crate) fn new(consumer: Consumer, cx: ReaderContext, config: &SourceConfig) -> Self {
        Self {
            consumer: Some(consumer),
            cx,
            end: config.end.clone(),
            expired: config.expired,
            lanes: Vec::new(),
            receipts: Receipts::default(),
            group: Group::default(),
            watch: Watch::default(),
            serve_at: 0,
            failed: VecDeque::new(),
        }
    }

    /// Fills the batch from what the client has, without waiting. An error comes only while the batch is empty.
    fn fill(&mut self, consumer: &mut Consumer, batch: &mut RecordBatch) -> Result<()> {
        let mut run: Option<Run> = None;
        let mut more = true;
        loop {
            self.copy(consumer, batch, &mut run)?;
            if !more || self.is_full(batch) || consumer.raw.first().is_some() {
                break;
            }
            more = consumer.raw.refill();
        }
        self.end_run(&mut run);
        Ok(())
    }

    /// Copies what was taken from the client, until the batch is full or an error stands first.
    fn copy(
        &mut self,
        consumer: &mut Consumer,
        batch: &mut RecordBatch,
        run: &mut Option<Run>,
    ) -> Result<()> {
        while let Some(message) = consumer.raw.first() {
            if self.is_full(batch) {
                return Ok(());
            }
            if let Some(code) = message.error() {
                if !batch.is_empty() && code != RDKafkaErrorCode::PartitionEOF {
                    return Ok(());
                }
                let lane = self.lane_of(message.topic(), message.place().1);
                let (offset, text) = (message.offset(), message.error_text());
                consumer.raw.pop();
                match (code, lane) {
                    (RDKafkaErrorCode::PartitionEOF, Some(lane)) => {
                        self.on_end(consumer, lane, offset);
                    }
                    (_, Some(lane)) => self.on_error(consumer, code, lane, &text)?,
                    (_, None) => consumer.raw.listener().hear(&text),
                }
                continue;
            }
            let lane = match run {
                Some(run) if run.place == message.place() => run.lane,
                _ => match self.start_run(message, batch, run) {
                    Some(lane) => lane,
                    None if !batch.is_empty() => return Ok(()),
                    None => {
                        let error = strange(message.topic(), message.place().1);
                        consumer.raw.pop();
                        return Err(error);
                    }
                },
            };
            let lane = &mut self.lanes[lane];
            if !lane.ended && lane.until.is_some_and(|until| message.offset() >= until) {
                lane.end(consumer);
            }
            if !lane.ended {
                if batch.is_empty() {
                    batch.ingest_micros = self.cx.open.clock.micros();
                }
                let time = message.time().unwrap_or(NO_TIME);
                batch.push(message.key(), message.value(), time, message.offset());
                if !message.is_without_headers() {
                    message.headers(|name, value| batch.push_header(name, value));
                }
                lane.next = message.offset() + 1;
            }
            consumer.raw.pop();
        }
        Ok(())
    }

    /// Begins the run of a message's partition; nothing for one that was not assigned.
    fn start_run(
        &mut self,
        message: Message<'_>,
        batch: &mut RecordBatch,
        run: &mut Option<Run>,
    ) -> Option<usize> {
        self.end_run(run);
        let place = message.place();
        let lane = self.lane_of(message.topic(), place.1)?;
        *run = Some(Run { place, lane });
        if !self.lanes[lane].ended {
            batch.set_origin(&self.lanes[lane].origin);
        }
        Some(lane)
    }

    fn is_full(&self, batch: &RecordBatch) -> bool {
        batch.n_bytes() >= self.cx.batch_bytes || batch.len() >= self.cx.batch_records
    }

    fn end_run(&mut self, run: &mut Option<Run>) {
        if let Some(run) = run.take() {
            let end = RunEnd { lane: run.lane, next: self.lanes[run.lane].next };
            self.receipts.run_ended(end);
        }
    }

    /// The lane of a partition: the newest, where there are several.
    fn lane_of(&self, topic: &str, index: i32) -> Option<usize> {
        let index = u32::try_from(index).ok()?;
        self.lanes
            .iter()
            .rposition(|lane| lane.partition.index == index && &*lane.partition.topic == topic)
    }

    /// The client has come to the end of what is there.
    fn on_end(&mut self, consumer: &Consumer, lane: usize, offset: u64) {
        let lane = &mut self.lanes[lane];
        if self.cx.bounded && !lane.ended && lane.ends_at(offset) {
            lane.end(consumer);
        }
    }

    /// An error that stands in the place of a record. What the cluster has to be asked about is said later, by name.
    fn on_error(
        &mut self,
        consumer: &Consumer,
        code: RDKafkaErrorCode,
        lane: usize,
        text: &str,
    ) -> Result<()> {
        let lane = &mut self.lanes[lane];
        if lane.ended {
            return Ok(());
        }
        if matches!(code, RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset) {
            lane.out_of_range = true;
            self.watch.doubt();
            return Ok(());
        }
        if is_unknown(code) {
            self.watch.doubt();
            return Ok(());
        }
        let error = consumer.refused(code, "read from Kafka");
        if error.kind() == ErrorKind::Unavailable {
            consumer.raw.listener().hear(text);
            return Ok(());
        }
        let error =
            error.at_partition(&lane.partition.topic, lane.partition.index).at_position(lane.next);
        if error.kind() == ErrorKind::Corrupt {
            // The client would fetch the same batch again and again, and say the same each time.
            lane.end(consumer);
            return Err(
                error.with_hint("What lies there is damaged. `with_positions` starts behind it.")
            );
        }
        Err(error)
    }

    /// Looks at what the client says by the way: when there is time, and from time to time when there is not.
    fn serve(&mut self, consumer: &mut Consumer) -> Result<()> {
        let now = self.cx.open.clock.micros();
        self.serve_at = now + SERVE_MICROS;
        consumer.raw.serve().map_err(|error| consumer.failed(&error, "read from Kafka"))?;
        consumer.check_login()?;
        self.group.poll(consumer);
        if consumer.raw.listener().take_doubt() {
            self.watch.doubt();
        }
        if let Some(answer) = self.watch.poll(consumer, now, &self.lanes) {
            self.on_answer(consumer, &answer);
        }
        self.failed.pop_front().map_or(Ok(()), Err)
    }

    /// Where a bounded reading of partitions ends, as far as that is known beforehand.
    fn ends(
        &self,
        consumer: &Consumer,
        assignments: &[Assignment],
    ) -> Result<HashMap<Partition, u64>> {
        match &self.end {
            End::Never | End::Latest => Ok(HashMap::new()),
            End::Explicit(positions) => Ok(positions.iter().cloned().collect()),
            End::Timestamp(millis) => {
                let partitions: Vec<_> = assignments.iter().map(|a| &a.partition).collect();
                consumer.at_time(&partitions, *millis)
            }
        }
    }

    fn read_from(
        &mut self,
        consumer: &mut Consumer,
        batch: &mut RecordBatch,
        wait: Duration,
    ) -> Result<Read> {
        let end = Instant::now() + wait;
        if let Some(error) = self.failed.pop_front() {
            return Err(error);
        }
        self.fill(consumer, batch)?;
        if !batch.is_empty()
            && self.cx.open.clock.micros() >= self.serve_at
            && let Err(error) = self.serve(consumer)
        {
            self.failed.push_front(error);
        }
        while batch.is_empty() {
            if self.cx.bounded && self.lanes.iter().all(|lane| lane.ended) {
                return Ok(Read::End);
            }
            self.serve(consumer)?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Read::Idle);
            }
            consumer.raw.wait(left.min(LONGEST_WAIT));
            self.fill(consumer, batch)?;
        }
        self.receipts.batch_ended();
        Ok(Read::Records)
    }
}

impl ReaderContract for Reader {
    fn assign(&mut self, assignments: &[Assignment]) -> Result<()> {
        let Some(consumer) = &self.consumer else {
            return Ok(());
        };
        let ends = self.ends(consumer, assignments)?;
        let mut lanes: Vec<Lane> = Vec::with_capacity(assignments.len());
        for Assignment { partition, start, .. } in assignments {
            let start = Position::parse(partition, start)?;
            let until = ends.get(partition).copied();
            // One name for all partitions of a topic, so that origins are compared by its address.
            let known = self.lanes.iter().chain(&lanes).map(|lane| &lane.partition.topic);
            let topic = known.into_iter().find(|topic| **topic == partition.topic).cloned();
            let partition = Partition {
                topic: topic.unwrap_or_else(|| Arc::clone(&partition.topic)),
                index: partition.index,
            };
            lanes.push(Lane::new(&partition, start, until));
        }
        let reading = lanes.iter().filter(|lane| !lane.ended);
        let starts = list(reading.map(|lane| (&lane.partition, offset_of(lane.next))));
        self.lanes.extend(lanes);
        consumer
            .raw
            .assign(&starts)
            .map_err(|error| consumer.failed(&error, "start to read partitions"))
    }

    fn read(&mut self, batch: &mut RecordBatch, wait: Duration) -> Result<Read> {
        let Some(mut consumer) = self.consumer.take() else {
            return Ok(Read::End);
        };
        let read = self.read_from(&mut consumer, batch, wait);
        self.consumer = Some(consumer);
        read
    }

    fn confirm(&mut self, n_batches: u64, resume: &mut Vec<Confirmed>) -> Result<()> {
        let Self { lanes, receipts, group, .. } = self;
        let mut advanced: Vec<usize> = Vec::new();
        receipts.confirm(n_batches, |end| {
            lanes[end.lane].durable = lanes[end.lane].durable.max(end.next);
            if !advanced.contains(&end.lane) {
                advanced.push(end.lane);
            }
        });
        for lane in advanced.into_iter().map(|lane| &lanes[lane]) {
            let position = lane.resume();
            let (partition, resumes) = (lane.partition.clone(), position.to_resume());
            resume.push(Confirmed { partition, resume: resumes });
            group.add(&lane.partition, position);
        }
        if let Some(consumer) = &self.consumer {
            self.group.poll(consumer);
        }
        Ok(())
    }

    fn lag(&self) -> Option<u64> {
        let raw = &self.consumer.as_ref()?.raw;
        let lags = self.lanes.iter().filter(|lane| !lane.ended).map(|lane| {
            let end = raw.known_end(&lane.partition.topic, index_of(&lane.partition))?;
            Some(end.saturating_sub(lane.next))
        });
        lags.sum()
    }

    fn close(&mut self, deadline: Duration) -> Result<()> {
        let Some(consumer) = self.consumer.take() else {
            return Ok(());
        };
        let clock = &self.cx.open.clock;
        let until =
            clock.micros().saturating_add(u64::try_from(deadline.as_micros()).unwrap_or(u64::MAX));
        let finished = self.group.finish(&consumer, deadline);
        let left = Duration::from_micros(until.saturating_sub(clock.micros()));
        let_go(consumer, left);
        finished
    }
}

/// Destroys the consumer on a thread of its own, because that may take long when a broker does not answer.
fn let_go(consumer: Consumer, wait: Duration) {
    let (done, gone) = std::sync::mpsc::channel::<()>();
    let destroy = move || {
        drop(consumer);
        drop(done);
    };
    if std::thread::Builder::new().name("kafka-close".to_owned()).spawn(destroy).is_ok() {
        // Either the thread is done, or it goes on without us.
        let _either = gone.recv_timeout(wait);
    }
}
