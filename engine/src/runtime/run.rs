//! Starting and stopping dataflows: `run` for programs that are one, `start` for programs that hold several.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::execution::Execution;
use super::plan::Plan;
use super::{Shared, Stop};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{Config, Restart};
use crate::error::{Error, ErrorKind, Result, codes};
use crate::flow::Dataflow;
use crate::metrics::Snapshot;
use crate::position::PositionStore;

/// Runs a dataflow until its sources end, it is told to stop, or it fails; returns what it counted.
///
/// SIGTERM and SIGINT stop it gracefully: sources read no more, what was read is delivered, confirmed and committed, within
/// `stop_deadline`. A second signal stops it at once; what was not confirmed is repeated by the next run.
///
/// # Blocking
/// Blocks the calling thread until the dataflow has ended.
///
/// # Errors
/// Every fault of config and graph at once (*config*); what stopped the dataflow otherwise.
pub fn run(dataflow: &Dataflow, config: Config) -> Result<Snapshot> {
    run_until_signal(dataflow, config, Handle::wait)
}

/// As [`run`], and shows what was counted so far to `watch`: every `interval`, and once more at the end, however it ended.
///
/// While it runs `watch` is called by a thread of its own, and holds nothing up.
///
/// # Blocking
/// As [`run`].
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// When `watch` does, after the dataflow has ended.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use millstream_engine::runtime::run_watched;
/// use millstream_engine::testing::{TestSink, TestSource};
/// use millstream_engine::{Config, Dataflow};
///
/// let source = TestSource::new(["one", "two"]);
/// let flow = Dataflow::new("watched", move |flow| flow.source("in", source.clone()).sink("out", TestSink::new()));
/// let mut last = None;
/// let counted = run_watched(&flow, Config::default(), Duration::from_secs(1), |counted| last = counted.step("out"))?;
/// assert_eq!((last.map(|step| step.records), counted.step("in").map(|step| step.records)), (Some(2), Some(2)));
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub fn run_watched(
    dataflow: &Dataflow,
    config: Config,
    interval: Duration,
    mut watch: impl FnMut(&Snapshot) + Send,
) -> Result<Snapshot> {
    run_until_signal(dataflow, config, |handle| {
        let control = Arc::clone(&handle.control);
        let (running, ended) = crossbeam_channel::bounded::<()>(0);
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                    watch(&control.snapshot());
                }
            });
            let result = handle.wait();
            drop(running);
            result
        });
        watch(&control.snapshot());
        result
    })
}

fn run_until_signal(
    dataflow: &Dataflow,
    config: Config,
    wait: impl FnOnce(Handle) -> Result<Snapshot>,
) -> Result<Snapshot> {
    let signals = Signals::new([SIGTERM, SIGINT]).map_err(|e| {
        Error::new(ErrorKind::Config, codes::BAD_CONFIG, "handle SIGTERM and SIGINT").with_source(e)
    })?;
    let handle = start(dataflow, config)?;
    let stopper = handle.stopper();
    let closer = signals.handle();
    let watcher = std::thread::Builder::new()
        .name("ms-signals".to_owned())
        .spawn(move || watch(signals, &stopper));
    let result = wait(handle);
    closer.close();
    if let Ok(watcher) = watcher {
        // The thread only forwards signals; that it ended is all that matters.
        drop(watcher.join());
    }
    result
}

fn watch(mut signals: Signals, stopper: &Stopper) {
    for (seen, _signal) in signals.forever().enumerate() {
        if seen == 0 {
            tracing::info!("stopping: draining and committing; a second signal stops at once");
            stopper.stop();
        } else {
            stopper.stop_now();
        }
    }
}

/// Starts a dataflow and returns at once. Touches no signals; several dataflows may run in one process.
///
/// # Errors
/// Every fault of config and graph at once (*config*). What happens later is told by [`Handle::wait`].
pub fn start(dataflow: &Dataflow, config: Config) -> Result<Handle> {
    let clock = SystemClock::new();
    let plan = Plan::check(dataflow, &config, &clock)?;
    let control = Arc::new(Control {
        state: Mutex::new(State { stop: Stop::No, current: None, last: Snapshot::default() }),
    });
    let shared = Arc::clone(&control);
    let thread = std::thread::Builder::new()
        .name(format!("ms-{}", dataflow.name))
        .spawn(move || run_with_restarts(plan, &config, &clock, &shared));
    let thread = thread.map_err(|e| {
        Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, "start the dataflow's thread")
            .with_source(e)
    })?;
    Ok(Handle { control, thread })
}

#[derive(Debug)]
struct Control {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stop: Stop,
    current: Option<Arc<Shared>>,
    last: Snapshot,
}

