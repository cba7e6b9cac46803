//! A writer before brokers of a model, and the comparison of what arrived with what was told.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use millstream_engine::batch::{OwnedRecord, RecordBatch};
use millstream_engine::clock::SystemClock;
use millstream_engine::runtime::Wake;
use millstream_engine::sink::{Rejected, Sink as _, Writer, WriterContext};
use millstream_engine::source::OpenContext;

use super::model::{Dice, Model};
use crate::config::SinkConfig;
use crate::scripted::Cluster;
use crate::sink::Sink;

/// Nothing here takes this long.
pub(super) const LONG: Duration = Duration::from_mins(1);

const N_BROKERS: usize = 3;
pub(super) const N_PARTITIONS: usize = 6;

/// A writer, its brokers, and what it has told.
pub(super) struct Trial {
    pub(super) cluster: Cluster,
    pub(super) model: Arc<Mutex<Model>>,
    writer: Box<dyn Writer>,
    pub(super) wake: Wake,
    pub(super) woken: Receiver<()>,
    pub(super) rejected: Vec<Rejected>,
    /// The topic of each record, by its number.
    pub(super) topics: Vec<String>,
    pub(super) dice: Dice,
}

/// The settings: everything is quick and small.
pub(super) fn config(cluster: &Cluster, dice: &mut Dice) -> SinkConfig {
    let mut config = SinkConfig::new(cluster.addresses.join(","), "t0");
    config.linger = Duration::from_millis(dice.roll(3));
    config.batch_records = usize::try_from(1 + dice.roll(20)).expect("few");
    config.queue_records = 300;
    for (key, value) in [
        ("retry.backoff.ms", "10"),
        ("retry.backoff.max.ms", "20"),
        ("reconnect.backoff.ms", "10"),
        ("reconnect.backoff.max.ms", "20"),
    ] {
        config.options.0.insert(key.to_owned(), value.to_owned());
    }
    config
}

impl Trial {
    pub(super) fn new(
        seed: u64,
        n_topics: usize,
        set: impl FnOnce(&mut SinkConfig),
        fail: impl FnOnce(&mut Model),
    ) -> Self {
        let cluster = Cluster::new(N_BROKERS);
        let leaders: Vec<_> = (1..=3).cycle().take(N_PARTITIONS).collect();
        let names = (0..n_topics).map(|topic| (format!("t{topic}"), Ok(leaders.clone())));
        cluster.state().topics.extend(names);
        let (mut model, mut dice) = (Model::new(seed), Dice(!seed));
        fail(&mut model);
        let model = Arc::new(Mutex::new(model));
        let taker = Arc::clone(&model);
        let produce = move |state: &mut _, broker, body: &_, out: &mut _| {
            taker.lock().expect("no broker has failed").produce(state, broker, body, out)
        };
        cluster.state().produce = Some(Box::new(produce));
        let mut config = config(&cluster, &mut dice);
        set(&mut config);
        let (call, woken) = channel();
        let wake = Wake::new(move || call.send(()).unwrap_or_default());
        let writer = Sink::from_config(config).writer(context(&wake)).expect("a writer");
        let (rejected, topics) = (Vec::new(), Vec::new());
        Self { cluster, model, writer, wake, woken, rejected, topics, dice }
    }

    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().expect("no broker has failed")
    }

    /// Writes records to many keys of these topics in the next epoch.
    pub(super) fn write(&mut self, epoch: u64, n_records: usize, topics: &[&str]) {
        let mut batch = RecordBatch::default();
        for _ in 0..n_records {
            let number = self.topics.len();
            let at = usize::try_from(self.dice.roll(topics.len() as u64)).expect("an index");
            let key = format!("k{}", self.dice.roll(50));
            let record = OwnedRecord::of(number.to_string()).with_key(key);
            batch.push_owned(&record.with_topic(topics[at]));
            self.topics.push(topics[at].to_owned());
        }
        let mut from = 0;
        while from < batch.len() {
            self.poll();
            let end = self.writer.write(epoch, &batch, from).expect("it goes on");
            if end == from {
                self.woken.recv_timeout(LONG).expect("there is room again");
            }
            from = end;
        }
    }

    fn poll(&mut self) {
        self.wake.reset();
        self.writer.poll(&mut self.rejected).expect("it goes on");
    }

    /// Waits until everything is told.
    pub(super) fn settle(&mut self) {
        loop {
            self.poll();
            if self.writer.oldest_unconfirmed().is_none() {
                return;
            }
            self.woken.recv_timeout(LONG).expect("all is told in time");
        }
    }

    /// Compares what is in the logs with what was told.
    pub(super) fn check(&self, seed: u64) {
        let model = self.model();
        let mut told = BTreeMap::<usize, (usize, usize)>::new();
        for ((topic, partition), log) in &model.logs {
            let is_sorted = log.numbers.is_sorted_by(|a, b| a < b);
            assert!(is_sorted, "seed {seed}: swapped in {topic}-{partition}: {:?}", log.numbers);
            for number in &log.numbers {
                let number = usize::try_from(*number).expect("an index");
                assert_eq!(self.topics[number], *topic, "seed {seed}: {number} went astray");
                told.entry(number).or_default().0 += 1;
            }
        }
        for rejected in &self.rejected {
            let number: usize = rejected.record.text().expect("text").parse().expect("a number");
            assert!(model.refused.contains(&(number as u64)), "seed {seed}: {number} rejected");
            told.entry(number).or_default().1 += 1;
        }
        for number in 0..self.topics.len() {
            let times = told.get(&number).copied().unwrap_or_default();
            let is_hidden = model.hidden.contains(&(number as u64));
            let is_right = matches!(times, (1, 0) | (0, 1)) || is_hidden && times == (1, 1);
            assert!(is_right, "seed {seed}: {number} is delivered and rejected {times:?} times");
        }
    }
}

pub(super) fn context(wake: &Wake) -> WriterContext {
    let open = OpenContext {
        dataflow: "test".into(),
        step: "good".into(),
        clock: SystemClock::new(),
        open_timeout: LONG,
    };
    WriterContext { open, shard: 0, n_shards: 1, generation: 1, wake: wake.clone() }
}
