//! Writes prepared batches to topics of the embedded broker.

use millstream::memory::{self, Broker, Full, TopicOptions, TopicPolicy};
use millstream::prelude::*;
use millstream::source::Placement;

use crate::bound::{copy, name, prepare};
use crate::replay::Replay;
use crate::run::Seen;

/// Bytes that all topics together keep.
const KEPT_BYTES: u64 = 256 << 20;

const PREFIX: &str = "tenant";

/// Runs `n_batches` through a dataflow to `N_TOPICS`, and tells what arrived.
pub(crate) fn write<const N_TOPICS: u64>(n_batches: u64) -> Seen {
    let broker = Broker::new();
    let max_bytes = usize::try_from(KEPT_BYTES / N_TOPICS).expect("it fits");
    let options = TopicOptions { max_bytes, full: Full::DropOldest };
    for topic in 0..N_TOPICS {
        broker.create_topic_with(&name(PREFIX, topic), 1, options).expect("a new topic");
    }
    let max_topics = usize::try_from(N_TOPICS).expect("it fits");
    let policy = TopicPolicy::prefix(PREFIX).with_max_topics(max_topics);
    let sink = memory::Sink::routed(&broker, policy);
    let flow = Dataflow::new("routing", move |flow| {
        let prepare = || prepare(PREFIX, N_TOPICS);
        let replay = Replay { prepare, n_batches, refill: copy, placement: Placement::Worker };
        flow.source("replay", replay).sink("topics", sink.clone());
    });
    let config = Config { workers: 1, in_flight_bytes: 1 << 20, ..Config::default() };
    millstream::run(&flow, config).expect("everything is written");
    let arrived = |topic| broker.positions(&name(PREFIX, topic)).expect("it exists")[0].end;
    Seen::from([("arrived".to_owned(), (0..N_TOPICS).map(arrived).sum())])
}
