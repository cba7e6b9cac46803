//! The same thread and a real broker, which tells whether we read the protocol guide right.

use std::hash::{BuildHasher, RandomState};

use insta::assert_snapshot;

use super::tests::{Ends, asker, terms};
use super::{News, Terms};
use crate::Topics;

/// The broker to test with. Where there is none the test is skipped, which must not happen unseen on CI.
fn broker() -> Option<String> {
    let found = std::env::var("MILLSTREAM_TEST_KAFKA").ok();
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "MILLSTREAM_TEST_KAFKA must be set on CI");
        println!("SKIPPED: MILLSTREAM_TEST_KAFKA is not set");
    }
    found
}

/// Names that nobody else has, whose topics are deleted in the end.
struct Names {
    brokers: String,
    names: Vec<String>,
}

impl Names {
    fn new(brokers: &str, prefix: &str, n_names: usize) -> Self {
        let unique = RandomState::new().hash_one(prefix);
        let names = (0..n_names).map(|n| format!("{prefix}-{unique:016x}-{n:03}")).collect();
        Self { brokers: brokers.to_owned(), names }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        for name in &self.names {
            // A test that failed may not have come so far.
            drop(Topics::new(&self.brokers).delete(name));
        }
    }
}

#[test]
fn topics_are_created_and_told_of() {
    let Some(brokers) = broker() else { return };
    let topics = Names::new(&brokers, "control-created", 20);
    let addresses = [brokers];
    let mut ends = Ends::new(&addresses, Terms { creation: Some(3), ..terms() });
    for name in &topics.names {
        ends.ask(name);
    }
    for name in &topics.names {
        assert_eq!(ends.answer(name), Ok(3), "{name}");
        assert!(ends.leaders(name).len() == 3, "{name}");
    }
    let News::Brokers(told) = ends.other_news() else { panic!("brokers come first") };
    assert_eq!(told.len(), 1);
    // Those that are there are told of among hundreds that are not.
    let mut names: Vec<_> = topics.names.iter().map(String::as_str).collect();
    let missing: Vec<_> = (0..480).map(|n| format!("{}-missing-{n}", names[0])).collect();
    names.extend(missing.iter().map(String::as_str));
    let found = asker(&addresses).topics(&names).expect("the broker answers").topics;
    let n_there = found.iter().filter(|topic| topic.leaders.is_ok()).count();
    assert_eq!((found.len(), n_there), (500, 20));
}

#[test]
fn unknown_topic_is_refused_with_a_near_name() {
    let Some(brokers) = broker() else { return };
    let topics = Names::new(&brokers, "suggested", 1);
    let topic = &topics.names[0];
    crate::create_topic(&brokers, topic, 3).expect("the name is new");
    let wrong = topic.replace("suggested", "sugested");
    let mut ends = Ends::new(&[brokers], terms());
    ends.ask(&wrong);
    let refusal = ends.answer(&wrong).expect_err("there is none");
    let report = refusal.error(&wrong).report();
    assert_snapshot!(report.replace(&wrong, "[wrong]").replace(topic, "[topic]"), @r#"
    E0110 failed to find the topic "[wrong]": it does not exist on this cluster
    Did you mean "[topic]" (3 partitions)?
    "#);
}

#[test]
fn more_partitions_are_told_and_a_deleted_topic_is_gone() {
    let Some(brokers) = broker() else { return };
    let topics = Names::new(&brokers, "control-grows", 1);
    let topic = &topics.names[0];
    crate::create_topic(&brokers, topic, 1).expect("the name is new");
    let quick = Terms {
        refresh: Some(std::time::Duration::from_millis(100)),
        propagation: std::time::Duration::from_secs(1),
        ..terms()
    };
    let mut ends = Ends::new(std::slice::from_ref(&brokers), quick);
    ends.ask(topic);
    assert_eq!(ends.answer(topic), Ok(1));
    Topics::new(&brokers).add_partitions(topic, 4).expect("more than before");
    assert_eq!(ends.answer(topic), Ok(4));
    Topics::new(&brokers).delete(topic).expect("it is there");
    assert!(ends.answer(topic).is_err());
}

#[test]
fn every_producer_gets_an_id_of_its_own() {
    let Some(brokers) = broker() else { return };
    let ends = || Ends::new(std::slice::from_ref(&brokers), terms());
    let [one, other] = [ends(), ends()].map(|mut ends| {
        ends.control.want_producer_id();
        ends.other_news()
    });
    let (News::ProducerId(first, 0), News::ProducerId(second, 0)) = (&one, &other) else {
        panic!("{one:?}, {other:?}")
    };
    assert_ne!(first, second);
}
