//! The running halves of a source of the program's own: its one partition, and the reader that calls the closure.
//!
//! Invariant: a closure that said it has ended, or that panicked, is not called again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fill::Fill;
use super::from_fn::{CONNECTOR, FillFn};
use super::{
    Assignment, Confirmed, Found, OpenContext, Partition, PartitionFinder, Read, Reader,
    ReaderContext, ResumePosition,
};
use crate::batch::{Origin, RecordBatch};
use crate::error::{BoxError, Error, ErrorKind, Result, codes};
use crate::stage::catch;

/// The only partition of a source of the program's own: that of the step's name.
fn only_partition(cx: &OpenContext) -> Partition {
    Partition { topic: Arc::clone(&cx.step), index: 0 }
}

/// Finds the only partition.
#[derive(Debug)]
pub(super) struct FnFinder {
    partition: Partition,
    replayable: bool,
}

impl FnFinder {
    pub(super) fn new(cx: &OpenContext, replayable: bool) -> Self {
        Self { partition: only_partition(cx), replayable }
    }
}

impl PartitionFinder for FnFinder {
    fn find(&mut self) -> Result<Vec<Partition>> {
        Ok(vec![self.partition.clone()])
    }

    fn resolve(
        &mut self,
        wanted: &[(Partition, Option<ResumePosition>)],
        _found: Found,
    ) -> Result<Vec<Assignment>> {
        let assign = |(partition, stored): &(Partition, Option<ResumePosition>)| Assignment {
            partition: partition.clone(),
            start: stored
                .clone()
                .filter(|_| self.replayable)
                .unwrap_or_else(|| ResumePosition("0".to_owned())),
            committed: None,
        };
        Ok(wanted.iter().map(assign).collect())
    }
}

/// Calls the closure for every batch.
pub(super) struct FnReader {
    /// None once it has ended or panicked.
    fill: Option<FillFn>,
    cx: ReaderContext,
    replayable: bool,
    origin: Origin,
    /// Whether the only partition is read here.
    assigned: bool,
    /// The position of the next record.
    next: u64,
    /// An error that comes after records which were pushed before it.
    failed: Option<Error>,
    /// Where each batch that is not confirmed ends; the engine's ledger bounds how many there are.
    unconfirmed: VecDeque<u64>,
}

impl FnReader {
    pub(super) fn new(fill: FillFn, cx: ReaderContext, replayable: bool) -> Self {
        let origin = Origin::new(CONNECTOR, &cx.open.step, 0);
        Self {
            fill: Some(fill),
            cx,
            replayable,
            origin,
            assigned: false,
            next: 0,
            failed: None,
            unconfirmed: VecDeque::new(),
        }
    }

    /// Calls the closure once; what it failed with comes after what it pushed.
    fn call(&mut self, batch: &mut RecordBatch, wait: Duration) -> Result<()> {
        let Some(fill) = &mut self.fill else { return Ok(()) };
        let mut filling = Fill::new(batch, self.next, &self.cx, wait);
        match catch(|| fill(&mut filling)) {
            Ok(Ok(Read::End)) => self.fill = None,
            Ok(Ok(Read::Records | Read::Idle)) => {}
            Ok(Err(error)) => self.failed = Some(self.failure(error)),
            Err(panicked) => {
                self.fill = None;
                return Err(panicked.into_error().at_partition(&self.origin.topic, 0));
            }
        }
        Ok(())
    }

    fn failure(&self, error: BoxError) -> Error {
        let error = error.downcast::<Error>().map_or_else(
            |other| {
                let what = "read from a source of the program's own";
                Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what).with_source(other)
            },
            |own| *own,
        );
        error.at_partition(&self.origin.topic, 0)
    }

    /// What was pushed, as the engine wants it told.
    fn hand_out(&mut self, batch: &mut RecordBatch) -> Read {
        batch.ingest_micros = self.cx.open.clock.micros();
        self.next += batch.len() as u64;
        self.unconfirmed.push_back(self.next);
        Read::Records
    }
}

impl Reader for FnReader {
    fn assign(&mut self, assignments: &[Assignment]) -> Result<()> {
        for Assignment { partition, start, .. } in assignments {
            self.next = start.0.parse().map_err(|error: std::num::ParseIntError| {
                let what = format!("resume a source of the program's own at \"{start}\"");
                Error::new(ErrorKind::Corrupt, codes::STATE_CORRUPT, what)
                    .at_partition(&partition.topic, partition.index)
                    .with_source(error)
            })?;
            self.assigned = true;
        }
        Ok(())
    }

    fn read(&mut self, batch: &mut RecordBatch, wait: Duration) -> Result<Read> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if !self.assigned {
            return Ok(Read::End);
        }
        let started = Instant::now();
        batch.set_origin(&self.origin);
        self.call(batch, wait)?;
        if !batch.is_empty() {
            return Ok(self.hand_out(batch));
        }
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.fill.is_none() {
            return Ok(Read::End);
        }
        wait_out(started, wait);
        Ok(Read::Idle)
    }

    fn confirm(&mut self, n_batches: u64, resume: &mut Vec<Confirmed>) -> Result<()> {
        let mut durable = None;
        for _ in 0..n_batches {
            durable = self.unconfirmed.pop_front().or(durable);
        }
        if let Some(next) = durable.filter(|_| self.replayable) {
            let partition = only_partition(&self.cx.open);
            resume.push(Confirmed { partition, resume: ResumePosition(next.to_string()) });
        }
        Ok(())
    }

    fn close(&mut self, _deadline: Duration) -> Result<()> {
        self.fill = None;
        Ok(())
    }
}

/// Waits until `wait` has passed since `started`: a closure that returns at once must not make its thread spin.
fn wait_out(started: Instant, wait: Duration) {
    while let Some(rest) = wait.checked_sub(started.elapsed()).filter(|rest| !rest.is_zero()) {
        std::thread::park_timeout(rest);
    }
}
