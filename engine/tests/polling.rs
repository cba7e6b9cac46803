//! A writer is asked again what became of its records, also when nothing else happens.

use std::sync::mpsc::channel;
use std::time::Duration;

use millstream_engine::batch::{OwnedRecord, RecordBatch};
use millstream_engine::sink::{Rejected, Sink, SinkCapabilities, Writer, WriterContext};
use millstream_engine::testing::TestSource;
use millstream_engine::{Config, Dataflow, Result, run};

/// Confirms everything when it is asked for the fifth time, and wakes nobody.
struct Sleepy;

struct SleepyWriter {
    oldest: Option<u64>,
    n_polls: usize,
}

impl Sink for Sleepy {
    fn connector(&self) -> &'static str {
        "sleepy"
    }

    fn target(&self) -> String {
        "nowhere".to_owned()
    }

    fn capabilities(&self) -> SinkCapabilities {
        SinkCapabilities {
            confirms: true,
            transactional: false,
            idempotent: false,
            headers: true,
            routes: false,
        }
    }

    fn writer(&self, _cx: WriterContext) -> Result<Box<dyn Writer>> {
        Ok(Box::new(SleepyWriter { oldest: None, n_polls: 0 }))
    }
}

impl Writer for SleepyWriter {
    fn write(&mut self, epoch: u64, batch: &RecordBatch, _from: usize) -> Result<usize> {
        self.oldest = Some(self.oldest.map_or(epoch, |oldest| oldest.min(epoch)));
        self.n_polls = 0;
        Ok(batch.len())
    }

    fn poll(&mut self, _rejected: &mut Vec<Rejected>) -> Result<()> {
        self.n_polls += 1;
        if self.n_polls >= 5 {
            self.oldest = None;
        }
        Ok(())
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        self.oldest
    }
}

#[test]
fn writer_that_wakes_nobody_is_polled() {
    let source = TestSource::new([OwnedRecord::of("a")]);
    let flow = Dataflow::new("sleepy", move |flow| {
        flow.source("in", source.clone()).sink("out", Sleepy);
    });
    let (tell, told) = channel();
    std::thread::spawn(move || tell.send(run(&flow, Config { workers: 1, ..Config::default() })));
    let ended = told.recv_timeout(Duration::from_secs(30)).expect("the dataflow ends");
    assert!(ended.is_ok());
}
