//! What is collected while the program's closure builds the graph: steps, faults, sources, sinks.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use timely::dataflow::Scope;
use timely::dataflow::operators::probe::Handle as Probe;

use super::error_record::ErrorRecord;
use super::graph::{GraphEdge, Leaving};
use super::item_stream::Stream;
use super::pool::Pool;
use super::record_stream::RecordStream;
use super::source_operator::SourceState;
use crate::batch::RecordBatch;
use crate::error::{Error, ErrorKind, codes};
use crate::runtime::OnFailure;
use crate::runtime::{Shared, Wake};
use crate::sink::{Sink, Writer};
use crate::source::Source;
use crate::stage::{FromSource, Records, StepId};

/// Batches kept for reuse per worker: 64 of about 160 KiB.
const POOLED_BATCHES: usize = 64;

/// A step as the program added it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) kind: &'static str,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) line: &'static Location<'static>,
}

impl Step {
    /// The name that people see: the given one, or `kind@file:line`.
    pub(crate) fn label(&self) -> String {
        match &self.name {
            Some(name) => name.to_string(),
            None => format!("{}@{}:{}", self.kind, self.line.file(), self.line.line()),
        }
    }
}

/// A source of the graph, with the half that runs on this worker.
pub(crate) struct SourceSlot {
    pub(crate) name: Arc<str>,
    pub(crate) source: Box<dyn Source>,
    pub(crate) on_failure: OnFailure,
    pub(crate) state: Rc<RefCell<SourceState>>,
}

/// A sink of the graph, with the half that runs on this worker.
pub(crate) struct SinkSlot {
    pub(crate) name: Arc<str>,
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) wake: Wake,
    pub(crate) writer: Rc<RefCell<Option<Box<dyn Writer>>>>,
}

/// Everything one run of the closure collects.
pub(crate) struct Build {
    pub(crate) shared: Arc<Shared>,
    pub(crate) worker: usize,
    pub(crate) steps: RefCell<Vec<Step>>,
    pub(crate) faults: RefCell<Vec<Error>>,
    pub(crate) sources: RefCell<Vec<SourceSlot>>,
    pub(crate) sinks: RefCell<Vec<SinkSlot>>,
    /// The sources that were opened.
    pub(crate) states: RefCell<Vec<Rc<RefCell<SourceState>>>>,
    /// Whether a source had records since this was last looked at.
    pub(crate) did_work: Cell<bool>,
    /// Watches what sinks have taken, over all workers.
    pub(crate) written: Probe<u64>,
    /// Watches what sinks have made durable, over all workers.
    pub(crate) durable: Probe<u64>,
    pub(crate) batches: Pool<RecordBatch>,
    /// The edges between steps, as the program drew them.
    pub(crate) edges: RefCell<Vec<GraphEdge>>,
    /// Every operator with the stages that it runs, a line each.
    operators: RefCell<String>,
}

impl Build {
    pub(crate) fn new(shared: Arc<Shared>, worker: usize) -> Rc<Self> {
        Rc::new(Self {
            shared,
            worker,
            steps: RefCell::default(),
            faults: RefCell::default(),
            sources: RefCell::default(),
            sinks: RefCell::default(),
            states: RefCell::default(),
            did_work: Cell::new(false),
            written: Probe::new(),
            durable: Probe::new(),
            batches: Pool::new(POOLED_BATCHES),
            edges: RefCell::default(),
            operators: RefCell::default(),
        })
    }

    /// Adds a step; `line` is where the program added it.
    pub(crate) fn step(
        &self,
        kind: &'static str,
        name: Option<&str>,
        line: &'static Location<'static>,
    ) -> StepId {
        let mut steps = self.steps.borrow_mut();
        let id = StepId(u32::try_from(steps.len()).unwrap_or(u32::MAX));
        steps.push(Step { kind, name: None, line });
        drop(steps);
        if let Some(name) = name {
            self.name(id, name);
        }
        id
    }

    /// Names a step; a name taken already is a fault.
    pub(crate) fn name(&self, id: StepId, name: &str) {
        let mut steps = self.steps.borrow_mut();
        if let Some(other) = steps.iter().find(|s| s.name.as_deref() == Some(name)) {
            let text = format!("name two steps \"{name}\": the first is at {}", other.line);
            let line = steps.get(id.0 as usize).map(|s| s.line.to_string()).unwrap_or_default();
            drop(steps);
            return self.fault(
                text,
                &line,
                "Names are ids in positions, groups and metrics; choose another.",
            );
        }
        if let Some(step) = steps.get_mut(id.0 as usize) {
            step.name = Some(name.into());
        }
    }

    /// Notes a fault of the graph.
    pub(crate) fn fault(&self, what: String, line: &str, hint: &str) {
        let error = Error::new(ErrorKind::Config, codes::BAD_GRAPH, what).with_hint(hint);
        let error = if line.is_empty() { error } else { error.with_source(format!("at {line}")) };
        self.faults.borrow_mut().push(error);
    }

