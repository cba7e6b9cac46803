//! The operator of a source: reads batches, runs the fused chain on them, advances the epoch, keeps the ledger.
//!
//! Invariant: the capability is downgraded before anything may refuse to read, or the dataflow would deadlock.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use timely::dataflow::channels::pushers;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::scheduling::Activator;

use super::build::{Build, Flow, SourceSlot};
use super::error_record::{ErrorRecord, text_of};
use super::fused::{Body, ErrorOutputs, Outputs, Wiring};
use super::ledger::Ledger;
use super::ports::{OkCapability, OperatorContext, Ports};
use crate::batch::{Origin, OwnedRecord, RecordBatch};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::StepCounters;
use crate::runtime::{Feed, Next, OnFailure, Shared, Stop, Wake};
use crate::source::Source;
use crate::stage::{Output, StepId, catch};

/// Failures of a source in a row that leave as error records; the next one stops the dataflow.
const MAX_FAILURES: u32 = 10;

/// Batches worked off per run before the operator gives way: fewer cost more progress rounds, more fall out of the cache.
const FUEL: usize = 8;

/// The running half of a source on one worker, shared by its operator and the worker's loop.
pub(crate) struct SourceState {
    pub(crate) name: Arc<str>,
    connector: &'static str,
    pub(crate) wake: Wake,
    /// Set when readers open.
    pub(crate) feed: Option<Feed>,
    pub(crate) ledger: Ledger,
    counters: Arc<StepCounters>,
    activator: Activator,
    blocked: bool,
    ended: bool,
}

impl fmt::Debug for SourceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceState")
            .field("name", &self.name)
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}

impl SourceState {
    /// Lets the operator run in the worker's next step.
    pub(crate) fn activate(&self) {
        self.activator.activate();
    }

    /// Whether the operator's epoch must go on: it may still read.
    pub(crate) fn is_open(&self) -> bool {
        !self.ended
    }

    /// Takes in what sinks have written and made durable; what is durable goes back to the reader.
    pub(crate) fn settle(
        &mut self,
        shared: &Shared,
        written: impl Fn(u64) -> bool,
        durable: impl Fn(u64) -> bool,
    ) {
        if self.ledger.release_written(written) {
            // The operator of a source that has ended does not run again, and would leave its last figure standing.
            self.counters.in_flight(self.ledger.held());
            if std::mem::take(&mut self.blocked) {
                self.activate();
            }
        }
        while let Some(interval) = self.ledger.next_durable(&durable) {
            if !shared.gate_is_open() {
                return;
            }
            let micros = shared.clock.micros().saturating_sub(interval.oldest_ingest);
            shared.metrics.durable(micros, interval.n_records);
            if let Some(feed) = &mut self.feed {
                feed.confirm(interval.n_batches);
            }
        }
    }
}

/// A source that waits for its operator: the first chain that is lowered makes it.
#[derive(Debug)]
pub struct SourceRef {
    step: StepId,
    name: Arc<str>,
    connector: &'static str,
    source: RefCell<Option<Box<dyn Source>>>,
    on_failure: OnFailure,
}

impl SourceRef {
    /// The same, with failures leaving at port 0 of the operator's error outputs.
    pub(crate) fn going_on(self) -> Self {
        Self { on_failure: OnFailure::GoOn, ..self }
    }
}

impl fmt::Debug for dyn Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.connector())
    }
}

impl Flow<'_> {
    pub(crate) fn add_source(
        &self,
        step: StepId,
        name: &str,
        source: Box<dyn Source>,
    ) -> SourceRef {
        let faults = source.faults().into_iter().map(|fault| fault.at_step(name));
        self.build.faults.borrow_mut().extend(faults);
        SourceRef {
            step,
            name: name.into(),
            connector: source.connector(),
            source: RefCell::new(Some(source)),
            on_failure: OnFailure::Stop,
        }
    }
}

