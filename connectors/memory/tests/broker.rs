//! What programs rely on when they use the embedded broker by itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use millstream_engine::ErrorKind;
use millstream_engine::batch::OwnedRecord;
use millstream_engine::clock::{ManualClock, SystemClock};
use millstream_engine::error::codes;
use millstream_engine::runtime::Wake;
use millstream_engine::sink::{Sink as _, WriterContext};
use millstream_engine::source::{Found, OpenContext, Partition, ResumePosition, Source as _};
use millstream_memory::{Broker, Full, Sink, Source, Start, TopicOptions};

const SOON: Duration = Duration::from_secs(30);

/// Room for 10 records of 10 bytes.
fn small(full: Full) -> Broker {
    let broker = Broker::new();
    let options = TopicOptions { max_bytes: 420, full };
    broker.create_topic_with("t", 1, options).unwrap();
    broker
}

fn ten_bytes(n: u64) -> OwnedRecord {
    OwnedRecord::of(format!("{n:010}"))
}

fn open_context() -> OpenContext {
    OpenContext {
        dataflow: "flow".into(),
        step: "step".into(),
        clock: SystemClock::new(),
        open_timeout: SOON,
    }
}

#[test]
fn full_topic_waits_for_its_groups() {
    let broker = small(Full::Wait);
    let mut producer = broker.producer("t").unwrap();
    let mut fast = broker.group_consumer("t", "fast").unwrap();
    let mut slow = broker.group_consumer("t", "slow").unwrap();
    for n in 0..10 {
        assert!(producer.try_send(ten_bytes(n)).unwrap());
    }
    assert!(!producer.try_send(ten_bytes(10)).unwrap());
    for _ in 0..10 {
        fast.read(SOON).unwrap().unwrap();
    }
    assert!(fast.commit());
    assert!(!producer.try_send(ten_bytes(10)).unwrap());
    slow.read(SOON).unwrap().unwrap();
    assert!(slow.commit());
    assert!(producer.try_send(ten_bytes(10)).unwrap());
    assert_eq!(broker.positions("t").unwrap()[0], 1..11);
    broker.remove_group("t", "slow").unwrap();
    assert!(producer.try_send(ten_bytes(11)).unwrap());
}

#[test]
fn blocked_send_goes_on_when_there_is_room() {
    let broker = small(Full::Wait);
    let mut producer = broker.producer("t").unwrap().with_send_timeout(SOON);
    let mut consumer = broker.group_consumer("t", "g").unwrap();
    thread::scope(|scope| {
        scope.spawn(move || (0..1000).for_each(|n| producer.send(ten_bytes(n)).unwrap()));
        for n in 0..1000 {
            let record = consumer.read(SOON).unwrap().unwrap();
            assert_eq!(record.value, ten_bytes(n).value);
            assert!(consumer.commit());
        }
    });
}

#[test]
fn send_that_stays_blocked_says_why() {
    let broker = small(Full::Wait);
    let mut producer = broker.producer("t").unwrap().with_send_timeout(Duration::from_millis(20));
    let error = (0..11).find_map(|n| producer.send(ten_bytes(n)).err()).unwrap();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, codes::NOT_DELIVERED));
    assert!(error.is_retryable() && error.hint().unwrap().contains("group"));
    assert_eq!(broker.len("t").unwrap(), 10);
}

#[test]
fn oldest_records_make_room_when_asked() {
    let broker = small(Full::DropOldest);
    let mut producer = broker.producer("t").unwrap();
    for n in 0..100 {
        producer.send(ten_bytes(n)).unwrap();
    }
    let kept = broker.records("t").unwrap();
    assert_eq!(kept.len(), 10);
    assert_eq!(kept[0].value, ten_bytes(90).value);
    assert_eq!(kept[9].position, 99);
}

#[test]
fn record_larger_than_its_topic_is_refused() {
    let broker = small(Full::Wait);
    let mut producer = broker.producer("t").unwrap();
    let fits = OwnedRecord::of(vec![1; 420 - 32]);
    let error = producer.send(OwnedRecord::of(vec![1; 421 - 32])).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::BadItem, codes::TOO_LARGE));
    producer.send(fits).unwrap();
}

#[test]
fn many_threads_lose_and_repeat_nothing() {
    const N: u64 = 5000;
    let broker = Broker::new();
    broker.create_topic("t", 4).unwrap();
    thread::scope(|scope| {
        for from in 0..4 {
            let mut producer = broker.producer("t").unwrap();
            let send = move |n: u64| producer.send_keyed(n.to_le_bytes(), n.to_string()).unwrap();
            scope.spawn(move || (from * N..(from + 1) * N).for_each(send));
        }
        for _ in 0..2 {
            let mut consumer = broker.consumer("t").unwrap();
            scope.spawn(move || {
                let one =
                    |_| consumer.read(SOON).unwrap().unwrap().text().unwrap().parse().unwrap();
                let mut seen: Vec<u64> = (0..4 * N).map(one).collect();
                seen.sort_unstable();
                assert!(seen.into_iter().eq(0..4 * N));
            });
        }
    });
}