    /// The step's name for people, and the line where it was added.
    pub(crate) fn label(&self, id: StepId) -> (String, String) {
        self.steps
            .borrow()
            .get(id.0 as usize)
            .map(|step| (step.label(), format!("{}:{}", step.line.file(), step.line.line())))
            .unwrap_or_default()
    }

    /// What kind of step it is.
    pub(crate) fn kind(&self, id: StepId) -> &'static str {
        self.steps.borrow().get(id.0 as usize).map_or("", |step| step.kind)
    }

    /// Notes an edge between two steps; two streams from one step to another are one edge.
    pub(crate) fn connect(&self, from: Leaving, to: StepId) {
        let (at, carries) = (from.step.0 as usize, from.carries);
        let edge = GraphEdge { from: at, to: to.0 as usize, carries };
        let mut edges = self.edges.borrow_mut();
        if !edges.contains(&edge) {
            edges.push(edge);
        }
    }

    /// Notes an operator of the graph: what it is fed by and which stages it runs.
    pub(crate) fn operator(&self, kind: &str, stages: &[StepId]) {
        let mut operators = self.operators.borrow_mut();
        let ids: Vec<u32> = stages.iter().map(|s| s.0).collect();
        if writeln!(operators, "{kind} {ids:?}").is_err() {
            unreachable!("writing to a string cannot fail");
        }
    }

    /// What must be equal on all workers: steps and operators in the order in which they were added.
    pub(crate) fn fingerprint(&self) -> String {
        let steps: Vec<String> =
            self.steps.borrow().iter().map(|s| format!("{} {}", s.kind, s.label())).collect();
        format!("{}\n{}", steps.join("\n"), self.operators.borrow())
    }
}

impl fmt::Debug for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Build").field("steps", &self.steps).finish_non_exhaustive()
    }
}

/// The graph under construction, as the program's closure sees it.
#[derive(Clone, Debug)]
pub struct Flow<'s> {
    pub(crate) scope: Scope<'s, u64>,
    pub(crate) build: Rc<Build>,
}

impl<'s> Flow<'s> {
    /// Adds a source named `name`: its stream of records.
    ///
    /// Order within a partition is kept. The name is the id of its positions and, by default, of its consumer group
    /// (`<dataflow>.<name>`).
    #[track_caller]
    pub fn source(&self, name: &str, source: impl Source) -> RecordStream<'s, Records<FromSource>> {
        let id = self.build.step("source", Some(name), Location::caller());
        let handle = self.add_source(id, name, Box::new(source));
        RecordStream::from_source(self.clone(), handle, id)
    }

    /// Adds a source named `name` whose own failures leave on a stream instead of stopping the dataflow.
    ///
    /// After a failure the source is asked again, with a wait that grows; ten failures in a row without a record between them
    /// stop the dataflow all the same.
    #[track_caller]
    pub fn source_with_errors(
        &self,
        name: &str,
        source: impl Source,
    ) -> (RecordStream<'s, Records<FromSource>>, Stream<'s, ErrorRecord>) {
        let id = self.build.step("source", Some(name), Location::caller());
        let handle = self.add_source(id, name, Box::new(source)).going_on();
        RecordStream::from_source_with_errors(self.clone(), handle, id)
    }

    /// Workers of the whole dataflow.
    pub fn n_workers(&self) -> usize {
        self.scope.peers()
    }

    /// Wakes the operator at `address` from any thread.
    pub(crate) fn wake_for(&self, address: &[usize]) -> Wake {
        let activator = self.scope.worker().sync_activator_for(address.to_vec());
        Wake::new(move || {
            if activator.activate().is_err() {
                tracing::trace!("the worker has gone and needs no waking");
            }
        })
    }

    pub(crate) fn batch_pool(&self) -> Pool<RecordBatch> {
        self.build.batches.clone()
    }
}

/// Notices a stream that leads nowhere: dropped without having been used, it is a fault of the graph.
#[derive(Debug)]
pub(crate) struct Unused {
    build: Rc<Build>,
    step: StepId,
    what: &'static str,
    used: Cell<bool>,
}

impl Unused {
    pub(crate) fn new(build: &Rc<Build>, step: StepId, what: &'static str) -> Self {
        Self { build: Rc::clone(build), step, what, used: Cell::new(false) }
    }

    pub(crate) fn used(self) {
        self.used.set(true);
    }
}

impl Drop for Unused {
    fn drop(&mut self) {
        if self.used.get() || std::thread::panicking() {
            return;
        }
        let (label, line) = self.build.label(self.step);
        self.build.fault(
            format!("build the graph: {} of step \"{label}\" leads nowhere", self.what),
            &line,
            "End it with `.sink(…)`, `.for_each(…)` or `.discard()`; errors also with `.errors_fail()` or `.errors_drop()`.",
        );
    }
}
