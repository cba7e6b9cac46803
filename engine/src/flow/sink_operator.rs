//! The operator of a sink: hands batches to a writer, and holds epochs open until they are written and durable.
//!
//! It has two empty outputs, *written* and *durable*, both probed over all workers, and one for records not delivered.
//! Invariant: an epoch stays open on *durable* until the writer has confirmed or rejected all of it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::channels::pushers;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{Capability, InputCapability, Probe as _};
use timely::progress::frontier::MutableAntichain;
use timely::scheduling::Activator;

use super::build::{Build, Flow, SinkSlot};
use super::error_record::{ErrorRecord, text_of};
use super::fused::{ErrorBatch, RecordEdge, TimelyStream};
use super::pool::Pool;
use super::ports::OperatorContext;
use crate::batch::RecordBatch;
use crate::error::{Error, ErrorKind, Result, codes};
use crate::runtime::{Stop, Wake};
use crate::sink::{Rejected, Sink, Writer};
use crate::stage::{ItemBatch, StepId, catch};

/// What becomes of records that could not be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undelivered {
    /// The dataflow stops.
    Stop,
    /// They leave on an error stream.
    Stream,
}

/// Ends `input` in a sink; returns the stream of what could not be delivered, which stays empty under `Stop`.
pub(crate) fn install_sink<'s>(
    flow: &Flow<'s>,
    input: RecordEdge<'s>,
    step: StepId,
    sink: Box<dyn Sink>,
    undelivered: Undelivered,
) -> TimelyStream<'s, ErrorBatch> {
    let build = &flow.build;
    let name: Arc<str> = build.label(step).0.into();
    build.faults.borrow_mut().extend(sink.faults().into_iter().map(|fault| fault.at_step(&name)));
    build.operator("sink", &[step]);
    let mut builder = OperatorBuilder::new(name.to_string(), flow.scope);
    let mut input = builder.new_input(input, Pipeline);
    let (_written_port, written) = builder.new_output::<ItemBatch<()>>();
    let (_durable_port, durable) = builder.new_output::<ItemBatch<()>>();
    let (errors, error_stream) = builder.new_output::<ErrorBatch>();
    let address = builder.operator_info().address;
    let wake = flow.wake_for(&address);
    let writer = Rc::new(RefCell::new(None));
    let mut operator = SinkOperator {
        cx: OperatorContext::new(build, "sink", step, &[]),
        build: Rc::clone(build),
        name: Arc::clone(&name),
        target: sink.target(),
        connector: sink.connector(),
        routes: sink.capabilities().routes,
        undelivered,
        writer: Rc::clone(&writer),
        wake: wake.clone(),
        pool: build.batches.clone(),
        waiting: VecDeque::new(),
        rejected: Vec::new(),
        written: None,
        durable: None,
        errors,
        error_capability: None,
        frontier: Some(0),
        activator: flow.scope.activator_for(address),
        look: Instant::now(),
    };
    build.sinks.borrow_mut().push(SinkSlot { name, sink, wake, writer });
    builder.build_reschedule(move |capabilities| {
        drop(capabilities);
        move |frontiers| {
            operator.wake.reset();
            input
                .for_each(|capability, batch| operator.take_in(&capability, std::mem::take(batch)));
            operator.run(&frontiers[0])
        }
    });
    written.probe_with(&build.written);
    durable.probe_with(&build.durable);
    error_stream
}

/// A writer with something unconfirmed is polled this often even if nobody wakes it.
const LOOK: Duration = Duration::from_millis(100);

const WRITTEN: usize = 0;
const DURABLE: usize = 1;
const ERRORS: usize = 2;

struct Waiting {
    epoch: u64,
    batch: RecordBatch,
    from: usize,
}

struct SinkOperator {
    cx: OperatorContext,
    build: Rc<Build>,
    name: Arc<str>,
    target: String,
    connector: &'static str,
    routes: bool,
    undelivered: Undelivered,
    writer: Rc<RefCell<Option<Box<dyn Writer>>>>,
    wake: Wake,
    pool: Pool<RecordBatch>,
    /// Batches that the writer has not wholly taken: bounded by the ledgers of the sources before it.
    waiting: VecDeque<Waiting>,
    rejected: Vec<Rejected>,
    /// The oldest epoch not wholly taken, the oldest not durable: one capability each, however many epochs are open.
    written: Option<Capability<u64>>,
    durable: Option<Capability<u64>>,
    errors: pushers::Output<u64, ErrorBatch>,
    error_capability: Option<Capability<u64>>,
    /// The input frontier last told to the writer; `None` once it is empty.
    frontier: Option<u64>,
    activator: Activator,
    /// When the operator runs again by itself, at the latest.
    look: Instant,
}

impl SinkOperator {
    fn take_in(&mut self, capability: &InputCapability<u64>, batch: RecordBatch) {
        let epoch = *capability.time();
        hold(&mut self.written, capability, WRITTEN);
        hold(&mut self.durable, capability, DURABLE);
        if self.undelivered == Undelivered::Stream {
            hold(&mut self.error_capability, capability, ERRORS);
        }
        self.waiting.push_back(Waiting { epoch, batch, from: 0 });
    }

