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

#[cfg(test)]
mod tests {
    use millstream_engine::ErrorKind;

    use super::*;

    /// Refuses a letter as too large, and has no room for another until it is asked often enough.
    #[derive(Default)]
    struct Full {
        n_asked: usize,
        refused: Option<Rejected>,
        taken: Vec<(u64, OwnedRecord)>,
    }

    /// Times that [`Full`] takes nothing.
    const N_FULL: usize = 2;

    impl Writer for Full {
        fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<usize> {
            self.n_asked += 1;
            if self.n_asked <= N_FULL {
                return Ok(from);
            }
            self.taken.extend(batch.iter().skip(from).map(|record| (epoch, record.to_owned())));
            let (first, letter) = &self.taken[0];
            assert_eq!((*first, &letter.value, letter.headers.len()), (5, &None, 1));
            Ok(batch.len())
        }

        fn poll(&mut self, rejected: &mut Vec<Rejected>) -> Result<()> {
            rejected.extend(self.refused.take());
            Ok(())
        }

        fn oldest_unconfirmed(&self) -> Option<u64> {
            self.refused.as_ref().map(|refused| refused.epoch)
        }
    }

    #[test]
    fn waiting_letter_keeps_its_epoch_open_and_goes_first() {
        let error = Error::new(ErrorKind::BadItem, codes::TOO_LARGE, "deliver a record");
        let refused = Rejected { epoch: 5, record: OwnedRecord::of("large"), error, attempts: 1 };
        let full = Full { refused: Some(refused), ..Full::default() };
        let mut writer =
            ShorteningWriter { writer: Box::new(full), waiting: VecDeque::new(), told: Vec::new() };
        let mut rejected = Vec::new();
        assert_eq!(writer.oldest_unconfirmed(), Some(5));
        writer.poll(&mut rejected).unwrap();
        assert_eq!((writer.oldest_unconfirmed(), writer.waiting.len()), (Some(5), 1));
        let mut next = RecordBatch::default();
        next.push_owned(&OwnedRecord::of("next").with_header("h", ""));
        assert_eq!(writer.write(9, &next, 0).unwrap(), 0, "nothing goes before it");
        assert_eq!(writer.write(9, &next, 0).unwrap(), 1, "there is room for both");
        assert_eq!((writer.oldest_unconfirmed(), rejected.len()), (None, 0));
    }
}
