//! One execution of a dataflow, from resume to stop: positions, partitions, workers, commits, the deadline.

use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use timely::communication::WorkerGuards;

use super::plan::Plan;
use super::worker::{Assignments, Mail};
use super::worker_start::{CLOSE_AFTER_FAILURE, Meeting, WorkerStart};
use super::{Shared, Stop};
use crate::error::{Error, ErrorKind, Result, codes};
use crate::position::PositionStore;
use crate::source::{Assignment, Confirmed, Found, OpenContext, Partition, PartitionFinder};
use crate::stage::catch;

/// How long the coordinator waits at most before it looks: what readers have confirmed on their interval is stored soon after.
const LOOK: Duration = Duration::from_millis(100);

/// Finds the partitions of one source, and knows those that are being read.
struct Finding {
    source: Arc<str>,
    finder: Box<dyn PartitionFinder>,
    known: Vec<Partition>,
    bounded: bool,
}

/// One execution.
pub(crate) struct Execution {
    plan: Rc<Plan>,
    shared: Arc<Shared>,
    store: Option<PositionStore>,
    findings: Vec<Finding>,
    mail: Arc<Mail>,
}

impl Execution {
    pub(crate) fn new(plan: Rc<Plan>, shared: Arc<Shared>, store: Option<PositionStore>) -> Self {
        Self { plan, shared, store, findings: Vec::new(), mail: Arc::default() }
    }

    /// Runs to the end; gives the store back for the next execution.
    pub(crate) fn run(mut self) -> (Result<()>, Option<PositionStore>) {
        let result = self.run_all();
        let stored = self.store_positions();
        (result.and(stored), self.store)
    }

    fn run_all(&mut self) -> Result<()> {
        self.plan.log_guarantees();
        for (name, sink) in &self.plan.sinks {
            sink.prepare(&open_context(&self.shared, name)).map_err(|e| e.at_step(name))?;
        }
        let assignments = self.find_partitions()?;
        if self.shared.stop() == Stop::Now {
            return self.shared.take_fault().map_or(Ok(()), Err);
        }
        let (guards, ended) = self.start_workers(assignments)?;
        let joined = self.supervise(&ended);
        if joined {
            drop(guards);
        } else {
            // A worker is stuck in user code: its thread cannot be ended, and must not hold up the caller.
            std::mem::forget(guards);
        }
        self.shared.take_fault().map_or(Ok(()), Err)
    }

    /// Finds all partitions and where they start; the starts are stored before the first record is handed out.
    fn find_partitions(&mut self) -> Result<Vec<Assignments>> {
        let mut assignments: Vec<Assignments> =
            (0..self.shared.config.workers).map(|_| Assignments::new()).collect();
        let plan = Rc::clone(&self.plan);
        for (name, source) in &plan.sources {
            let cx = open_context(&self.shared, name);
            let finder = source.finder(&cx).map_err(|e| e.at_step(name))?;
            let bounded = source.capabilities().bounded;
            self.findings.push(Finding {
                source: Arc::clone(name),
                finder,
                known: Vec::new(),
                bounded,
            });
            let last = self.findings.len() - 1;
            for (worker, list) in
                self.find_new(last, Found::AtStart).map_err(|e| e.at_step(name))?
            {
                if let Some(of_worker) = assignments.get_mut(worker) {
                    of_worker.entry(Arc::clone(name)).or_default().extend(list);
                }
            }
        }
        Ok(assignments)
    }

    /// Resolves the partitions of a source that are not read yet, and deals them out to workers.
    fn find_new(&mut self, at: usize, found: Found) -> Result<Vec<(usize, Vec<Assignment>)>> {
        let Some(finding) = self.findings.get_mut(at) else {
            return Ok(Vec::new());
        };
        let partitions = finding.finder.find()?;
        let wanted: Vec<_> = partitions
            .into_iter()
            .filter(|p| !finding.known.contains(p))
            .map(|p| {
                let stored = self.store.as_ref().and_then(|s| s.get(&finding.source, &p)).cloned();
                (p, stored)
            })
            .collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let resolved = finding.finder.resolve(&wanted, found)?;
        warn_of_differences(&finding.source, &wanted, &resolved);
        finding.finder.pin(&resolved)?;
        let starts = resolved
            .iter()
            .map(|a| Confirmed { partition: a.partition.clone(), resume: a.start.clone() });
        self.shared.positions.confirm(&finding.source, starts.collect());
        let first = finding.known.len();
        finding.known.extend(wanted.into_iter().map(|(p, _)| p));
        self.store_positions()?;
        let workers = self.shared.config.workers;
        let dealt = resolved.into_iter().enumerate().map(|(i, a)| ((first + i) % workers, vec![a]));
        Ok(dealt.collect())
    }

