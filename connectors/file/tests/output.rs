//! When a record counts as durable, on an output that does as it is told.

mod support;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use millstream_engine::Result;
use millstream_engine::batch::{OwnedRecord, RecordBatch};
use millstream_engine::runtime::Wake;
use millstream_engine::sink::{WhenFull, WriterContext};
use millstream_file::Format;
use millstream_file::output::{Bounds, Output, writer};
use support::open_context;

/// How long anything may take that should happen soon.
const PATIENCE: Duration = Duration::from_secs(30);

/// Says what it was asked, and goes on when it is let.
struct Told {
    calls: Sender<String>,
    go_on: Receiver<()>,
}

impl Told {
    fn call(&self, what: String) {
        self.calls.send(what).expect("the test listens");
        self.go_on.recv_timeout(PATIENCE).expect("the test goes on");
    }
}

impl Output for Told {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.call(format!("append {}", String::from_utf8_lossy(bytes).escape_default()));
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.call("sync".to_owned());
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.call("finish".to_owned());
        Ok(())
    }
}

#[test]
fn record_is_durable_after_its_sync() {
    let ((calls, called), (let_on, go_on)) = (channel(), channel());
    let bounds = Bounds {
        format: Format::Lines,
        sync_interval: Duration::ZERO,
        queue_records: 2,
        queue_bytes: 100,
        when_full: WhenFull::Wait,
    };
    let (woken, wakes) = channel();
    let wake = Wake::new(move || woken.send(()).expect("the test listens"));
    let cx = WriterContext {
        open: open_context(),
        shard: 0,
        n_shards: 1,
        generation: 1,
        wake: wake.clone(),
    };
    let output = Box::new(Told { calls, go_on });
    let mut writer = writer(output, bounds, "told".to_owned(), cx).expect("a thread starts");
    let mut batch = RecordBatch::default();
    for value in ["a", "b", "c", "d", "e"] {
        batch.push_owned(&OwnedRecord::of(value));
    }
    let next_call = || called.recv_timeout(PATIENCE).expect("it is called");
    let go = || let_on.send(()).expect("it waits");

    assert_eq!(writer.write(1, &batch, 0).expect("it goes on"), 2, "what the queue holds");
    assert_eq!(next_call(), "append a\\nb\\n");
    wakes.recv_timeout(PATIENCE).expect("there is room again");
    wake.reset();
    assert_eq!(writer.write(2, &batch, 2).expect("it goes on"), 4);
    go();
    assert_eq!(next_call(), "sync");
    assert_eq!(writer.oldest_unconfirmed(), Some(1), "written is not durable");
    go();
    assert_eq!(next_call(), "append c\\nd\\n");
    wakes.recv_timeout(PATIENCE).expect("something was confirmed");
    assert_eq!(writer.oldest_unconfirmed(), Some(2));
    go();
    assert_eq!(next_call(), "sync");
    go();
    go();
    writer.close();
    assert_eq!(writer.oldest_unconfirmed(), None);
    assert_eq!(next_call(), "finish");
}
