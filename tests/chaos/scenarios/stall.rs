//! The sink stands still while the source is full: memory stays within the documented sum, and the processor rests.

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use millstream::memory::{Broker, Sink, Source, TopicOptions};
use millstream::prelude::*;
use millstream::start;

use super::{Route, SOON};
use crate::harness::Stage;
use crate::program::Usage;
use crate::verify::Starts;
use crate::wait;

const MIB: usize = 1 << 20;

/// The engine's bounds in these scenarios, per worker.
const IN_FLIGHT: usize = 8 * MIB;
const QUEUE: usize = 2 * MIB;

/// How long the queues may take to fill before the processor must rest.
const FILLING: Duration = Duration::from_secs(3);

/// What both variants check: memory over the whole stall, the processor once the queues are full.
struct Bounds {
    before: Usage,
    allowed: u64,
}

impl Bounds {
    /// At most the documented sum on top of what was there before, and a tenth.
    fn new(before: Usage, sum: usize) -> Self {
        let allowed = (before.resident + sum as u64) * 11 / 10;
        Self { before, allowed }
    }

    /// Watches a stall of this length; says what it saw.
    fn watch(&self, stall: Duration, usage: impl Fn() -> Usage) -> String {
        let mut peak = 0;
        let mut look = |time: Duration| {
            wait::until(time, || {
                peak = peak.max(usage().resident);
                None::<()>
            });
        };
        look(FILLING);
        let full = usage();
        look(stall.saturating_sub(FILLING));
        let (client, ours) = usage().cores_since(&full);
        let mib = |bytes: u64| bytes / MIB as u64;
        let said = format!(
            "resident {} MiB before, {} MiB at most, {} MiB allowed; {:.1} % of a core, and {:.1} % for the client's threads",
            mib(self.before.resident),
            mib(peak),
            mib(self.allowed),
            ours * 100.0,
            client * 100.0
        );
        assert!(peak <= self.allowed, "{said}");
        assert!(ours + client < 0.1, "{said}");
        said
    }
}

fn length(stage: &Stage) -> Duration {
    Duration::from_secs(if stage.full { 60 } else { 10 })
}

/// The sink's broker is frozen, the source's is not.
pub(super) fn on_kafka(stage: &Stage) {
    const WORKERS: usize = 2;
    const SOURCE_QUEUE: usize = 4 * MIB;
    const SINK_QUEUE: usize = 8 * MIB;
    let (source, sink) = (stage.shared(), stage.spare());
    let route = Route::new(stage, "stall", source, sink).with_padding(500);
    route.feed(10_000);
    let copy = route
        .copy()
        .env("WORKERS", &WORKERS.to_string())
        .env("IN_FLIGHT_BYTES", &IN_FLIGHT.to_string())
        .env("QUEUE_BYTES", &QUEUE.to_string())
        .arg("source_queue", &SOURCE_QUEUE.to_string())
        .arg("sink_queue", &SINK_QUEUE.to_string());
    let program = copy.start();
    route.await_all();
    let before = program.usage();
    sink.freeze();
    route.feed(200_000);
    // As the settings of source and sink document it: bytes and records fetched ahead and one fetch per partition; bytes and
    // records to be sent and five batches on their way.
    let source_queue = SOURCE_QUEUE + 10_000 * 400 + 2 * MIB;
    let sink_queue = SINK_QUEUE + 20_000 * 216 + 5 * 1_000_000;
    let sum = WORKERS * (IN_FLIGHT + QUEUE + source_queue + sink_queue);
    let said = Bounds::new(before, sum).watch(length(stage), || program.usage());
    sink.thaw();
    route.await_all();
    program.terminate();
    program.succeeds_within(SOON);
    let verdict = route.verify(&Starts::new());
    stage.say(&format!("stalled for {:?}: {said}; {}", length(stage), verdict.counts));
    verdict.exactly();
}

