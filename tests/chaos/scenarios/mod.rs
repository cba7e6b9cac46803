//! The scenarios, each a promise and a fault, and the route of records that most of them share.

mod broken;
mod broker;
mod errors;
mod frozen;
mod garbage;
mod interrupted;
mod leader;
mod partitions;
mod restart;
mod several;
pub(crate) mod stall;
mod state;
mod verifier;

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use millstream::position::PositionStore;
use millstream::source::Partition;

use crate::cluster::Cluster;
use crate::harness::{Needs, Scenario, Stage};
use crate::input::Feeder;
use crate::program::Copy;
use crate::verify::{Starts, Verdict, verify};
use crate::{scratch, wait};

const fn kafka(name: &'static str, loops: (u64, u64), run: fn(&Stage)) -> Scenario {
    Scenario { name, loops, needs: Needs::Kafka, run }
}

const fn alone(name: &'static str, run: fn(&Stage)) -> Scenario {
    Scenario { name, loops: (1, 1), needs: Needs::Nothing, run }
}

/// All scenarios, quick ones first.
pub(crate) const SCENARIOS: &[Scenario] = &[
    alone("verifiers_notice_every_fault", verifier::notice_every_fault),
    alone("panic_restarts_the_dataflow", restart::panic_restarts),
    alone("source_without_replay_is_refused", restart::not_replayable_is_refused),
    alone("failure_leaves_the_other_dataflow_alone", several::failure_leaves_the_other_alone),
    alone("stalled_memory_sink_bounds_memory", stall::on_memory),
    kafka("unreachable_broker_is_named", (1, 1), errors::unreachable),
    kafka("unknown_topic_gets_a_suggestion", (1, 1), errors::unknown_topic),
    kafka("config_error_never_restarts", (1, 1), restart::config_error_never_restarts),
    kafka("bad_record_stops_at_its_position", (1, 1), errors::bad_record_stops),
    kafka("bad_record_is_set_aside", (1, 1), errors::bad_record_is_set_aside),
    kafka("garbage_becomes_dead_letters", (1, 1), garbage::one_in_a_hundred),
    kafka("one_of_fifty_partitions_is_used", (1, 1), partitions::one_of_fifty),
    kafka("empty_partitions_are_not_skipped", (1, 1), partitions::empty_ones),
    kafka("new_partitions_are_read_from_the_start", (1, 1), partitions::new_ones),
    kafka("locked_state_folder_is_refused", (1, 1), state::locked),
    kafka("damaged_state_file_is_refused", (1, 1), state::damaged),
    kafka("unwritable_state_folder_is_survived", (1, 1), state::unwritable),
    kafka("full_state_folder_is_survived", (1, 1), state::full),
    kafka("sigterm_loses_and_repeats_nothing", (10, 200), interrupted::by_sigterm),
    kafka("sigkill_loses_nothing", (6, 100), interrupted::by_sigkill),
    kafka("broken_builds_are_caught", (1, 5), broken::are_caught),
    kafka("killed_broker_loses_nothing", (2, 20), broker::killed),
    kafka("killed_leaders_lose_and_repeat_nothing", (3, 120), leader::killed),
    kafka("outage_restarts_the_dataflow", (1, 5), restart::outage),
    kafka("stop_ends_with_the_sink_down", (1, 5), broker::stop_with_the_sink_down),
    kafka("frozen_broker_loses_nothing", (1, 3), frozen::both_ways),
    kafka("full_queue_waits_without_spinning", (1, 1), stall::with_small_queues),
    kafka("stalled_kafka_sink_bounds_memory", (1, 1), stall::on_kafka),
];

/// How long anything may take that is expected to happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Where records go in and come out, with a copy of the program's settings between.
pub(crate) struct Route<'a> {
    pub(crate) from: &'a Cluster,
    pub(crate) to: &'a Cluster,
    pub(crate) name: String,
    input: String,
    output: String,
    partitions: (usize, usize),
    feeder: RefCell<Feeder>,
}

impl<'a> Route<'a> {
    /// Fresh topics of four and three partitions.
    pub(crate) fn new(stage: &Stage, tag: &str, from: &'a Cluster, to: &'a Cluster) -> Self {
        Self::with_partitions(stage, tag, (from, 4), (to, 3))
    }

