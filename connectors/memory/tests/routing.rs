//! Records that say their topic: what a full topic does to them, and how many topics are let go of.

use std::time::Duration;

use millstream_engine::batch::{OwnedRecord, RecordBatch};
use millstream_engine::clock::SystemClock;
use millstream_engine::error::codes;
use millstream_engine::runtime::Wake;
use millstream_engine::sink::{Sink as _, Writer, WriterContext};
use millstream_engine::source::OpenContext;
use millstream_memory::{Broker, Consumer, Full, Sink, TopicOptions, TopicPolicy, WhenFull};

fn writer(broker: &Broker, policy: TopicPolicy) -> Box<dyn Writer> {
    writer_of(&Sink::routed(broker, policy))
}

fn writer_of(sink: &Sink) -> Box<dyn Writer> {
    let open = OpenContext {
        dataflow: "test".into(),
        step: "out".into(),
        clock: SystemClock::new(),
        open_timeout: Duration::from_secs(1),
    };
    let wake = Wake::new(|| ());
    let cx = WriterContext { open, shard: 0, n_shards: 1, generation: 1, wake };
    sink.writer(cx).expect("it opens nothing")
}

fn batch(records: impl IntoIterator<Item = OwnedRecord>) -> RecordBatch {
    let mut batch = RecordBatch::default();
    records.into_iter().for_each(|record| batch.push_owned(&record));
    batch
}

fn texts(broker: &Broker, topic: &str) -> Vec<String> {
    let records = broker.records(topic).expect("it exists");
    records.iter().map(|record| record.text().unwrap_or_default().to_owned()).collect()
}

/// Reads and commits what is there.
fn read_on(consumer: &mut Consumer, read: &mut Vec<String>) {
    while let Some(record) = consumer.read(Duration::ZERO).expect("nothing expires") {
        read.push(record.text().unwrap_or_default().to_owned());
    }
    assert!(consumer.commit(), "nothing is frozen");
}

#[test]
fn full_topic_holds_back_its_own_records_alone() {
    let broker = Broker::new();
    let small = TopicOptions { max_bytes: 10 * 48, full: Full::Wait };
    broker.create_topic_with("small", 1, small).expect("a new topic");
    broker.create_topic("large", 1).expect("a new topic");
    let mut consumer = broker.group_consumer("small", "reader").expect("it exists");
    let mut writer = writer(&broker, TopicPolicy::only(["small", "large"]));
    let to = |n: u32| if n.is_multiple_of(2) { "small" } else { "large" };
    let records = (100..200).map(|n| OwnedRecord::of(n.to_string()).with_topic(to(n)));
    assert_eq!(writer.write(7, &batch(records), 0).expect("it goes on"), 100);
    let odd: Vec<_> = (100..200).filter(|n| n % 2 == 1).map(|n| n.to_string()).collect();
    assert_eq!(texts(&broker, "large"), odd, "other topics go on");
    assert_eq!(writer.oldest_unconfirmed(), Some(7), "what is aside is not durable");
    let (mut read, mut n_rounds) = (Vec::new(), 0);
    while writer.oldest_unconfirmed().is_some() {
        let more = batch([OwnedRecord::of("300").with_topic("large")]);
        assert_eq!(writer.write(8, &more, 0).expect("it goes on"), 0, "one batch aside at most");
        let before = read.len();
        read_on(&mut consumer, &mut read);
        assert!(read.len() > before, "room is used as soon as it is made");
        writer.poll(&mut Vec::new()).expect("it goes on");
        n_rounds += 1;
    }
    assert!(n_rounds > 2, "the topic was full {n_rounds} times");
    read_on(&mut consumer, &mut read);
    let even: Vec<_> = (100..200).filter(|n| n % 2 == 0).map(|n| n.to_string()).collect();
    assert_eq!(read, even, "each record once, in order");
    assert_eq!(texts(&broker, "large"), odd, "what was not taken was not written");
}

