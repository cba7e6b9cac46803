//! The outputs of a fused operator during one batch, and what becomes of failures.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use timely::dataflow::channels::pushers;
use timely::dataflow::operators::{Capability, InputCapability};

use super::build::Build;
use super::error_record::{ErrorRecord, short_text};
use super::fused::ErrorBatch;
use crate::batch::OwnedRecord;
use crate::error::{Error, ErrorKind};
use crate::metrics::StepCounters;
use crate::stage::{Cx, Failure, Output, Panicked, Route, StepId};

/// Errors that a container is made for, once there is one.
const ERRORS_AT_ONCE: usize = 32;

/// What a fused operator keeps over its life: names, counters, and the way to stop the dataflow.
#[derive(Debug)]
pub(crate) struct OperatorContext {
    pub(crate) build: Rc<Build>,
    pub(crate) counters: Arc<StepCounters>,
    /// The operator's own step, then the stages it runs.
    stages: Vec<Stage>,
}

/// A step as failures name it.
#[derive(Debug)]
struct Stage {
    step: StepId,
    name: Arc<str>,
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
        let stage = |id: StepId, of: &'static str| {
            let name = build.label(id).0;
            let counters = build.shared.metrics.step(&name, of, build.worker);
            Stage { step: id, name: name.into(), counters }
        };
        let own = stage(step, kind);
        let counters = Arc::clone(&own.counters);
        let others = stages.iter().filter(|id| **id != step).map(|id| stage(*id, build.kind(*id)));
        let all = std::iter::once(own).chain(others).collect();
        Self { build: Rc::clone(build), counters, stages: all }
    }

    /// The stage of `step`; what is not known is the operator's own.
    fn stage(&self, step: StepId) -> &Stage {
        self.stages.iter().find(|stage| stage.step == step).unwrap_or(&self.stages[0])
    }

    /// Stops the dataflow after a panic that was caught at this operator's edge.
    pub(crate) fn panicked(&self, panicked: Panicked) {
        let (label, line) = self.build.label(panicked.step.unwrap_or(self.stages[0].step));
        let is_users = panicked.step.is_some();
        let mut error = panicked.into_error();
        if !is_users {
            error = error.doing("run the engine: it panicked");
        }
        self.build.shared.fail(error.at_step(&label).at_line(line).at_worker(self.build.worker));
    }

    /// Stops the dataflow with an error of this operator's source or sink; that of a closure says where it stands.
    pub(crate) fn failed(&self, error: Error) {
        let (label, line) = self.build.label(self.stages[0].step);
        let error = if error.kind() == ErrorKind::Panic { error.at_line(line) } else { error };
        self.build.shared.fail(error.at_step(&label).at_worker(self.build.worker));
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
    pub(crate) errors: &'x mut [ErrorBatch],
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
        let stage = self.cx.stage(failure.step);
        stage.counters.errors.fetch_add(1, Ordering::Relaxed);
        match failure.route {
            Route::Stream(port) => {
                let Failure { code, error, item, .. } = failure;
                let text = short_text(&error);
                let record = failed_record(cx, item);
                self.given += size_of::<ErrorRecord>() + text.len() + bytes_of(&record);
                let record = ErrorRecord::now(&self.cx.build, &stage.name, code, text, record);
                if let Some(errors) = self.errors.get_mut(usize::from(port)) {
                    if errors.items.capacity() == 0 {
                        errors.items.reserve(ERRORS_AT_ONCE);
                    }
                    errors.items.push(record);
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

    fn stop_error(&self, cx: Cx<'_>, failure: Failure) -> Error {
        let (label, line) = self.cx.build.label(failure.step);
        let mut error = Error::new(ErrorKind::BadItem, failure.code, failure.what.to_string())
            .at_step(&label)
            .at_line(line)
            .at_worker(self.cx.build.worker)
            .with_source(failure.error)
            .with_action("The dataflow stops before this record; a restart continues with it.")
            .with_hint("To set such records aside and go on, take them with `.split_errors()` instead of `.errors_fail()`.");
        if let Some((Some(origin), _)) = cx.place() {
            error = error.at_partition(&origin.topic, origin.partition);
        }
        if let Some(position) = cx.position_text() {
            error = error.at_position(position);
        }
        error
    }
}

/// The record that failed, as it came; beyond a boundary the item, so far as its step wrote it, and its origin, so far as it was
/// kept.
fn failed_record(cx: Cx<'_>, item: Option<Vec<u8>>) -> OwnedRecord {
    if let Some(record) = cx.record() {
        return record.to_owned();
    }
    let (origin, position) = cx.place().unwrap_or_default();
    OwnedRecord { value: item, origin: origin.cloned(), position, ..OwnedRecord::default() }
}

fn bytes_of(record: &OwnedRecord) -> usize {
    let part = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    let headers = record.headers.iter().map(|(name, value)| name.len() + part(value));
    let envelope = record.envelope.as_deref().map_or(0, size_of_val);
    part(&record.key) + part(&record.value) + headers.sum::<usize>() + envelope
}
