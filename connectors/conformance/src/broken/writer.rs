//! Sinks and writers that break one promise.

use millstream_engine::Result;
use millstream_engine::batch::RecordBatch;
use millstream_engine::runtime::Wake;
use millstream_engine::sink::{Rejected, Sink, SinkCapabilities, Writer, WriterContext};
use millstream_engine::source::OpenContext;

use super::{Fault, all_to_one_topic, changed, empty_for_null, without_headers};

pub(super) struct BrokenSink {
    pub(super) sink: Box<dyn Sink>,
    pub(super) fault: Fault,
}

impl Sink for BrokenSink {
    fn connector(&self) -> &'static str {
        self.sink.connector()
    }

    fn target(&self) -> String {
        self.sink.target()
    }

    fn capabilities(&self) -> SinkCapabilities {
        self.sink.capabilities()
    }

    fn prepare(&self, cx: &OpenContext) -> Result<()> {
        self.sink.prepare(cx)
    }

    fn writer(&self, mut cx: WriterContext) -> Result<Box<dyn Writer>> {
        if self.fault == Fault::NeverWakes {
            cx.wake = Wake::new(|| ());
        }
        Ok(Box::new(BrokenWriter { writer: self.sink.writer(cx)?, fault: self.fault }))
    }
}

struct BrokenWriter {
    writer: Box<dyn Writer>,
    fault: Fault,
}

impl Writer for BrokenWriter {
    fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<usize> {
        match self.fault {
            Fault::WritesNullAsEmpty => {
                self.writer.write(epoch, &changed(batch, empty_for_null), from)
            }
            Fault::LeavesHeadersOut => {
                self.writer.write(epoch, &changed(batch, |records| without_headers(records)), from)
            }
            Fault::ReordersWrites => {
                let last = batch.len() - 1;
                let swapped = changed(batch, |records| records.swap(last, last.saturating_sub(7)));
                self.writer.write(epoch, &swapped, from)
            }
            Fault::RoutesAllToOneTopic => {
                self.writer.write(epoch, &changed(batch, all_to_one_topic), from)
            }
            Fault::ForgetsPartitions => {
                let free = changed(batch, |records| {
                    for record in records {
                        record.destination.partition = None;
                    }
                });
                self.writer.write(epoch, &free, from)
            }
            Fault::SendsAPrefixTwice => self.writer.write(epoch, batch, from.saturating_sub(1)),
            Fault::LosesTheRest => self.writer.write(epoch, batch, from).map(|_| batch.len()),
            _ => self.writer.write(epoch, batch, from),
        }
    }

    fn epoch_closed(&mut self, frontier: Option<u64>) {
        self.writer.epoch_closed(frontier);
    }

    fn poll(&mut self, rejected: &mut Vec<Rejected>) -> Result<()> {
        let mut told = Vec::new();
        self.writer.poll(&mut told)?;
        if self.fault == Fault::TellsRejectionsTwice {
            rejected.extend(told.iter().map(|once| Rejected {
                epoch: once.epoch,
                record: once.record.clone(),
                error: millstream_engine::Error::config("deliver a record"),
                attempts: once.attempts,
            }));
        }
        if self.fault != Fault::SwallowsRejections {
            rejected.append(&mut told);
        }
        Ok(())
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        match self.fault {
            Fault::ConfirmsTooEarly => None,
            _ => self.writer.oldest_unconfirmed(),
        }
    }

    fn close(&mut self) {
        self.writer.close();
    }
}
