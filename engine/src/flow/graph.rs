//! The graph of a dataflow as data: its steps as the program wrote them, the edges between them, what each sink guarantees.
//!
//! Invariant: steps stand in the order in which the program added them, so a graph is the same each time it is drawn.

mod draw;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::build::{Build, Step};
use crate::error::Result;
use crate::sink::SinkCapabilities;
use crate::source::{Acknowledges, SourceCapabilities};
use crate::stage::StepId;

/// What reaches a sink, whatever fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Records may be lost, none is repeated: the source cannot be read again, or the sink confirms nothing.
    AtMostOnce,
    /// No record is lost, some may be repeated.
    AtLeastOnce,
}

impl Guarantee {
    /// What a sink with these abilities guarantees for a source with those.
    pub(crate) fn of(source: SourceCapabilities, sink: SinkCapabilities) -> Self {
        let comes_again = source.replayable || source.acknowledges != Acknowledges::Never;
        if comes_again && sink.confirms { Self::AtLeastOnce } else { Self::AtMostOnce }
    }
}

/// What an edge carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Carries {
    /// Records or items that are well.
    Good,
    /// Error records: of this step, and of those before it whose errors were not taken yet.
    Errors,
}

/// Where a stream comes from: the step it left last, and what it carries from there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving {
    pub(crate) step: StepId,
    pub(crate) carries: Carries,
}

impl Leaving {
    pub(crate) fn errors(step: StepId) -> Self {
        Self { step, carries: Carries::Errors }
    }
}

impl From<StepId> for Leaving {
    fn from(step: StepId) -> Self {
        Self { step, carries: Carries::Good }
    }
}

/// A step of a [`Graph`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GraphStep {
    /// The name that the program gave, or `kind@file:line`; the one of errors and metrics.
    pub name: String,
    /// What it does: `source`, `sink`, or the operator's name.
    pub kind: &'static str,
    /// The connector, of sources and sinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector: Option<&'static str>,
    /// Where it writes, of sinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The weakest guarantee over all sources that reach it, of sinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guarantee: Option<Guarantee>,
    /// Where the program added it, `file:line`.
    pub line: String,
}

/// An edge of a [`Graph`]: indices into its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GraphEdge {
    /// The step that it leaves.
    pub from: usize,
    /// The step that it leads to.
    pub to: usize,
    /// What it carries.
    pub carries: Carries,
}

/// The graph of a dataflow, as the program wrote it: stages that run fused are steps of their own.
///
/// `Display` gives it as text. Errors that stop the dataflow (`errors_fail`) or are dropped (`errors_drop`) have no edge.
///
/// # Examples
/// ```
/// use millstream_engine::{Dataflow, sink, source};
///
/// let flow = Dataflow::new("copy", |flow| {
///     flow.source("in", source::from_iter(["a"]).replayable()).sink("out", sink::from_fn(|_| Ok(())));
/// });
/// let graph = flow.graph()?;
/// assert!(graph.to_string().contains("out (sink to own code, at least once)"));
/// assert!(graph.to_mermaid().starts_with("flowchart LR"));
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// The dataflow's name.
    pub dataflow: String,
    /// The steps, in the order in which the program added them.
    pub steps: Vec<GraphStep>,
    /// The edges between them.
    pub edges: Vec<GraphEdge>,
}

impl super::Dataflow {
    /// Builds the graph, which opens nothing, and returns it.
    ///
    /// # Errors
    /// Every fault of the graph at once (*config*), as [`crate::start`].
    pub fn graph(&self) -> Result<Graph> {
        let clock = crate::clock::SystemClock::new();
        let plan = crate::runtime::Plan::check(self, &crate::Config::default(), &clock)?;
        Ok(plan.graph)
    }
}

impl Graph {
    /// The graph that a build has collected.
    pub(crate) fn of(dataflow: &str, build: &Build) -> Self {
        let steps = build.steps.borrow().iter().map(plain).collect();
        let edges = build.edges.borrow().clone();
        let mut graph = Self { dataflow: dataflow.to_owned(), steps, edges };
        graph.add_connectors(build);
        graph
    }

    fn add_connectors(&mut self, build: &Build) {
        let mut sources = BTreeMap::new();
        for slot in build.sources.borrow().iter() {
            let Some(at) = self.index_of(&slot.name) else { continue };
            self.steps[at].connector = Some(slot.source.connector());
            sources.insert(at, slot.source.capabilities());
        }
        for slot in build.sinks.borrow().iter() {
            let Some(at) = self.index_of(&slot.name) else { continue };
            let before = self.before(at);
            let reaching = sources.iter().filter(|(source, _)| before[**source]);
            let guarantees = reaching.map(|(_, can)| Guarantee::of(*can, slot.sink.capabilities()));
            let weakest = guarantees.min();
            let step = &mut self.steps[at];
            step.connector = Some(slot.sink.connector());
            step.target = Some(slot.sink.target());
            step.guarantee = weakest;
        }
    }

    fn index_of(&self, name: &Arc<str>) -> Option<usize> {
        self.steps.iter().position(|step| *step.name == **name)
    }

    /// For each step whether something of it reaches the step `at`. Edges may lead backwards in the order of steps.
    fn before(&self, at: usize) -> Vec<bool> {
        let mut seen = vec![false; self.steps.len()];
        let mut to_visit = vec![at];
        while let Some(step) = to_visit.pop() {
            if !std::mem::replace(&mut seen[step], true) {
                to_visit.extend(self.edges.iter().filter(|e| e.to == step).map(|e| e.from));
            }
        }
        seen
    }
}

fn plain(step: &Step) -> GraphStep {
    GraphStep {
        name: step.label(),
        kind: step.kind,
        connector: None,
        target: None,
        guarantee: None,
        line: format!("{}:{}", step.line.file(), step.line.line()),
    }
}
