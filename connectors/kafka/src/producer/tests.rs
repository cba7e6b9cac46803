//! Writers against brokers that fail as real ones do: nothing is lost, repeated or swapped, and everything is told once.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream_engine::batch::{OwnedRecord, RecordBatch};
use millstream_engine::routing::TopicPolicy;
use millstream_engine::sink::Rejected;

use super::Ways;
use super::model::{Break, Fault, Log, Model};
use super::trial::{LONG, N_PARTITIONS, Trial, config, context};
use crate::config::SinkConfig;
use crate::outbox::{Outbox, size_of_record};
use crate::scripted::Cluster;

/// Seeds that are tried of each kind; more by hand, from [`FIRST_SEED`] on.
const N_SEEDS: usize = 60;
const FIRST_SEED: u64 = 1;

/// Trials that run at once: they mostly wait.
const N_AT_ONCE: usize = 6;

/// What goes wrong without anybody knowing what was written.
const DOUBTS: [Fault; 4] = [
    Fault::TimedOut { is_written: true },
    Fault::TimedOut { is_written: false },
    Fault::LeftOut { is_written: true },
    Fault::LeftOut { is_written: false },
];
const CLEAR: [Fault; 4] = [Fault::Moved, Fault::Unknown, Fault::TooFewReplicas, Fault::Denied];
const BREAKS: [Break; 4] = [
    Break::HangUp { is_written: true },
    Break::HangUp { is_written: false },
    Break::Garbage { is_written: true },
    Break::Garbage { is_written: false },
];
const SILENCES: [Break; 2] =
    [Break::Silence { is_written: true }, Break::Silence { is_written: false }];

/// Tries seeds, some at once. Threads are scoped, so that a failure is this test's.
fn for_seeds(n_seeds: usize, trial: impl Fn(u64) + Sync) {
    std::thread::scope(|scope| {
        for lot in 0..N_AT_ONCE {
            let trial = &trial;
            scope.spawn(move || {
                for seed in (lot..n_seeds).step_by(N_AT_ONCE) {
                    trial(FIRST_SEED + seed as u64);
                }
            });
        }
    });
}

/// An outbox, and the ways to the partitions of the first topic.
fn open_outbox(trial: &mut Trial, set: impl FnOnce(&mut SinkConfig)) -> (Outbox, Ways) {
    let mut config = config(&trial.cluster, &mut trial.dice);
    set(&mut config);
    let outbox = Outbox::open(&config, context(&trial.wake)).expect("an outbox");
    let topic: Arc<str> = "t0".into();
    outbox.control.ask(&topic);
    while outbox.control.answers().is_empty() {
        trial.wake.reset();
        trial.woken.recv_timeout(LONG).expect("the topic is told");
    }
    let ways = outbox.open_ways(&topic, 6);
    (outbox, ways)
}

/// Puts a record down for each partition, numbered so.
fn put_six(outbox: &mut Outbox, ways: &Ways) {
    let numbers = (0..6).map(|number: u32| OwnedRecord::of(number.to_string()));
    let mut batch = RecordBatch::default();
    numbers.for_each(|record| batch.push_owned(&record));
    let (mut filling, books) = outbox.fill();
    let job = books.job(1, &batch);
    for (partition, record) in (0..).zip(batch.iter()) {
        assert!(books.take(("t0", Some(partition)), record, &job));
        let lane = ways.get(partition).expect("it is open");
        filling.push(lane, record, job.slot, size_of_record(record));
    }
}

/// Waits until everything is told; returns what was rejected.
fn settle(trial: &Trial, outbox: &mut Outbox) -> Vec<Rejected> {
    let mut rejected = Vec::new();
    loop {
        trial.wake.reset();
        outbox.collect(&mut rejected);
        if outbox.books.slots.oldest().is_none() {
            return rejected;
        }
        trial.woken.recv_timeout(LONG).expect("all is told in time");
    }
}

