//! Steps a dataflow by hand, on one thread, with a clock that is moved.

use std::sync::Arc;
use std::time::Duration;

use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::worker::Worker;

use crate::clock::ManualClock;
use crate::config::Config;
use crate::error::Result;
use crate::flow::Dataflow;
use crate::metrics::Snapshot;
use crate::runtime::{Plan, Shared, Stop, WorkerFlow, start_positions};

/// A dataflow that moves only when it is stepped: push to a source, advance the clock, step, read what came out.
///
/// One worker, no thread of its own; every reader runs on the calling thread.
///
/// # Examples
/// ```
/// use millstream_engine::testing::{Harness, TestSink, TestSource};
/// use millstream_engine::Dataflow;
///
/// let (source, sink) = (TestSource::open_ended(), TestSink::new());
/// let (from, to) = (source.clone(), sink.clone());
/// let flow = Dataflow::new("copy", move |flow| flow.source("in", from.clone()).sink("out", to.clone()));
/// let mut harness = Harness::start(&flow)?;
/// source.push("hello");
/// harness.run_until_idle()?;
/// assert_eq!(sink.texts(), ["hello"]);
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub struct Harness {
    worker: Worker,
    flow: Option<WorkerFlow>,
    shared: Arc<Shared>,
    clock: ManualClock,
}

impl std::fmt::Debug for Harness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Harness").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// Steps after which a dataflow counts as idle: the longest path of operators that tests build is shorter.
const IDLE_STEPS: usize = 64;

impl Harness {
    /// Builds and opens a dataflow; nothing has run yet. The clock stands at zero.
    ///
    /// # Errors
    /// As [`crate::start`].
    pub fn start(dataflow: &Dataflow) -> Result<Self> {
        Self::with_config(dataflow, Config::default())
    }

    /// The same with a config; `workers` is 1 whatever it says.
    ///
    /// # Errors
    /// As [`crate::start`].
    pub fn with_config(dataflow: &Dataflow, config: Config) -> Result<Self> {
        let config = Config { workers: 1, ..config };
        let clock = ManualClock::default();
        let shared_clock = clock.shared();
        let plan = Plan::check(dataflow, &config, &shared_clock)?;
        let shared = Shared::new(Arc::clone(&dataflow.name), config, shared_clock, 1);
        let assignments = start_positions(&plan, &shared)?;
        let mut worker = Worker::new(
            timely::WorkerConfig::default(),
            Allocator::Thread(Thread::default()),
            None,
        );
        let flow = WorkerFlow::build(&mut worker, &shared, &plan.dataflow.build)?;
        flow.open(1, assignments, true)?;
        Ok(Self { worker, flow: Some(flow), shared, clock })
    }

    /// Runs every operator that has something to do, once.
    ///
    /// # Errors
    /// What stopped the dataflow.
    pub fn step(&mut self) -> Result<()> {
        if let Some(flow) = &mut self.flow {
            flow.activate_sources();
            flow.step(&mut self.worker, Duration::ZERO);
            if self.shared.stop() == Stop::Now {
                flow.drop_dataflow(&mut self.worker);
            }
        }
        self.shared.take_fault().map_or(Ok(()), Err)
    }

    /// Steps until nothing more happens at this time.
    ///
    /// # Errors
    /// What stopped the dataflow.
    pub fn run_until_idle(&mut self) -> Result<()> {
        (0..IDLE_STEPS).try_for_each(|_| self.step())
    }

    /// Moves the clock on, and with it the epoch.
    pub fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
    }

    /// What the dataflow has counted so far.
    pub fn metrics(&self) -> Snapshot {
        self.shared.metrics.snapshot()
    }

    /// Ends the reading, steps until everything is durable, commits, and closes.
    ///
    /// # Errors
    /// What stopped the dataflow instead.
    pub fn stop(mut self) -> Result<()> {
        self.shared.request_stop(Stop::Drain);
        for _ in 0..IDLE_STEPS {
            self.advance(self.shared.config.epoch);
            self.step()?;
            if !self.worker.has_dataflows() {
                break;
            }
        }
        let done = !self.worker.has_dataflows();
        if let Some(flow) = self.flow.take() {
            let graceful = done && flow.settle_all();
            flow.close(graceful, Duration::ZERO);
        }
        Ok(())
    }
}