    pub(crate) fn with_partitions(
        stage: &Stage,
        tag: &str,
        from: (&'a Cluster, usize),
        to: (&'a Cluster, usize),
    ) -> Self {
        let name = stage.fresh(tag);
        let route = Self {
            from: from.0,
            to: to.0,
            input: format!("{name}-in"),
            output: format!("{name}-out"),
            partitions: (from.1, to.1),
            feeder: RefCell::new(Feeder::new(1, stage.seed)),
            name,
        };
        route.from.create_topic(&route.input, from.1);
        route.to.create_topic(&route.output, to.1);
        route
    }

    /// Records of about this many more bytes.
    pub(crate) fn with_padding(self, bytes: usize) -> Self {
        let feeder = self.feeder.into_inner().with_padding(bytes);
        Self { feeder: RefCell::new(feeder), ..self }
    }

    /// The program that copies along this route.
    pub(crate) fn copy(&self) -> Copy {
        Copy::new(&self.name, (self.from, &self.input), (self.to, &self.output))
    }

    /// Writes `n` more records to the input.
    pub(crate) fn feed(&self, n: u64) {
        self.feed_to(n, None);
    }

    /// The same, all to one partition.
    pub(crate) fn feed_to(&self, n: u64, partition: Option<usize>) {
        let lines = self.feeder.borrow_mut().lines(n);
        self.from.produce(&self.input, &lines, partition);
        scratch::forget(&lines);
    }

    pub(crate) fn n_fed(&self) -> u64 {
        self.feeder.borrow().n_records()
    }

    /// Gives the input more partitions, `n` in all.
    pub(crate) fn add_partitions(&mut self, n: usize) {
        self.from.add_partitions(&self.input, n);
        self.partitions.0 = n;
    }

    /// Records that have come out so far, copies included.
    pub(crate) fn n_out(&self) -> u64 {
        self.to.count(&self.output, self.partitions.1)
    }

    /// Waits until more than `n` records have come out.
    pub(crate) fn await_more_than(&self, n: u64) {
        let found = wait::until(SOON, || (self.n_out() > n).then_some(()));
        assert!(found.is_some(), "not more than {n} records came within {SOON:?}");
    }

    /// Waits until every record that the filter lets pass has come out, if none is repeated.
    pub(crate) fn await_all(&self) {
        let n_kept = self.feeder.borrow().n_kept();
        self.await_more_than(n_kept - 1);
    }

    /// The broker that leads one of the partitions of input and output, by a number below [`Route::n_partitions`].
    pub(crate) fn leader(&self, partition: usize) -> usize {
        match partition.checked_sub(self.partitions.0) {
            None => self.from.leader(&self.input, partition),
            Some(partition) => self.to.leader(&self.output, partition),
        }
    }

    /// Partitions of input and output.
    pub(crate) fn n_partitions(&self) -> usize {
        self.partitions.0 + self.partitions.1
    }

    /// Waits until all brokers have all of both topics.
    pub(crate) fn await_in_sync(&self) {
        let in_sync = || self.from.is_in_sync(&self.input) && self.to.is_in_sync(&self.output);
        let found = wait::until(SOON, || in_sync().then_some(()));
        assert!(found.is_some(), "replicas are behind after {SOON:?}");
    }

    /// The offsets that the program has committed at the broker.
    pub(crate) fn committed(&self) -> Vec<Option<u64>> {
        let group = format!("{}.in", self.name);
        self.from.committed(&group, &self.input, self.partitions.0)
    }

    /// Where the next run of the program will begin: as stored, else as committed, else at the first record.
    pub(crate) fn resume_positions(&self, state_dir: Option<&Path>) -> Vec<u64> {
        let store = state_dir.map(|folder| {
            PositionStore::open(folder, &self.name).expect("no program holds the folder")
        });
        let stored = |index: usize| {
            let index = u32::try_from(index).expect("partitions are few");
            let position = store.as_ref()?.get("in", &Partition::new(&self.input, index))?;
            position.0.split('@').next()?.parse().ok()
        };
        let committed = self.committed().into_iter().enumerate();
        committed.map(|(index, offset)| stored(index).or(offset).unwrap_or(0)).collect()
    }

    /// Compares what came out with what went in.
    pub(crate) fn verify(&self, starts: &Starts) -> Verdict {
        let (input, output) = (self.from.dump(&self.input), self.to.dump(&self.output));
        let verdict = verify(&input, &output, starts);
        scratch::forget(&input);
        scratch::forget(&output);
        verdict
    }
}