/// Writes records that come to nothing, until all of them are rejected; says how often the thread had to look.
fn n_turns(spoil: impl FnOnce(&mut Cluster, &Mutex<Model>)) -> usize {
    let mut trial = Trial::new(1, 1, |_| {}, |_| {});
    spoil(&mut trial.cluster, &trial.model);
    let set = |config: &mut SinkConfig| config.delivery_timeout = Duration::from_secs(1);
    let (mut outbox, ways) = open_outbox(&mut trial, set);
    put_six(&mut outbox, &ways);
    assert_eq!(settle(&trial, &mut outbox).len(), 6);
    outbox.producer.shared.n_turns.load(Ordering::Relaxed)
}

/// A whole trial of one topic.
fn try_one(seed: u64, set: impl FnOnce(&mut SinkConfig), fail: impl FnOnce(&mut Model)) {
    let mut trial = Trial::new(seed, 1, set, fail);
    for epoch in 1..=12 {
        trial.write(epoch, 100, &["t0"]);
    }
    trial.settle();
    trial.check(seed);
    let n_requests = trial.model().n_requests;
    assert!(n_requests < 3000, "seed {seed}: {n_requests} requests for 1200 records");
}

#[test]
fn clear_failures_lose_repeat_and_swap_nothing() {
    let fail = |model: &mut Model| {
        model.faults = CLEAR.into();
        model.one_in = (6, 0);
        model.is_invalid = |number| number % 97 == 13;
        model.max_records = 12;
    };
    for_seeds(N_SEEDS, |seed| try_one(seed, |_| {}, fail));
}

#[test]
fn doubtful_failures_lose_repeat_and_swap_nothing() {
    let fail = |model: &mut Model| {
        model.faults = [&DOUBTS[..], &CLEAR[..]].concat();
        model.breaks = BREAKS.into();
        model.one_in = (10, 12);
        model.is_invalid = |number| number % 199 == 13;
        model.max_records = 12;
    };
    for_seeds(N_SEEDS, |seed| try_one(seed, |_| {}, fail));
}

#[test]
fn silent_brokers_lose_repeat_and_swap_nothing() {
    let set = |config: &mut SinkConfig| {
        config.options.0.insert("socket.timeout.ms".to_owned(), "300".to_owned());
    };
    let fail = |model: &mut Model| {
        model.breaks = SILENCES.into();
        model.one_in = (0, 60);
    };
    for_seeds(N_SEEDS / 4, |seed| try_one(seed, set, fail));
}

#[test]
fn forgotten_numbers_lose_repeat_and_swap_nothing() {
    let fail = |model: &mut Model| {
        model.faults = vec![Fault::Forgotten, Fault::Moved];
        model.one_in = (8, 0);
    };
    for_seeds(N_SEEDS, |seed| try_one(seed, |_| {}, fail));
}

#[test]
fn topics_that_come_and_go_lose_repeat_and_swap_nothing() {
    let set = |config: &mut SinkConfig| {
        let policy = TopicPolicy::prefix("t").with_max_topics(3);
        (config.routing, config.topic) = (Some(policy), String::new());
    };
    let fail = |model: &mut Model| {
        model.faults = [&DOUBTS[..], &CLEAR[..]].concat();
        model.breaks = BREAKS.into();
        model.one_in = (12, 30);
    };
    for_seeds(N_SEEDS / 2, |seed| {
        let mut trial = Trial::new(seed, 9, set, fail);
        for epoch in 1..=12 {
            let first = trial.dice.roll(7);
            let names = [first, first + 1, first + 2].map(|topic| format!("t{topic}"));
            let names = names.each_ref().map(String::as_str);
            trial.write(epoch, 60, &names);
            // So that other topics may take the place of these.
            trial.settle();
        }
        trial.check(seed);
    });
}

#[test]
fn silence_beyond_the_time_of_delivery_loses_and_repeats_nothing() {
    let set = |config: &mut SinkConfig| {
        config.delivery_timeout = Duration::from_millis(500);
        config.options.0.insert("socket.timeout.ms".to_owned(), "100".to_owned());
    };
    for_seeds(N_SEEDS / 6, |seed| {
        let mut trial = Trial::new(seed, 1, set, |_| {});
        trial.write(1, 100, &["t0"]);
        trial.settle();
        for (is_written, epoch) in [(false, 2), (true, 4)] {
            let first = trial.topics.len() as u64;
            trial.model().refused.extend(first..first + 100);
            trial.model().stuck = Some(Break::Silence { is_written });
            trial.write(epoch, 100, &["t0"]);
            trial.settle();
            trial.model().stuck = None;
            trial.write(epoch + 1, 100, &["t0"]);
            trial.settle();
        }
        trial.check(seed);
    });
}