/// A fused operator fed by a source.
pub(crate) fn install_source<'s, O: Output>(
    source: &SourceRef,
    flow: &Flow<'s>,
    wiring: &Wiring,
    body: impl Body<RecordBatch, O>,
) -> Outputs<'s, O> {
    flow.build.operator("source", &wiring.stages);
    let cx = OperatorContext::new(&flow.build, "source", source.step, &wiring.stages);
    let mut builder = OperatorBuilder::new(source.name.to_string(), flow.scope);
    let (ok, oks) = builder.new_output::<O>();
    let (errors, error_streams) = ErrorOutputs::add(&mut builder, &wiring.errors);
    let counters = Arc::clone(&cx.counters);
    let state = register(source, flow, counters, builder.operator_info().address);
    let on_failure = source.on_failure;
    builder.build_reschedule(move |capabilities| {
        let build = Rc::clone(&cx.build);
        let mut operator = SourceOperator {
            cx,
            build,
            state,
            body,
            ok,
            errors,
            capabilities,
            on_failure,
            failures: 0,
        };
        move |_frontiers| operator.run()
    });
    Outputs { ok: oks, errors: error_streams }
}

fn register(
    source: &SourceRef,
    flow: &Flow<'_>,
    counters: Arc<StepCounters>,
    address: Rc<[usize]>,
) -> Rc<RefCell<SourceState>> {
    let wake = flow.wake_for(&address);
    let state = Rc::new(RefCell::new(SourceState {
        name: Arc::clone(&source.name),
        connector: source.connector,
        wake,
        feed: None,
        ledger: Ledger::new(flow.build.shared.config.in_flight_bytes),
        counters,
        activator: flow.scope.activator_for(address),
        blocked: false,
        ended: false,
    }));
    if let Some(boxed) = source.source.borrow_mut().take() {
        flow.build.sources.borrow_mut().push(SourceSlot {
            name: Arc::clone(&source.name),
            source: boxed,
            on_failure: source.on_failure,
            state: Rc::clone(&state),
        });
    }
    state
}

/// What one run has worked off.
#[derive(Default)]
struct Worked {
    n_records: usize,
    n_bytes: usize,
}

/// What comes after a run.
enum Then {
    /// There may be more: run again.
    Again,
    /// Somebody wakes the operator.
    Wait,
    /// The source has ended.
    End,
}

struct SourceOperator<O: Output, B> {
    cx: OperatorContext,
    build: Rc<Build>,
    state: Rc<RefCell<SourceState>>,
    body: B,
    ok: pushers::Output<u64, O>,
    errors: ErrorOutputs,
    /// One per output; empty once the source has ended.
    capabilities: Vec<Capability<u64>>,
    on_failure: OnFailure,
    /// Failures in a row.
    failures: u32,
}

impl<O: Output, B: Body<RecordBatch, O>> SourceOperator<O, B> {
    /// One run; says whether the operator must stay.
    fn run(&mut self) -> bool {
        let state = Rc::clone(&self.state);
        let mut state = state.borrow_mut();
        state.wake.reset();
        match catch(|| self.read(&mut state)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.cx.failed(error),
            Err(panicked) => self.cx.panicked(panicked),
        }
        if self.build.shared.stop() == Stop::Now {
            return !self.capabilities.is_empty();
        }
        state.ended = self.capabilities.is_empty();
        self.cx.counters.holds(self.capabilities.first().map(|c| *c.time()));
        state.counters.in_flight(state.ledger.held());
        !self.capabilities.is_empty()
    }

    fn read(&mut self, state: &mut SourceState) -> Result<()> {
        self.advance(state);
        match self.build.shared.stop() {
            Stop::No => {}
            Stop::Drain => {
                self.capabilities.clear();
                if let Some(feed) = &mut state.feed {
                    feed.stop_reading();
                }
                return Ok(());
            }
            Stop::Now => return Ok(()),
        }
        let started = Instant::now();
        let mut worked = Worked::default();
        let next = self.work_off(state, &mut worked)?;
        self.errors.flush(|port| self.capabilities[port].clone());
        if worked.n_records > 0 {
            self.failures = 0;
            self.build.did_work.set(true);
            self.build.shared.note_records();
            self.cx.counters.add(worked.n_records, worked.n_bytes, started.elapsed());
        }
        match next {
            Then::Again => state.activate(),
            Then::Wait => {}
            Then::End => self.capabilities.clear(),
        }
        Ok(())
    }

