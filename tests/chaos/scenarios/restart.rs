//! Restarts within the process: after which errors, and after which not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use millstream::batch::OwnedRecord;
use millstream::config::Restart;
use millstream::error::codes;
use millstream::memory::{Broker, Sink, Source};
use millstream::prelude::*;
use millstream::source::{
    OpenContext, PartitionFinder, Reader, ReaderContext, Source as SourceContract,
    SourceCapabilities,
};
use millstream::{ErrorKind, kafka, run};

use super::{Route, SOON};
use crate::harness::Stage;
use crate::program::Pace;
use crate::wait;

/// A wait before a restart that a test would notice.
const NOTICEABLE: Duration = Duration::from_secs(5);

fn config(backoff: Duration) -> Config {
    Config { workers: 2, restart: Some(Restart { attempts: 5, backoff }), ..Config::default() }
}

fn broker_with(n_records: usize) -> Broker {
    let broker = Broker::new();
    for topic in ["in", "out"] {
        broker.create_topic(topic, 2).expect("the topic is new");
    }
    let mut producer = broker.producer("in").expect("the topic exists");
    for number in 0..n_records {
        producer.send(OwnedRecord::of(number.to_string())).expect("there is room");
    }
    broker
}

/// The broker is down for longer than the sink tries: the dataflow fails, restarts until the broker is back, and goes on.
pub(super) fn outage(stage: &Stage) {
    let broker = stage.spare();
    let mut rng = stage.rng();
    for number in 0..stage.loops {
        let route = Route::new(stage, &format!("outage{number}"), broker, broker);
        let copy = route
            .copy()
            .env("RESTART_ATTEMPTS", "20")
            .env("RESTART_BACKOFF", "300ms")
            .env("OPEN_TIMEOUT", "2s")
            .arg("delivery_timeout", "2000")
            .pace(Pace::SlowAll);
        route.feed(50_000);
        let mut program = copy.start();
        route.await_more_than(0);
        wait::pass(rng.millis(0, 100));
        // Slow as the copy is, most of the records are still to be written.
        broker.kill(1);
        let restarts = || program.said().contains("restarts after: ").then_some(());
        let restarted = wait::until(SOON, restarts);
        assert!(restarted.is_some(), "it did not restart:\n{}", program.said());
        // It would read and commit while we look where it will begin.
        program.freeze();
        broker.restart(1);
        let starts = vec![route.committed().into_iter().map(Option::unwrap_or_default).collect()];
        program.thaw();
        let n_out = route.n_out();
        route.feed(1000);
        route.await_more_than(n_out);
        assert!(!program.has_ended(), "{}", program.said());
        program.terminate();
        program.succeeds_within(SOON);
        copy.finish();
        let verdict = route.verify(&starts);
        stage.say(&format!("loop {number} seed {}: {}", stage.seed, verdict.counts));
        verdict.at_least_once();
    }
}

/// A closure that panics once: the dataflow restarts and delivers everything.
pub(super) fn panic_restarts(_stage: &Stage) {
    let broker = broker_with(2000);
    let panics = Arc::new(AtomicUsize::new(0));
    let (inside, count) = (broker.clone(), Arc::clone(&panics));
    let flow = Dataflow::new("panics", move |flow| {
        let count = Arc::clone(&count);
        flow.source("in", Source::new(&inside, "in").until_end())
            .filter(move |record| {
                let bad = record.value() == Some(b"1234");
                assert!(
                    !bad || count.fetch_add(1, Ordering::SeqCst) > 0,
                    "planned: {:?}",
                    record.position()
                );
                true
            })
            .sink("out", Sink::new(&inside, "out"));
    });
    run(&flow, config(Duration::from_millis(50))).expect("the second execution passes");
    assert_eq!(panics.load(Ordering::SeqCst), 2, "the record comes again once");
    let records = broker.records("out").expect("the topic exists");
    let mut texts: Vec<_> = records.iter().filter_map(OwnedRecord::text).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 2000);
}

/// A wrong setting does not mend itself: no restart, at once.
pub(super) fn config_error_never_restarts(stage: &Stage) {
    let (address, topic) = (stage.shared().address.clone(), stage.fresh("absent"));
    let flow = Dataflow::new("misled", move |flow| {
        flow.source("in", kafka::Source::new(&address, &topic)).map(|_record| ()).discard();
    });
    let begin = Instant::now();
    let error = run(&flow, config(NOTICEABLE)).expect_err("the topic does not exist");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Config, codes::UNKNOWN_TOPIC));
    assert!(begin.elapsed() < NOTICEABLE, "it waited {:?}", begin.elapsed());
}

/// What cannot be read again cannot restart: refused before anything opens.
pub(super) fn not_replayable_is_refused(_stage: &Stage) {
    let broker = broker_with(1);
    let inside = broker.clone();
    let flow = Dataflow::new("once", move |flow| {
        flow.source("in", Once(Source::new(&inside, "in"))).sink("out", Sink::new(&inside, "out"));
    });
    let error = run(&flow, config(NOTICEABLE)).expect_err("it cannot be read again");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Config, codes::BAD_GRAPH));
    assert!(error.report().contains("cannot be read again"), "{}", error.report());
    assert_eq!(broker.len("out").expect("the topic exists"), 0);
}

/// A source that says that it cannot be read again.
struct Once(Source);

impl SourceContract for Once {
    fn connector(&self) -> &'static str {
        "once"
    }

    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities { replayable: false, redelivers: false, ..self.0.capabilities() }
    }

    fn finder(&self, cx: &OpenContext) -> millstream::Result<Box<dyn PartitionFinder>> {
        self.0.finder(cx)
    }

    fn reader(&self, cx: ReaderContext) -> millstream::Result<Box<dyn Reader>> {
        self.0.reader(cx)
    }
}