#[test]
fn partition_of_a_broker_that_died_goes_on_elsewhere() {
    let mut trial = Trial::new(1, 1, |_| {}, |_| {});
    trial.write(1, 100, &["t0"]);
    trial.settle();
    let before: Vec<_> = (1..=3).cycle().take(N_PARTITIONS).collect();
    let after = before.iter().map(|leader| if *leader == 1 { 2 } else { *leader }).collect();
    let mut state = trial.cluster.state();
    state.down.push(1);
    state.topics.insert("t0".to_owned(), Ok(after));
    // The dead broker is tried a few times before it is known who leads.
    state.elections.insert("t0".to_owned(), vec![before; 4].into());
    drop(state);
    trial.write(2, 100, &["t0"]);
    trial.settle();
    trial.check(1);
}

#[test]
fn thread_does_not_spin_while_nothing_can_be_written() {
    let stuck = |model: &Mutex<Model>, how| model.lock().expect("a model").stuck = Some(how);
    let led_by = |cluster: &Cluster, leader| {
        cluster.state().topics.insert("t0".to_owned(), Ok(vec![leader; N_PARTITIONS]));
    };
    let of_each = [
        n_turns(|_, model| stuck(model, Break::Silence { is_written: false })),
        n_turns(|_, model| stuck(model, Break::HangUp { is_written: false })),
        n_turns(|_, model| stuck(model, Break::Garbage { is_written: false })),
        n_turns(|_, model| {
            let mut model = model.lock().expect("a model");
            (model.faults, model.one_in) = (vec![Fault::TooFewReplicas], (1, 0));
        }),
        n_turns(|cluster, _| led_by(cluster, -1)),
        n_turns(|cluster, _| led_by(cluster, 9)),
        n_turns(|cluster, _| {
            led_by(cluster, 3);
            cluster.state().down.push(3);
        }),
    ];
    assert!(of_each.iter().all(|n_turns| *n_turns < 2000), "{of_each:?}");
}

#[test]
fn records_on_a_way_that_is_closed_arrive() {
    let mut trial = Trial::new(1, 1, |_| {}, |_| {});
    let set = |config: &mut SinkConfig| config.linger = Duration::from_secs(1);
    let (mut outbox, ways) = open_outbox(&mut trial, set);
    put_six(&mut outbox, &ways);
    drop(ways);
    assert!(settle(&trial, &mut outbox).is_empty());
    let model = trial.model();
    let logs: Vec<_> = model.logs.iter().map(|((_, at), log)| (*at, &log.numbers[..])).collect();
    let expected: Vec<_> = (0..6).map(|at| (at, vec![u64::from(at)])).collect();
    assert_eq!(logs, expected.iter().map(|(at, log)| (*at, &log[..])).collect::<Vec<_>>());
}

#[test]
fn without_numbers_nothing_is_lost() {
    let fail = |model: &mut Model| {
        model.faults = [&DOUBTS[..], &CLEAR[..]].concat();
        model.breaks = BREAKS.into();
        (model.one_in, model.max_records) = ((10, 12), 12);
    };
    for_seeds(N_SEEDS / 4, |seed| {
        let mut trial = Trial::new(seed, 1, |config| config.idempotent = false, fail);
        (1..=12).for_each(|epoch| trial.write(epoch, 100, &["t0"]));
        trial.settle();
        let model = trial.model();
        let written = model.logs.values().flat_map(|log| &log.numbers);
        let rejected = trial.rejected.iter().map(|rejected| rejected.record.text());
        let rejected = rejected.map(|text| text.expect("text").parse().expect("a number"));
        let told: BTreeSet<u64> = written.copied().chain(rejected).collect();
        assert_eq!(told.len(), trial.topics.len(), "seed {seed}");
        assert!(model.logs.values().all(Log::has_no_producer), "seed {seed}");
    });
}
