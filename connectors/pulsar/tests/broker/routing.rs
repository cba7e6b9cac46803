//! Records that say their topic: producers come and go, and topics that are refused take nothing with them.

use insta::assert_snapshot;
use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::codes;
use millstream_pulsar::{Sink, TopicPolicy};

use crate::plain::Plain;
use crate::write::{Writing, batch_of, numbers, sorted};

#[test]
fn many_topics_go_through_few_producers() {
    const N_TOPICS: u64 = 300;
    const N_OPEN: usize = 30;
    let Some(plain) = Plain::of_environment() else { return };
    let prefix = Plain::new_name("public/default", "many");
    let policy = TopicPolicy::prefix(&prefix).with_creation(1).with_max_topics(N_OPEN);
    let mut writing = Writing::open(&Sink::routed(&plain.address, policy));
    let of_round = |round: u64| {
        (0..N_TOPICS)
            .map(move |topic| (topic, OwnedRecord::of((round * N_TOPICS + topic).to_string())))
    };
    for round in 0..2 {
        let records: Vec<_> = of_round(round)
            .map(|(topic, record)| record.with_topic(format!("{prefix}-{topic}")))
            .collect();
        for (epoch, some) in (round * 100..).zip(records.chunks(N_OPEN)) {
            writing.write(epoch, &batch_of(some.to_vec()));
            let rejected = writing.settle();
            assert!(rejected.is_empty(), "{}", rejected[0].error.report());
        }
    }
    for topic in [0, 1, 150, 299] {
        let read = plain.records(&format!("{prefix}-{topic}"), 0, 2);
        assert_eq!(numbers(&read), [topic, N_TOPICS + topic]);
    }
    let (_, listed) = plain.admin("GET", "persistent/public/default", "");
    let n_made = listed.matches(&format!("{prefix}-")).count();
    assert_eq!(n_made as u64, N_TOPICS);
}

#[test]
fn refused_topic_is_found_once_it_is_there() {
    let Some(plain) = Plain::of_environment() else { return };
    let later = Plain::new_name("public/default", "later");
    let policy = TopicPolicy::only([&later]);
    let mut writing = Writing::open(&Sink::routed(&plain.address, policy));
    let batch = batch_of([OwnedRecord::of("7").with_topic(&later)]);
    writing.write(1, &batch);
    let refused = writing.settle();
    assert_eq!(refused[0].record.destination.topic.as_deref(), Some(&*later));
    let report = refused[0].error.report().replace(&later, "[topic]");
    assert_snapshot!(report, @r#"
    E0110 failed to find the topic "[topic]" (step "orders", epoch 1): it does not exist on this cluster
    Create it first, or let the sink create it with `TopicPolicy::with_creation`.
    "#);
    assert_eq!(refused[0].error.code(), codes::UNKNOWN_TOPIC);
    plain.create_named(&later, 2);
    // It stays refused for a while: each record asks no question of its own.
    while {
        writing.write(2, &batch);
        !writing.settle().is_empty()
    } {
        std::thread::park_timeout(std::time::Duration::from_millis(100));
    }
    assert_eq!(sorted(numbers(&plain.records(&later, 2, 1))), [7]);
}