#[test]
fn frozen_topic_goes_on_after_the_thaw() {
    let broker = Broker::new();
    broker.create_topic("t", 1).unwrap();
    let faults = broker.faults("t").unwrap();
    let mut producer = broker.producer("t").unwrap();
    let mut consumer = broker.group_consumer("t", "g").unwrap();
    producer.send(ten_bytes(0)).unwrap();
    faults.freeze();
    assert!(!producer.try_send(ten_bytes(1)).unwrap());
    assert!(consumer.read(Duration::ZERO).unwrap().is_none());
    assert!(!consumer.commit());
    thread::scope(|scope| {
        scope.spawn(|| faults.thaw());
        assert!(consumer.read(SOON).unwrap().is_some());
    });
    assert!(consumer.commit());
}

#[test]
fn ordered_failures_happen_once_each() {
    let broker = Broker::new();
    broker.create_topic("t", 1).unwrap();
    let faults = broker.faults("t").unwrap();
    let mut producer = broker.producer("t").unwrap();
    let mut consumer = broker.consumer("t").unwrap();
    faults.fail_writes(1);
    faults.fail_reads(1);
    assert_eq!(producer.send(ten_bytes(0)).unwrap_err().code(), codes::UNREACHABLE);
    producer.send(ten_bytes(1)).unwrap();
    assert!(consumer.read(SOON).unwrap_err().is_retryable());
    assert_eq!(consumer.read(SOON).unwrap().unwrap().value, ten_bytes(1).value);
}

#[test]
fn blocked_writer_is_woken_once_there_is_room() {
    let broker = small(Full::Wait);
    let mut consumer = broker.group_consumer("t", "g").unwrap();
    let n_wakes = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&n_wakes);
    let cx = WriterContext {
        open: open_context(),
        shard: 0,
        n_shards: 1,
        generation: 1,
        wake: Wake::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        }),
    };
    let mut writer = Sink::new(&broker, "t").writer(cx).unwrap();
    let mut batch = millstream_engine::batch::RecordBatch::default();
    (0..15).for_each(|n| batch.push_owned(&ten_bytes(n)));
    assert_eq!(writer.write(1, &batch, 0).unwrap(), 10);
    assert_eq!(writer.write(1, &batch, 10).unwrap(), 10);
    assert_eq!(n_wakes.load(Ordering::SeqCst), 0);
    while consumer.read(Duration::ZERO).unwrap().is_some() {}
    assert!(consumer.commit());
    assert_eq!(n_wakes.load(Ordering::SeqCst), 1);
    assert_eq!(writer.write(1, &batch, 10).unwrap(), 15);
    assert_eq!(writer.oldest_unconfirmed(), None);
}

#[test]
fn start_is_resolved_in_its_order() {
    let broker = Broker::new();
    broker.create_topic("t", 1).unwrap();
    let mut producer = broker.producer("t").unwrap();
    for n in 0..10_i64 {
        producer.send(OwnedRecord { time: Some(n * 100), ..OwnedRecord::of("x") }).unwrap();
    }
    let wanted = |stored: Option<u64>| {
        let stored = stored.map(|position| ResumePosition(position.to_string()));
        vec![(Partition::new("t", 0), stored)]
    };
    let resolve = |source: Source, stored| {
        let mut finder = source.finder(&open_context()).unwrap();
        let found = finder.resolve(&wanted(stored), Found::AtStart).unwrap();
        finder.pin(&found).unwrap();
        found[0].start.0.clone()
    };
    let source = Source::new(&broker, "t");
    assert_eq!(resolve(source.clone().with_group("a").with_start(Start::Time(250)), None), "3");
    assert_eq!(resolve(source.clone().with_group("a").with_start(Start::Latest), None), "3");
    assert_eq!(resolve(source.clone().with_group("a"), Some(5)), "5");
    assert_eq!(resolve(source.clone().with_group("a").with_position(0, 7), Some(5)), "7");
    assert_eq!(resolve(source.clone().with_start(Start::Latest), None), "10");
    assert_eq!(broker.committed("t", "flow.step").unwrap(), [Some(10)]);
    assert_eq!(broker.committed("t", "a").unwrap(), [Some(7)]);
}

#[test]
fn record_without_a_time_gets_the_brokers() {
    let clock = ManualClock::default();
    let broker = Broker::with_clock(clock.shared());
    broker.create_topic("t", 1).unwrap();
    clock.advance(Duration::from_millis(1234));
    broker.producer("t").unwrap().send(ten_bytes(0)).unwrap();
    assert_eq!(broker.records("t").unwrap()[0].time, Some(1234));
}

#[test]
fn topics_are_created_once_and_found_by_name() {
    let broker = Broker::new();
    broker.create_topic("orders", 6).unwrap();
    assert_eq!(broker.create_topic("orders", 1).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(broker.create_topic("none", 0).unwrap_err().kind(), ErrorKind::Config);
    let error = broker.producer("order").unwrap_err();
    assert_eq!(error.hint(), Some("Did you mean \"orders\" (6 partitions)?"));
    let unlike = broker.producer("zebra").unwrap_err();
    assert!(unlike.hint().unwrap().contains("create_topic"));
    assert_eq!(broker.topics()[0].n_partitions, 6);
}
