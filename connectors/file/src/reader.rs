//! The running half of the source: fills batches from its files in turn, and says where they resume.
//!
//! Invariant: a position told lies at or before the end of the last confirmed batch.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use millstream_engine::batch::RecordBatch;
use millstream_engine::source::{Assignment, Confirmed, Read, Reader, ReaderContext};
use millstream_engine::{Error, Result};

use crate::config::SourceConfig;
use crate::lane::{Lane, Limits};
use crate::position::Position;

/// Where a batch ends in one of its files.
struct BatchEnd {
    batch: u64,
    lane: usize,
    position: Position,
}

/// Reads the files assigned to one worker.
pub(crate) struct FileReader {
    config: SourceConfig,
    cx: ReaderContext,
    lanes: Vec<Lane>,
    /// The lane to begin the next batch with.
    turn: usize,
    buffer: Vec<u8>,
    /// An error that came behind records: they go first.
    failed: Option<Error>,
    n_read: u64,
    n_confirmed: u64,
    unconfirmed: VecDeque<BatchEnd>,
}

impl FileReader {
    pub(crate) fn new(config: SourceConfig, cx: ReaderContext) -> Self {
        Self {
            config,
            cx,
            lanes: Vec::new(),
            turn: 0,
            buffer: Vec::new(),
            failed: None,
            n_read: 0,
            n_confirmed: 0,
            unconfirmed: VecDeque::new(),
        }
    }

    /// Goes through the lanes, from the one whose turn it is, until the batch is full.
    fn fill(&mut self, batch: &mut RecordBatch) {
        let limits = Limits { bytes: self.cx.batch_bytes, records: self.cx.batch_records.max(1) };
        for n in 0..self.lanes.len() {
            let at = (self.turn + n) % self.lanes.len();
            let lane = &mut self.lanes[at];
            let before = batch.len();
            self.failed = lane.fill(batch, limits, &mut self.buffer).err();
            if batch.len() > before {
                let position = lane.position();
                self.unconfirmed.push_back(BatchEnd { batch: self.n_read, lane: at, position });
            }
            if self.failed.is_some() || limits.is_reached(batch) {
                break;
            }
        }
        self.turn = self.turn.wrapping_add(1);
    }

    fn has_ended(&self) -> bool {
        self.cx.bounded && self.lanes.iter().all(Lane::has_ended)
    }
}

impl Reader for FileReader {
    fn assign(&mut self, assignments: &[Assignment]) -> Result<()> {
        for Assignment { partition, start, .. } in assignments {
            let position = Position::parse(partition, start)?;
            let lane = Lane::open(partition.clone(), position, &self.config, self.cx.bounded)?;
            self.lanes.push(lane);
        }
        Ok(())
    }

    fn read(&mut self, batch: &mut RecordBatch, wait: Duration) -> Result<Read> {
        let until = Instant::now() + wait;
        loop {
            if self.failed.is_none() {
                self.fill(batch);
            }
            if !batch.is_empty() {
                batch.ingest_micros = self.cx.open.clock.micros();
                self.n_read += 1;
                return Ok(Read::Records);
            }
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            let left = until.saturating_duration_since(Instant::now());
            if self.has_ended() {
                return Ok(Read::End);
            }
            if left.is_zero() {
                return Ok(Read::Idle);
            }
            std::thread::park_timeout(left.min(self.config.poll_interval));
        }
    }

    fn confirm(&mut self, n_batches: u64, resume: &mut Vec<Confirmed>) -> Result<()> {
        self.n_confirmed = self.n_read.min(self.n_confirmed + n_batches);
        let mut confirmed = BTreeMap::new();
        while let Some(end) = self.unconfirmed.pop_front_if(|end| end.batch < self.n_confirmed) {
            confirmed.insert(end.lane, end.position);
        }
        resume.extend(confirmed.into_iter().map(|(lane, position)| Confirmed {
            partition: self.lanes[lane].partition.clone(),
            resume: position.to_resume(),
        }));
        Ok(())
    }

    fn close(&mut self, _deadline: Duration) -> Result<()> {
        self.lanes.clear();
        Ok(())
    }
}

impl fmt::Debug for FileReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReader").field("paths", &self.config.paths).finish_non_exhaustive()
    }
}