/// Queues of the sink that are full at once, one by its records and one by its bytes: it waits without spinning, and drops nothing.
pub(super) fn with_small_queues(stage: &Stage) {
    let (source, sink) = (stage.shared(), stage.spare());
    let running = [("records", "sink_records", "100"), ("bytes", "sink_queue", "65536")];
    let running = running.map(|(bound, argument, size)| {
        let route = Route::new(stage, bound, source, sink);
        route.feed(5000);
        let program = route.copy().arg(argument, size).start();
        route.await_all();
        (bound, route, program)
    });
    sink.freeze();
    for (_, route, _) in &running {
        route.feed(50_000);
    }
    wait::pass(FILLING);
    let full = running.each_ref().map(|(_, _, program)| program.usage());
    wait::pass(length(stage));
    for ((bound, _, program), before) in running.iter().zip(&full) {
        let (client, ours) = program.usage().cores_since(before);
        stage.say(&format!("full by its {bound}: {:.1} % of a core", (client + ours) * 100.0));
        assert!(client + ours < 0.1, "{:.1} % of a core", (client + ours) * 100.0);
    }
    sink.thaw();
    for (bound, route, program) in running {
        route.await_all();
        program.terminate();
        program.succeeds_within(SOON);
        let verdict = route.verify(&Starts::new());
        stage.say(&format!("full by its {bound} for {:?}: {}", length(stage), verdict.counts));
        verdict.exactly();
    }
}

/// A stalled sink without a broker, in a process of its own, so that its memory is all that is measured.
pub(super) fn on_memory(stage: &Stage) {
    let this = std::env::current_exe().expect("this program has a path");
    let output = Command::new(this)
        .args(["child-on-memory", &length(stage).as_secs().to_string()])
        .stdin(Stdio::null())
        .output()
        .expect("this program can be started again");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    stage.say(said.trim());
}

/// Runs in that process.
pub(crate) fn memory_child() -> ExitCode {
    const N_RECORDS: u64 = 100_000;
    let seconds = std::env::args().nth(2).and_then(|text| text.parse().ok());
    let stall = Duration::from_secs(seconds.expect("the scenario gives a length"));
    let broker = Broker::new();
    let large = TopicOptions { max_bytes: 128 * MIB, ..TopicOptions::default() };
    for topic in ["in", "out"] {
        broker.create_topic_with(topic, 4, large).expect("the topic is new");
    }
    let mut producer = broker.producer("in").expect("the topic exists");
    for number in 0..N_RECORDS {
        let value = format!("{number:06} {:0>500}", "");
        producer.send_keyed(format!("k{}", number % 100), value).expect("there is room");
    }
    let config =
        Config { workers: 2, in_flight_bytes: IN_FLIGHT, queue_bytes: QUEUE, ..Config::default() };
    let sum = config.workers * (config.in_flight_bytes + config.queue_bytes);
    let faults = broker.faults("out").expect("the topic exists");
    faults.freeze();
    let before = Usage::of("self");
    let inside = broker.clone();
    let flow = Dataflow::new("stalled", move |flow| {
        flow.source("in", Source::new(&inside, "in")).sink("out", Sink::new(&inside, "out"));
    });
    let handle = start(&flow, config).expect("the graph is sound");
    let said = Bounds::new(before, sum).watch(stall, || Usage::of("self"));
    assert_eq!(broker.len("out").expect("the topic exists"), 0);
    faults.thaw();
    let all = wait::until(SOON, || (broker.len("out").ok()? >= N_RECORDS).then_some(()));
    assert!(all.is_some(), "not everything came after the stall");
    handle.stop();
    handle.wait().expect("it stops well");
    let mut numbers: Vec<u64> = Vec::new();
    for record in broker.records("out").expect("the topic exists") {
        let text = record.text().expect("it was written as text");
        numbers.push(text[..6].parse().expect("it starts with a number"));
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..N_RECORDS), "something is lost or repeated");
    println!("stalled for {stall:?}: {said}; {N_RECORDS} records, 0 lost, 0 duplicated");
    ExitCode::SUCCESS
}
