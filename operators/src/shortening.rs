//! The sink under `dead_letters`: a dead letter that is too large is tried once more, without its value.
//!
//! Invariant: an epoch is unconfirmed as long as one of its letters waits to be tried again.

use std::collections::VecDeque;

use millstream_engine::batch::{OwnedRecord, RecordBatch};
use millstream_engine::error::codes;
use millstream_engine::flow::VALUE_LEFT_OUT_HEADER;
use millstream_engine::sink::{Rejected, Sink, SinkCapabilities, Writer, WriterContext};
use millstream_engine::source::OpenContext;
use millstream_engine::{Error, Result};

/// Another sink, which is given dead letters that it refused as too large once more, without their values.
pub(crate) struct Shortening<S>(pub(crate) S);

impl<S: Sink> Sink for Shortening<S> {
    fn connector(&self) -> &'static str {
        self.0.connector()
    }

    fn target(&self) -> String {
        self.0.target()
    }

    fn capabilities(&self) -> SinkCapabilities {
        self.0.capabilities()
    }

    fn faults(&self) -> Vec<Error> {
        self.0.faults()
    }

    fn prepare(&self, cx: &OpenContext) -> Result<()> {
        self.0.prepare(cx)
    }

    fn writer(&self, cx: WriterContext) -> Result<Box<dyn Writer>> {
        let writer = self.0.writer(cx)?;
        Ok(Box::new(ShorteningWriter { writer, waiting: VecDeque::new(), told: Vec::new() }))
    }
}

struct ShorteningWriter {
    writer: Box<dyn Writer>,
    /// Epochs and letters without their values: at most as many as the writer's queue holds, for nothing else is written while
    /// one waits.
    waiting: VecDeque<(u64, RecordBatch)>,
    /// Kept for its memory.
    told: Vec<Rejected>,
}

impl ShorteningWriter {
    /// Hands over what waits, as far as the writer takes it.
    fn try_again(&mut self) -> Result<()> {
        while let Some((epoch, letter)) = self.waiting.front() {
            if self.writer.write(*epoch, letter, 0)? == 0 {
                return Ok(());
            }
            self.waiting.pop_front();
        }
        Ok(())
    }
}

impl Writer for ShorteningWriter {
    fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<usize> {
        self.try_again()?;
        if self.waiting.is_empty() { self.writer.write(epoch, batch, from) } else { Ok(from) }
    }

    fn epoch_closed(&mut self, frontier: Option<u64>) {
        self.writer.epoch_closed(frontier);
    }

    fn poll(&mut self, rejected: &mut Vec<Rejected>) -> Result<()> {
        self.writer.poll(&mut self.told)?;
        for told in self.told.drain(..) {
            match without_value(&told) {
                Some(letter) => self.waiting.push_back((told.epoch, letter)),
                None => rejected.push(explained(told)),
            }
        }
        self.try_again()
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        let waiting = self.waiting.iter().map(|(epoch, _)| *epoch);
        waiting.chain(self.writer.oldest_unconfirmed()).min()
    }

    fn close(&mut self) {
        self.writer.close();
    }
}

/// The letter without its value, where it was refused for its size and has one.
fn without_value(rejected: &Rejected) -> Option<RecordBatch> {
    let value = rejected.record.value.as_ref()?;
    if rejected.error.code() != codes::TOO_LARGE {
        return None;
    }
    let letter = OwnedRecord { value: None, ..rejected.record.clone() };
    let mut batch = RecordBatch::default();
    batch.push_owned(&letter.with_header(VALUE_LEFT_OUT_HEADER, value.len().to_string()));
    Some(batch)
}

fn explained(rejected: Rejected) -> Rejected {
    if rejected.error.code() != codes::TOO_LARGE {
        return rejected;
    }
    let hint = "Even without its value the dead letter is too large: raise what its topic takes.";
    Rejected { error: rejected.error.with_hint(hint), ..rejected }
}
