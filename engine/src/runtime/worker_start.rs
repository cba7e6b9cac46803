//! What each worker's thread does, from building the graph to closing; and where workers meet before anything opens.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use timely::worker::Worker;

use super::Shared;
use super::worker::{Assignments, Mail, WorkerFlow};
use crate::error::{Error, ErrorKind, Result, codes};
use crate::flow::BuildFn;

/// How long closing may take after a failure, beside what a graceful stop may.
pub(crate) const CLOSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// What every worker is started with.
pub(crate) struct WorkerStart {
    pub(crate) shared: Arc<Shared>,
    pub(crate) build: BuildFn,
    /// What the check on the caller's thread has built.
    pub(crate) fingerprint: String,
    /// Start positions, one entry per worker.
    pub(crate) assignments: Mutex<Vec<Option<Assignments>>>,
    pub(crate) meeting: Meeting,
    pub(crate) mail: Arc<Mail>,
}

impl WorkerStart {
    /// One worker's whole life, from building to closing.
    pub(crate) fn run(&self, worker: &mut Worker) {
        self.shared.register_worker();
        let built = WorkerFlow::build(worker, &self.shared, &self.build)
            .and_then(|flow| self.same_graph(flow));
        let all_agree = self.meeting.arrive(built.is_ok());
        let mut flow = match built {
            Ok(flow) => flow,
            Err(error) => {
                self.shared.fail(error);
                return drop_all(worker);
            }
        };
        let opened = if all_agree { self.open(&flow, worker) } else { Ok(()) };
        if let Err(error) = opened {
            self.shared.fail(error.at_worker(worker.index()));
        }
        let graceful = all_agree && flow.run(worker, &self.mail);
        if !graceful {
            flow.drop_dataflow(worker);
        }
        let deadline =
            if graceful { self.shared.config.stop_deadline } else { CLOSE_AFTER_FAILURE };
        flow.close(graceful, deadline);
    }

    fn same_graph(&self, flow: WorkerFlow) -> Result<WorkerFlow> {
        if flow.fingerprint() == self.fingerprint {
            return Ok(flow);
        }
        Err(Error::new(ErrorKind::Config, codes::UNEQUAL_GRAPHS, "build the same graph on every worker")
            .with_hint("The closure must add the same steps in the same order each time; iterate over no hash map in it."))
    }

    fn open(&self, flow: &WorkerFlow, worker: &Worker) -> Result<()> {
        let mut all = self.assignments.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = all.get_mut(worker.index()).and_then(Option::take).unwrap_or_default();
        drop(all);
        flow.open(worker.peers(), mine, false)
    }
}

fn drop_all(worker: &mut Worker) {
    for id in worker.installed_dataflows() {
        worker.drop_dataflow(id);
    }
}

/// Where workers wait for each other once: nothing opens before all graphs are known to be equal.
pub(crate) struct Meeting {
    workers: usize,
    arrived: AtomicUsize,
    refused: AtomicBool,
    lock: Mutex<()>,
    all_here: Condvar,
}

impl Meeting {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers,
            arrived: AtomicUsize::new(0),
            refused: AtomicBool::new(false),
            lock: Mutex::new(()),
            all_here: Condvar::new(),
        }
    }

    /// Waits for all workers; says whether all of them agreed.
    fn arrive(&self, agrees: bool) -> bool {
        if !agrees {
            self.refused.store(true, Ordering::SeqCst);
        }
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.arrived.fetch_add(1, Ordering::SeqCst);
        self.all_here.notify_all();
        while self.arrived.load(Ordering::SeqCst) < self.workers {
            guard = self.all_here.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        drop(guard);
        !self.refused.load(Ordering::SeqCst)
    }
}