#[test]
fn topics_that_pass_by_are_let_go_of() {
    let broker = Broker::new();
    let policy = TopicPolicy::prefix("t-").with_max_topics(10).with_creation(1);
    let mut writer = writer(&broker, policy);
    let mut rejected = Vec::new();
    for round in 0..50 {
        let records = (0..10).map(|n| OwnedRecord::of("x").with_topic(format!("t-{round}-{n}")));
        assert_eq!(writer.write(round, &batch(records), 0).expect("it goes on"), 10);
        writer.poll(&mut rejected).expect("it goes on");
    }
    assert!(rejected.is_empty(), "{rejected:?}");
    assert_eq!(broker.topics().len(), 500);
    assert_eq!(writer.oldest_unconfirmed(), None);
}

#[test]
fn full_topic_rejects_its_own_records_alone() {
    let broker = Broker::new();
    let small = TopicOptions { max_bytes: 10 * 35, full: Full::Wait };
    broker.create_topic_with("small", 1, small).expect("a new topic");
    broker.create_topic("large", 1).expect("a new topic");
    let policy = TopicPolicy::only(["small", "large"]);
    let mut writer = writer_of(&Sink::routed(&broker, policy).with_when_full(WhenFull::Reject));
    let to = |n: u32| if n.is_multiple_of(2) { "small" } else { "large" };
    let records = (100..200).map(|n| OwnedRecord::of(n.to_string()).with_topic(to(n)));
    assert_eq!(writer.write(7, &batch(records), 0).expect("it goes on"), 100);
    assert_eq!(writer.oldest_unconfirmed(), Some(7), "what is to be told is not durable");
    let mut rejected = Vec::new();
    writer.poll(&mut rejected).expect("it goes on");
    assert_eq!(writer.oldest_unconfirmed(), None, "nothing is aside");
    let told: Vec<_> = rejected.iter().filter_map(|told| told.record.text()).collect();
    let even: Vec<_> = (100..200).step_by(2).map(|n| n.to_string()).collect();
    assert_eq!(texts(&broker, "small"), even[..10], "what had room is there");
    assert_eq!(told, even[10..], "the rest is told, once, in order");
    assert_eq!(texts(&broker, "large").len(), 50, "other topics go on");
    let place = rejected[0].error.place();
    assert_eq!(
        (rejected[0].error.code(), place.topic.as_deref()),
        (codes::QUEUE_FULL, Some("small"))
    );
}

#[test]
fn busy_topic_holds_back_its_own_records_alone() {
    const TOPICS: [&str; 3] = ["busy", "a", "b"];
    let broker = Broker::new();
    for topic in TOPICS {
        broker.create_topic(topic, 1).expect("a new topic");
    }
    let (locked, is_locked) = std::sync::mpsc::channel();
    let (release, is_released) = std::sync::mpsc::channel::<()>();
    let mut rule = Some(move || {
        locked.send(()).expect("the test waits");
        is_released.recv().expect("the test goes on");
    });
    broker.faults("busy").expect("it exists").reject(move |_| {
        if let Some(wait) = rule.take() {
            wait();
        }
        None
    });
    std::thread::scope(|scope| {
        let mut producer = broker.producer("busy").expect("it exists");
        scope.spawn(move || producer.send(OwnedRecord::of("first")).expect("there is room"));
        is_locked.recv().expect("the producer has the lock");
        scope.spawn(|| {
            let deadline = std::time::Instant::now() + Duration::from_secs(30);
            let arrived = |topic| broker.len(topic).expect("it exists") == 2;
            while !(arrived("a") && arrived("b")) && std::time::Instant::now() < deadline {
                std::thread::yield_now();
            }
            let in_time = arrived("a") && arrived("b");
            release.send(()).expect("the producer waits");
            assert!(in_time, "topics of one batch do not wait for each other");
        });
        let mut writer = writer(&broker, TopicPolicy::only(TOPICS));
        let records = (0..6).map(|n| OwnedRecord::of(n.to_string()).with_topic(TOPICS[n % 3]));
        assert_eq!(writer.write(1, &batch(records), 0).expect("it goes on"), 6);
    });
    let expected = [vec!["first", "0", "3"], vec!["1", "4"], vec!["2", "5"]];
    assert_eq!(TOPICS.map(|topic| texts(&broker, topic)), expected);
}