    /// Works off what has been read, as far as fuel and ledger go.
    fn work_off(&mut self, state: &mut SourceState, worked: &mut Worked) -> Result<Then> {
        if self.capabilities.is_empty() {
            return Ok(Then::Wait);
        }
        for _ in 0..FUEL {
            if !state.ledger.has_room() {
                state.blocked = true;
                return Ok(Then::Wait);
            }
            let Some(feed) = &mut state.feed else { return Ok(Then::Wait) };
            match feed.next() {
                Ok(Next::Batch(batch)) => self.work(state, batch, worked)?,
                Ok(Next::Empty) => return Ok(Then::Wait),
                Ok(Next::End) => return Ok(Then::End),
                Err(error) => self.set_aside(state, error)?,
            }
        }
        Ok(Then::Again)
    }

    /// Downgrades the capabilities to the epoch of now.
    fn advance(&mut self, state: &SourceState) {
        let shared = &self.build.shared;
        let now = self.capabilities.first().map_or(0, |c| *c.time());
        let epoch = if state.ledger.should_close(now) {
            shared.close_epoch_early()
        } else {
            shared.epoch()
        };
        for capability in &mut self.capabilities {
            if epoch > *capability.time() {
                capability.downgrade(&epoch);
            }
        }
    }

    fn work(
        &mut self,
        state: &mut SourceState,
        mut batch: RecordBatch,
        worked: &mut Worked,
    ) -> Result<()> {
        let (n_records, n_bytes, ingest) = (batch.len(), batch.n_bytes(), batch.ingest_micros);
        let capability = &self.capabilities[0];
        let epoch = *capability.time();
        let mut ports = Ports {
            ok: &mut self.ok,
            capability: OkCapability::Own(capability),
            errors: &mut self.errors.pending,
            cx: &self.cx,
            given: 0,
            stop: None,
        };
        self.body.run(&mut batch, &mut ports);
        let Ports { given, stop, .. } = ports;
        if let Some(stop) = stop {
            return Err(stop);
        }
        let bytes = if given == 0 { 0 } else { given.max(n_bytes) };
        state.ledger.charge(epoch, bytes, n_records, ingest);
        self.recycle(state, batch);
        worked.n_records += n_records;
        worked.n_bytes += n_bytes;
        Ok(())
    }

    /// A failure of the source itself: an error record, or the end, as the program said.
    fn set_aside(&mut self, state: &SourceState, error: Error) -> Result<()> {
        self.failures += 1;
        let goes_on = self.on_failure == OnFailure::GoOn && error.kind() != ErrorKind::Panic;
        if !goes_on || self.failures > MAX_FAILURES {
            return Err(error);
        }
        let error = error.at_step(&state.name).at_worker(self.build.worker);
        self.cx.counters.errors.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(source = %state.name, "{}", error.report());
        let place = error.place();
        let origin = place
            .topic
            .as_ref()
            .map(|topic| Origin::new(state.connector, topic, place.partition.unwrap_or(0)));
        let record = OwnedRecord { origin, ..OwnedRecord::default() };
        let record = match &place.position {
            Some(position) => record.at(position),
            None => record,
        };
        let text = text_of(&error);
        let failed = ErrorRecord::now(&self.build, &state.name, error.code(), text, record);
        self.errors.pending[0].items.push(ErrorRecord { attempts: self.failures, ..failed });
        Ok(())
    }

    /// Gives the batch back to the reader, or another one where it went on downstream itself.
    fn recycle(&self, state: &mut SourceState, batch: RecordBatch) {
        let batch = if batch.is_allocated() { Some(batch) } else { self.build.batches.take() };
        if let (Some(batch), Some(feed)) = (batch, &mut state.feed) {
            feed.recycle(batch);
        }
    }
}
