//! The outputs of a fused operator during one batch, and what becomes of failures.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use timely::dataflow::channels::pushers;
use timely::dataflow::operators::{Capability, InputCapability};

use super::build::Build;
use super::error_record::ErrorRecord;
use crate::error::{Error, ErrorKind};
use crate::metrics::StepCounters;
use crate::stage::{Cx, Failure, Output, Panicked, Route, StepId};

/// What a fused operator keeps over its life: names, counters, and the way to stop the dataflow.
#[derive(Debug)]
pub(crate) struct OperatorContext {
    pub(crate) build: Rc<Build>,
    pub(crate) counters: Arc<StepCounters>,
    stages: Vec<Stage>,
    step: StepId,
}

/// A stage as its failures name and count it.
#[derive(Debug)]
struct Stage {
    step: StepId,
    label: String,
    counters: Arc<StepCounters>,
}

impl OperatorContext {
    /// A context for an operator named after `step` that runs `stages`.
    pub(crate) fn new(
        build: &Rc<Build>,
        kind: &'static str,
        step: StepId,
        stages: &[StepId],
    ) -> Self {
        let metrics = &build.shared.metrics;
        let count = |id: StepId, of: &'static str| {
            let label = build.label(id).0;
            let counters = metrics.step(&label, of, build.worker);
            Stage {
                step: id,
                label,
                counters,
            }
        };
        let kinds = build
            .steps
            .borrow()
            .iter()
            .map(|s| s.kind)
            .collect::<Vec<_>>();
        let own = count(step, kind);
        let others = stages.iter().filter(|s| **s != step);
        let others = others.map(|s| count(*s, kinds[s.0 as usize]));
        Self {
            counters: Arc::clone(&own.counters),
            stages: others.chain([own]).collect(),
            build: Rc::clone(build),
            step,
        }
    }

    /// The stage of a failure; stages are few, and looking through them is cheaper than hashing.
    fn stage(&self, step: StepId) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.step == step)
    }

    fn count_error(&self, step: StepId) {
        let stage = self.stage(step);
        let counters = stage.map_or(&self.counters, |stage| &stage.counters);
        counters.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Stops the dataflow after a panic that was caught at this operator's edge.
    pub(crate) fn panicked(&self, panicked: Panicked) {
        let (label, line) = self.build.label(panicked.step.unwrap_or(self.step));
        let what = if panicked.step.is_some() {
            "run your code: it panicked"
        } else {
            "run the engine: it panicked"
        };
        let mut error = Error::new(ErrorKind::Panic, crate::error::codes::PANIC, what)
            .at_step(&label)
            .at_line(line)
            .at_worker(self.build.worker)
            .with_source(panicked.message)
            .with_action(
                "The dataflow stops on all workers; nothing of what was in flight is confirmed.",
            );
        if let Some((origin, position)) = panicked.record {
            if let Some(origin) = origin {
                error = error.at_partition(&origin.topic, origin.partition);
            }
            error = error.at_position(position);
        }
        self.build.shared.fail(error);
    }
}

/// A capability for the ok output: the input's, or one of the operator's own.
pub(crate) enum OkCapability<'x> {
    Input(&'x InputCapability<u64>),
    Own(&'x Capability<u64>),
}

/// The outputs of a fused operator during one batch.
///
/// The error ports are touched only when there is an error.
pub struct Ports<'x, O: Output> {
    pub(crate) ok: &'x mut pushers::Output<u64, O>,
    pub(crate) capability: OkCapability<'x>,
    pub(crate) errors: &'x mut [Vec<ErrorRecord>],
    pub(crate) cx: &'x OperatorContext,
    /// Bytes given so far, as charged to the in-flight ledger.
    pub(crate) given: usize,
    /// The first failure that stops the dataflow.
    pub(crate) stop: Option<Error>,
}

impl<O: Output> fmt::Debug for Ports<'_, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports")
            .field("given", &self.given)
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}

impl<O: Output> Ports<'_, O> {
    /// Sends a container on; nothing more leaves once a failure has stopped the dataflow.
    #[cold]
    #[inline(never)]
    pub(crate) fn give(&mut self, container: &mut O) {
        if self.stop.is_some() {
            return;
        }
        self.given += container.weight();
        match self.capability {
            OkCapability::Input(capability) => self.ok.activate().give(capability, container),
            OkCapability::Own(capability) => self.ok.activate().give(capability, container),
        }
    }

    /// Sends a failure where the program said.
    #[cold]
    #[inline(never)]
    pub(crate) fn fail(&mut self, cx: Cx<'_>, failure: Failure) {
        self.cx.count_error(failure.step);
        match failure.route {
            Route::Stream(port) => {
                let record = self.error_record(cx, &failure);
                self.given +=
                    size_of::<ErrorRecord>() + cx.record().map_or(0, crate::batch::Record::n_bytes);
                if let Some(errors) = self.errors.get_mut(usize::from(port)) {
                    errors.push(record);
                }
            }
            Route::Drop => {}
            Route::Stop | Route::Open => {
                if self.stop.is_none() {
                    self.stop = Some(self.stop_error(cx, failure));
                }
            }
        }
    }

    fn error_record(&self, cx: Cx<'_>, failure: &Failure) -> ErrorRecord {
        let build = &self.cx.build;
        ErrorRecord {
            dataflow: build.shared.dataflow.to_string(),
            step: self
                .cx
                .stage(failure.step)
                .map_or_else(|| build.label(failure.step).0, |s| s.label.clone()),
            code: failure.code.to_string(),
            error: failure.error.to_string(),
            record: cx
                .record()
                .map(crate::batch::Record::to_owned)
                .unwrap_or_default(),
            failed_at: build.shared.clock.unix_millis(),
            attempts: 1,
        }
    }

    fn stop_error(&self, cx: Cx<'_>, failure: Failure) -> Error {
        let (label, line) = self.cx.build.label(failure.step);
        let mut error = Error::new(ErrorKind::BadItem, failure.code, failure.what)
            .at_step(&label)
            .at_line(line)
            .at_worker(self.cx.build.worker)
            .with_source(failure.error)
            .with_action("The dataflow stops before this record; a restart continues with it.")
            .with_hint("To set such records aside and go on, take them with `.split_errors()` instead of `.errors_fail()`.");
        if let Some(record) = cx.record() {
            if let Some(origin) = record.origin() {
                error = error.at_partition(&origin.topic, origin.partition);
            }
            error = error.at_position(record.position());
        }
        error
    }
}
