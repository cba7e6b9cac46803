//! One worker: builds the graph, opens readers and writers, steps, and closes.
//!
//! Invariant: a worker never blocks while the dataflow runs; it parks until the next epoch, a batch or a confirmation.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use timely::worker::Worker;

use super::execution::open_context;
use super::feed::{Feed, LocalFeed};
use super::reader_thread::ReaderThread;
use super::{Shared, Stop};
use crate::error::{Error, ErrorKind, Result, codes};
use crate::flow::{Build, BuildFn, Flow, SinkSlot, SourceSlot};
use crate::sink::WriterContext;
use crate::source::{Assignment, Placement, ReaderContext};

/// Start positions by source, for one worker.
pub(crate) type Assignments = HashMap<Arc<str>, Vec<Assignment>>;

/// How long an idle process lets its workers sleep.
const IDLE_PARK: Duration = Duration::from_millis(100);

/// The graph of one worker, with its running halves.
pub(crate) struct WorkerFlow {
    shared: Arc<Shared>,
    build: Rc<Build>,
    index: usize,
    dataflow_id: usize,
    seen: (Option<u64>, Option<u64>),
    seen_stop: Stop,
}

impl WorkerFlow {
    /// Builds the graph on this worker; nothing is opened.
    pub(crate) fn build(
        worker: &mut Worker,
        shared: &Arc<Shared>,
        build_fn: &BuildFn,
    ) -> Result<Self> {
        let index = worker.index();
        let build = Build::new(Arc::clone(shared), index);
        let dataflow_id = worker.next_dataflow_index();
        let graph = crate::stage::catch(|| {
            worker.dataflow(|scope| {
                build_fn(&Flow { scope, build: Rc::clone(&build) });
            });
        });
        graph.map_err(|panicked| {
            Error::new(ErrorKind::Panic, codes::PANIC, "build the graph: its closure panicked")
                .at_worker(index)
                .with_source(panicked.message)
        })?;
        if let Some(fault) = build.faults.take().into_iter().next() {
            return Err(fault.at_worker(index));
        }
        Ok(Self {
            shared: Arc::clone(shared),
            build,
            index,
            dataflow_id,
            seen: (Some(0), Some(0)),
            seen_stop: Stop::No,
        })
    }

    /// What must be equal on all workers.
    pub(crate) fn fingerprint(&self) -> String {
        self.build.fingerprint()
    }

    /// Opens writers, then readers with their start positions. `here` keeps all readers on this thread.
    pub(crate) fn open(
        &self,
        n_workers: usize,
        mut assignments: Assignments,
        here: bool,
    ) -> Result<()> {
        for slot in self.build.sinks.borrow().iter() {
            self.open_writer(slot, n_workers)?;
        }
        let slots = std::mem::take(&mut *self.build.sources.borrow_mut());
        let mut open = Vec::new();
        for slot in slots {
            let first = assignments.remove(&slot.name).unwrap_or_default();
            let state = Rc::clone(&slot.state);
            let name = Arc::clone(&slot.name);
            state.borrow_mut().feed =
                Some(self.open_reader(slot, first, here).map_err(|e| e.at_step(&name))?);
            state.borrow().activate();
            open.push(state);
        }
        *self.build.states.borrow_mut() = open;
        Ok(())
    }

    fn open_writer(&self, slot: &SinkSlot, n_workers: usize) -> Result<()> {
        let cx = WriterContext {
            open: open_context(&self.shared, &slot.name),
            shard: self.index,
            n_shards: n_workers,
            generation: self.shared.generation,
            wake: slot.wake.clone(),
        };
        let writer = slot.sink.writer(cx).map_err(|e| e.at_step(&slot.name))?;
        *slot.writer.borrow_mut() = Some(writer);
        slot.wake.wake();
        Ok(())
    }

    fn open_reader(&self, slot: SourceSlot, first: Vec<Assignment>, here: bool) -> Result<Feed> {
        let cx = ReaderContext {
            open: open_context(&self.shared, &slot.name),
            worker: self.index,
            batch_bytes: self.shared.config.batch_bytes,
            batch_records: self.shared.config.batch_records,
            bounded: slot.source.capabilities().bounded,
        };
        if here || slot.source.placement() == Placement::Worker {
            let mut reader = slot.source.reader(cx)?;
            reader.assign(&first)?;
            return Ok(Feed::Here(Box::new(LocalFeed::new(
                reader,
                Arc::clone(&self.shared),
                slot.name,
                self.index,
            ))));
        }
        let (feed, end) =
            Feed::pair(self.shared.config.queue_batches, self.shared.config.queue_bytes);
        let wake = slot.state.borrow().wake.clone();
        let on_failure = slot.on_failure;
        let thread = ReaderThread {
            shared: Arc::clone(&self.shared),
            name: slot.name,
            worker: self.index,
            wake,
            end,
            on_failure,
        };
        thread.spawn(slot.source, cx, first)?;
        Ok(feed)
    }