impl Control {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, stop: Stop) {
        let mut state = self.lock();
        state.stop = state.stop.max(stop);
        if let Some(shared) = &state.current {
            shared.request_stop(stop);
        }
    }

    fn begin(&self, shared: &Arc<Shared>) {
        let mut state = self.lock();
        if state.stop > Stop::No {
            shared.request_stop(state.stop);
        }
        state.current = Some(Arc::clone(shared));
    }

    fn end(&self) {
        let mut state = self.lock();
        if let Some(shared) = state.current.take() {
            state.last = shared.metrics.snapshot();
        }
    }

    fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        state
            .current
            .as_ref()
            .map_or_else(|| state.last.clone(), |shared| shared.metrics.snapshot())
    }
}

/// Stops a dataflow from any thread.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Control>);

impl Stopper {
    /// Stops gracefully: reads no more, delivers, confirms and commits what was read, within `stop_deadline`.
    pub fn stop(&self) {
        self.0.stop(Stop::Drain);
    }

    /// Stops at once: nothing more is confirmed; the next run repeats what was not.
    pub fn stop_now(&self) {
        self.0.stop(Stop::Now);
    }
}

/// A running dataflow. Dropping the handle lets it run on.
#[derive(Debug)]
pub struct Handle {
    control: Arc<Control>,
    thread: JoinHandle<Result<()>>,
}

impl Handle {
    /// Stops gracefully; see [`Stopper::stop`]. Does not wait.
    pub fn stop(&self) {
        self.control.stop(Stop::Drain);
    }

    /// Stops at once; see [`Stopper::stop_now`]. Does not wait.
    pub fn stop_now(&self) {
        self.control.stop(Stop::Now);
    }

    /// Something that stops this dataflow from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.control))
    }

    /// What it has counted so far; after a restart within the process, since then.
    pub fn metrics(&self) -> Snapshot {
        self.control.snapshot()
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until it has ended; returns what it counted.
    ///
    /// # Errors
    /// What stopped it.
    pub fn wait(self) -> Result<Snapshot> {
        let joined = self.thread.join().unwrap_or_else(|_panic| {
            Err(Error::new(ErrorKind::Panic, codes::PANIC, "run the coordinator: it panicked"))
        });
        joined.map(|()| self.control.snapshot())
    }
}

fn run_with_restarts(
    plan: Plan,
    config: &Config,
    clock: &SharedClock,
    control: &Control,
) -> Result<()> {
    let plan = Rc::new(plan);
    let name = &plan.dataflow.name;
    let mut store =
        config.state_dir.as_ref().map(|dir| PositionStore::open(dir, name)).transpose()?;
    let mut attempt = 0;
    loop {
        let generation = store.as_mut().map_or(1, PositionStore::next_generation);
        let shared = Shared::new(Arc::clone(name), config.clone(), Arc::clone(clock), generation);
        control.begin(&shared);
        let (result, back) = Execution::new(Rc::clone(&plan), Arc::clone(&shared), store).run();
        store = back;
        control.end();
        let Err(error) = result else { return Ok(()) };
        if shared.metrics.snapshot().latency.n_records > 0 {
            attempt = 0;
        }
        match next_wait(config.restart, attempt, &error) {
            Some(wait) if control.lock().stop == Stop::No => {
                attempt += 1;
                tracing::warn!(dataflow = %name, attempt, wait = ?wait, "restarts after: {}", error.report());
                wait_unless_stopped(wait, control);
            }
            _ => return Err(error),
        }
    }
}

/// The wait before the next restart; none when this error is not one to restart after, or the attempts are used up.
fn next_wait(restart: Option<Restart>, attempt: u32, error: &Error) -> Option<Duration> {
    let restart = restart?;
    let may = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Panic);
    let wait = restart.backoff.saturating_mul(1 << attempt.min(16)).min(Duration::from_mins(1));
    (may && attempt < restart.attempts).then_some(wait)
}

fn wait_unless_stopped(wait: Duration, control: &Control) {
    let end = Instant::now() + wait;
    while Instant::now() < end && control.lock().stop == Stop::No {
        std::thread::park_timeout(Duration::from_millis(20).min(wait));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_back_off_and_end() {
        let restart = Some(Restart { attempts: 3, backoff: Duration::from_secs(1) });
        let down = Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, "reach");
        let waits: Vec<_> =
            (0..4).map(|n| next_wait(restart, n, &down).map(|w| w.as_secs())).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), None]);
        assert_eq!(next_wait(restart, 0, &Error::config("x")), None);
        assert_eq!(next_wait(None, 0, &down), None);
    }
}