    fn start_workers(
        &self,
        assignments: Vec<Assignments>,
    ) -> Result<(WorkerGuards<()>, Receiver<()>)> {
        let workers = self.shared.config.workers;
        let (ended, all_ended) = bounded(workers);
        let start = WorkerStart {
            shared: Arc::clone(&self.shared),
            build: Arc::clone(&self.plan.dataflow.build),
            fingerprint: self.plan.fingerprint.clone(),
            assignments: Mutex::new(assignments.into_iter().map(Some).collect()),
            meeting: Meeting::new(workers),
            mail: Arc::clone(&self.mail),
        };
        let config =
            if workers == 1 { timely::Config::thread() } else { timely::Config::process(workers) };
        let guards = timely::execute(config, move |worker| {
            // Operators catch what user code does. What comes here is the engine's own, and unwinding through timely would
            // leave the other workers waiting for ever.
            if let Err(panicked) = catch(|| start.run(worker)) {
                let worker = worker.index();
                tracing::error!(
                    worker,
                    "the engine panicked: {}; the process aborts",
                    panicked.message
                );
                std::process::abort();
            }
            if ended.send(()).is_err() {
                tracing::debug!("the coordinator has given up waiting for this worker");
            }
        });
        let guards = guards.map_err(|e| {
            Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, "start the workers")
                .with_source(e)
        })?;
        Ok((guards, all_ended))
    }

    /// Stores positions, finds partitions and watches the deadline until all workers have ended; false when one is stuck.
    fn supervise(&mut self, ended: &Receiver<()>) -> bool {
        let mut running = self.shared.config.workers;
        let mut next_find = Instant::now() + self.shared.config.find_interval;
        let mut deadline = None;
        let mut storing = true;
        while running > 0 {
            match ended.recv_timeout(self.shared.config.commit_interval.min(LOOK)) {
                Ok(()) => running -= 1,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
            }
            self.store_on_interval(&mut storing);
            if Instant::now() >= next_find && self.shared.stop() == Stop::No {
                next_find = Instant::now() + self.shared.config.find_interval;
                self.find_while_running();
            }
            if self.is_overdue(&mut deadline) {
                return false;
            }
        }
        true
    }

    /// Stores positions; a folder that cannot be written is tried again each time, and spoken of once.
    fn store_on_interval(&mut self, storing: &mut bool) {
        match self.store_positions() {
            Ok(()) => *storing = true,
            Err(error) if std::mem::take(storing) => tracing::error!(
                "{}\nThe dataflow goes on and tries again; until that succeeds, a restart repeats more.",
                error.report()
            ),
            Err(_again) => {}
        }
    }

    /// Past the stop deadline what is left is given up; past the grace after that, a worker is stuck.
    fn is_overdue(&self, deadline: &mut Option<Instant>) -> bool {
        let now = Instant::now();
        match (self.shared.stop(), *deadline) {
            (Stop::No, _) => *deadline = None,
            (Stop::Drain, None) => *deadline = Some(now + self.shared.config.stop_deadline),
            (Stop::Now, None) => *deadline = Some(now),
            (Stop::Drain, Some(end)) if now >= end => self.shared.fail(self.deadline_error()),
            (Stop::Now, Some(end)) if now >= end + 2 * CLOSE_AFTER_FAILURE => return true,
            _ => {}
        }
        false
    }

    fn deadline_error(&self) -> Error {
        let snapshot = self.shared.metrics.snapshot();
        let holders: Vec<_> = snapshot
            .frontier_holders()
            .iter()
            .map(|s| format!("{} \"{}\" on worker {}", s.kind, s.name, s.worker))
            .collect();
        let deadline = self.shared.config.stop_deadline;
        Error::new(
            ErrorKind::Stopped,
            codes::STOP_DEADLINE,
            format!("confirm everything within the stop deadline of {deadline:?}"),
        )
        .with_source(format!("still open: {}", holders.join(", ")))
        .with_action("What was not confirmed is not committed; the next run repeats it.")
    }

    fn find_while_running(&mut self) {
        for at in 0..self.findings.len() {
            if self.findings[at].bounded {
                continue;
            }
            let source = Arc::clone(&self.findings[at].source);
            match self.find_new(at, Found::WhileRunning) {
                Ok(dealt) => {
                    for (worker, list) in dealt {
                        tracing::info!(source = %source, worker, partition = %list[0].partition, "reads a new partition");
                        self.mail.send(worker, Arc::clone(&source), list);
                        self.shared.wake_workers();
                    }
                }
                Err(error) => {
                    tracing::warn!(source = %source, "{}\nTried again later.", error.report());
                }
            }
        }
    }

    fn store_positions(&mut self) -> Result<()> {
        match (&mut self.store, self.shared.positions.take_changed()) {
            (Some(store), Some(positions)) => {
                store.store(positions).inspect_err(|_error| self.shared.positions.not_stored())
            }
            _ => Ok(()),
        }
    }
}

fn warn_of_differences(
    source: &str,
    wanted: &[(Partition, Option<crate::source::ResumePosition>)],
    resolved: &[Assignment],
) {
    for ((partition, stored), assignment) in wanted.iter().zip(resolved) {
        if let (Some(stored), Some(committed)) = (stored, &assignment.committed)
            && stored != committed
        {
            tracing::warn!(
                source,
                "{partition}: the stored position {stored} counts, the broker has {committed} committed"
            );
        }
    }
}

/// Where every source of a plan starts, for one worker and without a store.
pub(crate) fn start_positions(plan: &Plan, shared: &Arc<Shared>) -> Result<Assignments> {
    let mut assignments = Assignments::new();
    for (name, source) in &plan.sources {
        let cx = open_context(shared, name);
        let mut finder = source.finder(&cx).map_err(|e| e.at_step(name))?;
        let wanted: Vec<_> = finder.find()?.into_iter().map(|p| (p, None)).collect();
        let resolved = finder.resolve(&wanted, Found::AtStart).map_err(|e| e.at_step(name))?;
        assignments.insert(Arc::clone(name), resolved);
    }
    Ok(assignments)
}

/// What opening a step is told.
pub(crate) fn open_context(shared: &Shared, step: &Arc<str>) -> OpenContext {
    OpenContext {
        dataflow: Arc::clone(&shared.dataflow),
        step: Arc::clone(step),
        clock: Arc::clone(&shared.clock),
        open_timeout: shared.config.open_timeout,
    }
}
