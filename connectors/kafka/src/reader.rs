//! The running half of a source: copies messages into batches, and commits what became durable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_engine::batch::{NO_TIME, Origin, RecordBatch};
use millstream_engine::error::{ErrorKind, Result};
use millstream_engine::source::{
    Assignment, Confirmed, Read, Reader as ReaderContract, ReaderContext, ResumePosition,
};
use rdkafka::types::RDKafkaErrorCode;

use crate::config::Expired;
use crate::consumer::{Consumer, index_of, list, offset_of};
use crate::finder::{expired, parse};
use crate::group::Group;
use crate::lanes::{Lane, check_topics, is_gone, pause, strange};
use crate::receipts::{Receipts, RunEnd};

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
    lanes: Vec<Lane>,
    receipts: Receipts,
    group: Group,
    serve_at: u64,
}

impl Reader {
    pub(crate) fn new(consumer: Consumer, cx: ReaderContext) -> Self {
        Self {
            consumer: Some(consumer),
            cx,
            lanes: Vec::new(),
            receipts: Receipts::default(),
            group: Group::default(),
            serve_at: 0,
        }
    }

    /// Fills the batch from what the client has, without waiting.
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
                let text = message.error_text();
                consumer.raw.pop();
                self.on_error(consumer, code, lane, &text)?;
                continue;
            }
            let lane = match run {
                Some(run) if run.place == message.place() => run.lane,
                _ => {
                    self.end_run(run);
                    let Some(lane) = self.lane_of(message.topic(), message.place().1) else {
                        return Err(strange(message.topic(), message.place().1));
                    };
                    *run = Some(Run { place: message.place(), lane });
                    if !self.lanes[lane].ended {
                        batch.set_origin(&self.lanes[lane].origin);
                    }
                    lane
                }
            };
            let lane = &mut self.lanes[lane];
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

    fn is_full(&self, batch: &RecordBatch) -> bool {
        batch.n_bytes() >= self.cx.batch_bytes || batch.len() >= self.cx.batch_records
    }

    fn end_run(&mut self, run: &mut Option<Run>) {
        if let Some(run) = run.take() {
            let end = RunEnd { lane: run.lane, next: self.lanes[run.lane].next };
            self.receipts.run_ended(end);
        }
    }

    fn lane_of(&self, topic: &str, index: i32) -> Option<usize> {
        let index = u32::try_from(index).ok()?;
        self.lanes
            .iter()
            .position(|lane| lane.partition.index == index && &*lane.partition.topic == topic)
    }

    /// An error that stands in the place of a record.
    fn on_error(
        &mut self,
        consumer: &Consumer,
        code: RDKafkaErrorCode,
        lane: Option<usize>,
        text: &str,
    ) -> Result<()> {
        let Some(lane) = lane else {
            consumer.raw.listener().hear(text);
            return Ok(());
        };
        let partition = self.lanes[lane].partition.clone();
        match code {
            RDKafkaErrorCode::PartitionEOF => {
                if self.cx.bounded {
                    self.lanes[lane].ended = true;
                    pause(consumer, &partition);
                }
                Ok(())
            }
            RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset => {
                self.on_expired(consumer, lane)
            }
            RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition => Err(is_gone(&partition)),
            _ => {
                let error = consumer.refused(code, "read from Kafka");
                if error.kind() == ErrorKind::Unavailable {
                    consumer.raw.listener().hear(text);
                    return Ok(());
                }
                Err(error
                    .at_partition(&partition.topic, partition.index)
                    .at_position(self.lanes[lane].next))
            }
        }
    }

    /// The broker no longer has the record that comes next, and the policy says stop: otherwise the client goes on by itself.
    fn on_expired(&self, consumer: &Consumer, lane: usize) -> Result<()> {
        let lane = &self.lanes[lane];
        let what = format!("read on at position {}", lane.next);
        let low = consumer.bounds(&lane.partition)?.low;
        Err(expired(Expired::Stop, &lane.partition, &what, low))
    }

    /// Looks at what the client says by the way: when there is time, and from time to time when there is not.
    fn serve(&mut self, consumer: &Consumer) -> Result<()> {
        self.serve_at = self.cx.open.clock.micros() + SERVE_MICROS;
        consumer.raw.serve().map_err(|error| consumer.failed(&error, "read from Kafka"))?;
        consumer.check_login()?;
        self.group.poll(consumer);
        if consumer.raw.listener().take_doubt() {
            check_topics(&self.lanes, consumer)
        } else {
            Ok(())
        }
    }

    fn read_from(
        &mut self,
        consumer: &mut Consumer,
        batch: &mut RecordBatch,
        wait: Duration,
    ) -> Result<Read> {
        let end = Instant::now() + wait;
        self.fill(consumer, batch)?;
        if !batch.is_empty() && self.cx.open.clock.micros() >= self.serve_at {
            self.serve(consumer)?;
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
        let mut lanes = Vec::with_capacity(assignments.len());
        for Assignment { partition, start, .. } in assignments {
            let start = parse(partition, start)?;
            let known = self
                .lanes
                .iter()
                .map(|lane| &lane.origin.topic)
                .find(|topic| **topic == partition.topic);
            let topic = known.unwrap_or(&partition.topic);
            let origin = Origin {
                connector: "kafka".into(),
                topic: Arc::clone(topic),
                partition: partition.index,
            };
            lanes.push(Lane {
                partition: partition.clone(),
                origin,
                next: start,
                durable: start,
                ended: false,
            });
        }
        let starts = list(lanes.iter().map(|lane| (&lane.partition, offset_of(lane.next))));
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
            let position = ResumePosition(lane.durable.to_string());
            resume.push(Confirmed { partition: lane.partition.clone(), resume: position });
            group.add(&lane.partition, lane.durable);
        }
        if let Some(consumer) = &self.consumer {
            self.group.poll(consumer);
        }
        Ok(())
    }

    fn lag(&self) -> Option<u64> {
        let raw = &self.consumer.as_ref()?.raw;
        let lags = self.lanes.iter().map(|lane| {
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