    /// Runs until the dataflow has ended or was stopped; says whether it ended with everything durable.
    pub(crate) fn run(&mut self, worker: &mut Worker, mail: &Mail) -> bool {
        let mut spin_until = Instant::now();
        let (mut next_slot, mut seen_epoch) = (0, 0);
        loop {
            if self.shared.stop() == Stop::Now {
                self.drop_dataflow(worker);
                return false;
            }
            self.take_mail(mail);
            let now = self.shared.clock.micros();
            let newest = self.shared.newest_epoch();
            if now >= next_slot || newest > seen_epoch || self.stop_has_changed() {
                self.activate_sources();
                seen_epoch = newest;
                let length = self.shared.epoch_micros();
                next_slot = (now / length + 1) * length;
            }
            if self.build.did_work.take() {
                spin_until = Instant::now() + self.shared.config.spin;
            }
            self.step(worker, self.wait(spin_until, now, next_slot));
            if !worker.has_dataflows() {
                return self.shared.stop() != Stop::Now && self.settle_all();
            }
        }
    }

    /// One step of timely, and what follows from it.
    pub(crate) fn step(&mut self, worker: &mut Worker, wait: Duration) {
        worker.step_or_park(Some(wait));
        self.settle();
    }

    fn wait(&self, spin_until: Instant, now: u64, next_slot: u64) -> Duration {
        if Instant::now() < spin_until {
            Duration::ZERO
        } else if self.shared.is_idle() && self.is_settled() {
            IDLE_PARK
        } else {
            Duration::from_micros(next_slot.saturating_sub(now).max(1))
        }
    }

    fn is_settled(&self) -> bool {
        self.build.states.borrow().iter().all(|state| state.borrow().ledger.is_settled())
    }

    fn stop_has_changed(&mut self) -> bool {
        let stop = self.shared.stop();
        std::mem::replace(&mut self.seen_stop, stop) != stop
    }

    /// Lets all sources run, so that their epochs move on.
    pub(crate) fn activate_sources(&self) {
        for state in self.build.states.borrow().iter() {
            if state.borrow().is_open() {
                state.borrow().activate();
            }
        }
    }

    /// Takes in how far sinks have come, since a probe wakes nobody.
    pub(crate) fn settle(&mut self) {
        let written = self.build.written.with_frontier(|f| f.first().copied());
        let durable = self.build.durable.with_frontier(|f| f.first().copied());
        let moved = (written, durable) != self.seen;
        self.seen = (written, durable);
        for state in self.build.states.borrow().iter() {
            let mut state = state.borrow_mut();
            if moved {
                let open =
                    |frontier: Option<u64>| move |epoch: u64| frontier.is_some_and(|f| f <= epoch);
                state.settle(&self.shared, open(written), open(durable));
            }
            let name = Arc::clone(&state.name);
            if let Some(Err(error)) = state.feed.as_mut().map(Feed::tick) {
                tracing::warn!(source = %name, "{}", error.report());
            }
        }
    }

    /// The graph has ended, so every sink has made everything durable, whether or not a probe ran once more to see it.
    pub(crate) fn settle_all(&self) -> bool {
        for state in self.build.states.borrow().iter() {
            state.borrow_mut().settle(&self.shared, |_| false, |_| false);
        }
        true
    }

    fn take_mail(&self, mail: &Mail) {
        for (source, assignments) in mail.take(self.index) {
            let states = self.build.states.borrow();
            let Some(state) = states.iter().find(|s| s.borrow().name == source) else {
                continue;
            };
            if let Some(Err(error)) =
                state.borrow_mut().feed.as_mut().map(|feed| feed.assign(assignments))
            {
                self.shared.fail(error.at_step(&source));
            }
        }
    }

    pub(crate) fn drop_dataflow(&self, worker: &mut Worker) {
        if worker.installed_dataflows().contains(&self.dataflow_id) {
            worker.drop_dataflow(self.dataflow_id);
        }
    }

    /// Closes readers (with a last commit when `graceful`) and lets go of writers.
    pub(crate) fn close(self, graceful: bool, deadline: Duration) {
        let mut feeds = Vec::new();
        for state in self.build.states.take() {
            let mut state = state.borrow_mut();
            if let Some(feed) = state.feed.take() {
                feeds.push((Arc::clone(&state.name), feed));
            }
        }
        for (_, feed) in &mut feeds {
            feed.start_close(graceful);
        }
        let end = Instant::now() + deadline;
        for (name, feed) in feeds {
            let left = end.saturating_duration_since(Instant::now());
            if let Err(error) = feed.finish_close(graceful, left) {
                tracing::warn!(source = %name, "{}\nNothing is lost; the next run repeats more.", error.report());
            }
        }
        for slot in self.build.sinks.take() {
            if let Some(mut writer) = slot.writer.borrow_mut().take() {
                writer.close();
            }
        }
    }
}

/// New partitions on their way to workers.
#[derive(Debug, Default)]
pub(crate) struct Mail(std::sync::Mutex<Vec<Letter>>);

/// The worker, the source, and what the reader is to add.
type Letter = (usize, Arc<str>, Vec<Assignment>);

impl Mail {
    pub(crate) fn send(&self, worker: usize, source: Arc<str>, assignments: Vec<Assignment>) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((
            worker,
            source,
            assignments,
        ));
    }

    fn take(&self, worker: usize) -> Vec<(Arc<str>, Vec<Assignment>)> {
        let mut waiting = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if waiting.is_empty() {
            return Vec::new();
        }
        let (mine, others) = waiting.drain(..).partition(|(to, _, _)| *to == worker);
        *waiting = others;
        let mine: Vec<_> = mine;
        mine.into_iter().map(|(_, source, assignments)| (source, assignments)).collect()
    }
}