    /// One run; says whether something is unconfirmed, so that the operator must stay.
    fn run(&mut self, frontier: &MutableAntichain<u64>) -> bool {
        if self.build.shared.stop() == Stop::Now {
            return self.durable.is_some();
        }
        match catch(|| self.work(frontier)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.cx.failed(error),
            Err(panicked) => self.cx.panicked(panicked),
        }
        let queued: usize = self.waiting.iter().map(|w| w.batch.n_bytes()).sum();
        self.cx.counters.in_flight(queued);
        self.cx.counters.holds(self.durable.as_ref().map(|c| *c.time()));
        self.look_again();
        self.durable.is_some()
    }

    /// Asks for another run before long, as long as something is unconfirmed.
    fn look_again(&mut self) {
        let now = Instant::now();
        if self.durable.is_some() && now >= self.look {
            self.look = now + LOOK;
            self.activator.activate_after(LOOK);
        }
    }

    fn work(&mut self, frontier: &MutableAntichain<u64>) -> Result<()> {
        let shared_writer = Rc::clone(&self.writer);
        let mut slot = shared_writer.borrow_mut();
        let Some(writer) = slot.as_mut() else {
            return Ok(());
        };
        writer.poll(&mut self.rejected)?;
        self.reject()?;
        self.write(writer.as_mut())?;
        let now = frontier.frontier().first().copied();
        if now != self.frontier {
            self.frontier = now;
            writer.epoch_closed(now);
        }
        self.release(writer.oldest_unconfirmed());
        if self.frontier.is_none() && self.durable.is_none() {
            writer.close();
            *slot = None;
        }
        Ok(())
    }

    /// Hands over what waits until the writer takes no more.
    fn write(&mut self, writer: &mut dyn Writer) -> Result<()> {
        while let Some(front) = self.waiting.front_mut() {
            if let Some(topic) = front.batch.first_topic().filter(|_| !self.routes) {
                return Err(not_routed(topic, self.connector, &self.target));
            }
            let started = Instant::now();
            let from = front.from;
            front.from = writer.write(front.epoch, &front.batch, from)?;
            let taken = front.from - from;
            let whole = front.from >= front.batch.len();
            let bytes = if whole { front.batch.n_bytes() } else { 0 };
            if taken > 0 {
                self.cx.counters.add(taken, bytes, started.elapsed());
            }
            if !whole {
                return Ok(());
            }
            if let Some(done) = self.waiting.pop_front() {
                self.pool.put(done.batch);
            }
        }
        Ok(())
    }

    /// Lets go of every epoch that is wholly taken, and of every one that is durable.
    fn release(&mut self, unconfirmed: Option<u64>) {
        let untaken = self.waiting.iter().map(|w| w.epoch).min();
        keep(&mut self.written, untaken);
        let open = [untaken, unconfirmed].into_iter().flatten().min();
        keep(&mut self.durable, open);
        keep(&mut self.error_capability, open);
    }

    /// Deals with what could not be delivered: rejected is not delivered, so its epoch stays open until the error is.
    fn reject(&mut self) -> Result<()> {
        if self.rejected.is_empty() {
            return Ok(());
        }
        let count = self.rejected.len() as u64;
        self.cx.counters.errors.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
        if self.undelivered == Undelivered::Stop {
            let first = self.rejected.swap_remove(0);
            return Err(self.stop_error(&first, count));
        }
        let Some(capability) = &self.error_capability else {
            return Ok(());
        };
        let records = self.rejected.drain(..).map(|r| error_record(&self.build, &self.name, r));
        let mut records = ErrorBatch::from(records.collect::<Vec<ErrorRecord>>());
        self.errors.activate().give(capability, &mut records);
        Ok(())
    }

    fn stop_error(&self, rejected: &Rejected, count: u64) -> Error {
        let more = if count > 1 { format!(", and {} more", count - 1) } else { String::new() };
        let kind = rejected.error.kind();
        Error::new(
            kind,
            codes::NOT_DELIVERED,
            format!("deliver a record to {} {}{more}", self.connector, self.target),
        )
        .at_epoch(rejected.epoch)
        .with_source(rejected.error.report())
        .with_action("The dataflow stops; a restart repeats what was not confirmed.")
        .with_hint("To set such records aside and go on, use `.sink_with_errors(…)`.")
    }
}

/// A record says a topic of its own, and the sink would write it to another one.
#[cold]
fn not_routed(topic: &str, connector: &str, target: &str) -> Error {
    let what = format!("write a record to {connector} {target}: it is to go to a topic of its own");
    Error::new(ErrorKind::Config, codes::BAD_GRAPH, what)
        .at_topic(topic)
        .with_hint("End the stream in a sink that routes, such as `Sink::routed(…)`.")
}

fn error_record(build: &Build, step: &Arc<str>, rejected: Rejected) -> ErrorRecord {
    let text = text_of(&rejected.error);
    let record = ErrorRecord::now(build, step, rejected.error.code(), text, rejected.record);
    ErrorRecord { attempts: rejected.attempts, ..record }
}

/// Holds the older of what is held and the input's epoch.
fn hold(held: &mut Option<Capability<u64>>, input: &InputCapability<u64>, port: usize) {
    if held.as_ref().is_none_or(|c| c.time() > input.time()) {
        *held = Some(input.retain(port));
    }
}

/// Keeps `open` open and lets go of everything before it.
fn keep(held: &mut Option<Capability<u64>>, open: Option<u64>) {
    match (held.as_mut(), open) {
        (Some(capability), Some(epoch)) if epoch > *capability.time() => {
            capability.downgrade(&epoch);
        }
        (Some(_), None) => *held = None,
        _ => {}
    }
}
