//! What is promised of records that say where they go.
#![expect(clippy::missing_panics_doc, reason = "a case panics where the promise is broken")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::codes;
use millstream_engine::routing::TopicPolicy;
use millstream_engine::sink::{Rejected, Sink};

use super::reading::{assert_same_content, records_of_all_kinds};
use super::{needs, sink_of};
use crate::reading::{number, numbered, numbers, numbers_of, partition};
use crate::run::Skipped;
use crate::subject::Subject;
use crate::writing::{Writing, batch_of};

/// How long a record to a topic that does not exist may take to be rejected: far below what a delivery may take.
const SOON: Duration = Duration::from_secs(20);

/// Key, value, headers and event time arrive as they were written, each record in the topic that it says.
///
/// # Errors
/// Skipped without a sink that routes.
pub fn routed_records_arrive_unchanged_where_they_say(
    subject: &dyn Subject,
) -> Result<(), Skipped> {
    let topics = subject.create_topics(3, 1);
    let sink = routed(subject, TopicPolicy::only(&topics))?;
    let mut writing = Writing::open(subject, &*sink);
    let records = records_of_all_kinds(subject);
    let to_each = records.iter().flat_map(|record| topics.iter().map(|topic| to(record, topic)));
    writing.write_all(1, &batch_of(&to_each.collect::<Vec<_>>()), || ());
    writing.settle();
    assert!(writing.rejected.is_empty(), "nothing is rejected: {:?}", writing.rejected.first());
    for arrived in subject.records_of(&topics, records.len()) {
        assert_eq!(arrived.len(), records.len(), "records go where they say");
        assert_same_content(&arrived, &records);
    }
    writing.close();
    Ok(())
}

/// Within a topic, records of one key go to one partition and keep their order there, over batches and epochs.
///
/// # Errors
/// Skipped without a sink that routes.
pub fn routed_records_of_a_key_keep_their_order(subject: &dyn Subject) -> Result<(), Skipped> {
    let topics = subject.create_topics(3, 3);
    let sink = routed(subject, TopicPolicy::only(&topics))?;
    let mut writing = Writing::open(subject, &*sink);
    for epoch in 0..20 {
        let records = numbered(epoch * 100..(epoch + 1) * 100);
        // All records of a key go to one topic: there are seven keys, in turns.
        let bound = records.iter().map(|record| to(record, &topics[topic_of(record)]));
        writing.write_all(epoch, &batch_of(&bound.collect::<Vec<_>>()), || ());
    }
    writing.settle();
    let wanted = |at: usize| numbered(0..2000).iter().filter(|r| topic_of(r) == at).count();
    for (at, topic) in topics.iter().enumerate() {
        let mut by_key: BTreeMap<Vec<u8>, Vec<(u32, u64)>> = BTreeMap::new();
        let arrived = subject.records(topic, wanted(at));
        assert_eq!(arrived.len(), wanted(at), "every record arrives once, where it says");
        for record in arrived {
            let key = record.key.clone().expect("every record was written with a key");
            by_key.entry(key).or_default().push((partition(&record), number(&record)));
        }
        for seen in by_key.values() {
            assert!(seen.iter().all(|(p, _)| *p == seen[0].0), "a key goes to one partition");
            assert!(seen.is_sorted(), "records of a key keep their order");
        }
    }
    writing.close();
    Ok(())
}

/// The place of a record's topic among three.
fn topic_of(record: &OwnedRecord) -> usize {
    usize::try_from(number(record) % 7 % 3).expect("a small number")
}

/// A thousand topics, written in turns, get all their records in order.
///
/// # Errors
/// Skipped without a sink that routes.
pub fn many_topics_are_written_at_once(subject: &dyn Subject) -> Result<(), Skipped> {
    const N_TOPICS: usize = 1000;
    const N_EACH: usize = 5;
    // So many topics keep the other side busy, which other cases are not to feel.
    subject.isolate();
    let sink = routed(subject, TopicPolicy::every_topic_of_the_cluster())?;
    let topics = subject.create_topics(N_TOPICS, 1);
    let mut writing = Writing::open(subject, &*sink);
    for round in 0..N_EACH {
        // 389 and 1000 have no divisor in common: every topic once, in no order.
        let bound = (0..N_TOPICS).map(|n| {
            let record = OwnedRecord::of(round.to_string()).with_key("key");
            record.with_topic(&topics[(n * 389 + round) % N_TOPICS])
        });
        let batch = batch_of(&bound.collect::<Vec<_>>());
        writing.write_all(round as u64, &batch, || ());
    }
    writing.settle();
    assert!(writing.rejected.is_empty(), "nothing is rejected: {:?}", writing.rejected.first());
    for arrived in subject.records_of(&topics, N_EACH) {
        let in_order = numbers_of(0..N_EACH as u64);
        assert_eq!(numbers(&arrived), in_order, "every topic gets its records, in order");
    }
    writing.close();
    Ok(())
}

/// A record to a topic that does not exist is rejected soon and once, with a hint, and the topic is not created; others go on.
///
/// # Errors
/// Skipped without a sink that routes.
pub fn unknown_topic_is_rejected_alone(subject: &dyn Subject) -> Result<(), Skipped> {
    let known = subject.create_topic(2);
    let missing = subject.new_name();
    let sink = routed(subject, TopicPolicy::only([&known, &missing]))?;
    let mut writing = Writing::open(subject, &*sink);
    let started = Instant::now();
    write_alternating(&mut writing, &known, Some(&missing));
    assert!(started.elapsed() < SOON, "a topic that does not exist is noticed soon");
    assert_half_rejected(subject, &writing, &known, codes::UNKNOWN_TOPIC.0);
    let hints = writing.rejected.iter().filter(|told| told.error.hint().is_some()).count();
    assert_eq!(hints, writing.rejected.len(), "the error says what to do");
    writing.close();
    Ok(())
}

/// A record to a topic that the policy does not allow, to a name that cannot be one, or to none, is rejected once; others go on.
///
/// # Errors
/// Skipped without a sink that routes.
pub fn forbidden_topic_is_rejected_alone(subject: &dyn Subject) -> Result<(), Skipped> {
    let topics = subject.create_topics(2, 1);
    let cases = [
        (Some(topics[1].as_str()), codes::FORBIDDEN_TOPIC),
        (Some(""), codes::INVALID_TOPIC),
        (None, codes::NO_TOPIC),
    ];
    for (n, (topic, code)) in cases.into_iter().enumerate() {
        let allowed = subject.create_topic(2);
        let sink = routed(subject, TopicPolicy::only([&allowed]))?;
        let mut writing = Writing::open(subject, &*sink);
        write_alternating(&mut writing, &allowed, topic);
        assert_half_rejected(subject, &writing, &allowed, code.0);
        let forbidden = subject.records(&topics[1], 0);
        assert!(forbidden.is_empty(), "nothing is written where it is forbidden, case {n}");
        writing.close();
    }
    Ok(())
}

/// Two hundred records, every second one to the bad topic.
fn write_alternating(writing: &mut Writing, good: &str, bad: Option<&str>) {
    let bound = |record: OwnedRecord| match (number(&record) % 2, bad) {
        (0, _) => record.with_topic(good),
        (_, Some(bad)) => record.with_topic(bad),
        (_, None) => record,
    };
    for epoch in 0..4 {
        let records = numbered(epoch * 50..(epoch + 1) * 50).into_iter().map(bound);
        writing.write_all(epoch, &batch_of(&records.collect::<Vec<_>>()), || ());
    }
    writing.settle();
}

fn assert_half_rejected(subject: &dyn Subject, writing: &Writing, good: &str, code: &str) {
    let odd: Vec<u64> = (0..200).filter(|n| n % 2 == 1).collect();
    let even: Vec<u64> = (0..200).filter(|n| n % 2 == 0).collect();
    let mut rejected: Vec<_> =
        writing.rejected.iter().map(|told| (number(&told.record), told.error.code().0)).collect();
    rejected.sort_unstable();
    let wanted: Vec<_> = odd.iter().map(|n| (*n, code)).collect();
    assert_eq!(rejected, wanted, "each bad record is rejected with its reason, exactly once");
    let in_epoch = |told: &Rejected| told.epoch == number(&told.record) / 50;
    assert!(writing.rejected.iter().all(in_epoch), "a rejection names its epoch");
    let mut arrived = numbers(&subject.records(good, even.len()));
    arrived.sort_unstable();
    assert_eq!(arrived, even, "the others are delivered");
}

/// Where the policy allows it, a topic that does not exist is created with so many partitions, and loses no record to that.
///
/// # Errors
/// Skipped without a sink that routes.
pub fn missing_topics_are_created_where_allowed(subject: &dyn Subject) -> Result<(), Skipped> {
    const N_PARTITIONS: u32 = 3;
    let names = [subject.new_name(), subject.new_name()];
    let sink = routed(subject, TopicPolicy::only(&names).with_creation(N_PARTITIONS))?;
    let mut writing = Writing::open(subject, &*sink);
    let bound = numbered(0..200).into_iter().enumerate();
    let bound = bound.map(|(n, record)| {
        let on = u32::try_from(n % 100).expect("a small number") % N_PARTITIONS;
        record.with_topic(&names[n / 100]).with_partition(on)
    });
    writing.write_all(1, &batch_of(&bound.collect::<Vec<_>>()), || ());
    writing.settle();
    assert!(writing.rejected.is_empty(), "topics are created: {:?}", writing.rejected.first());
    for (at, arrived) in (0..).zip(subject.records_of(&names, 100)) {
        let mut seen = numbers(&arrived);
        seen.sort_unstable();
        assert_eq!(seen, numbers_of(at * 100..(at + 1) * 100), "every record arrives once");
        let last = arrived.iter().map(partition).max();
        assert_eq!(last, Some(N_PARTITIONS - 1), "it has the partitions asked for");
    }
    writing.close();
    Ok(())
}

/// Records that find no place among the topics in use are rejected; once others are idle, their topics are let go of.
///
/// # Errors
/// Skipped without a sink that routes.
pub fn topics_in_use_are_capped(subject: &dyn Subject) -> Result<(), Skipped> {
    let topics = subject.create_topics(3, 1);
    let sink = routed(subject, TopicPolicy::only(&topics).with_max_topics(2))?;
    let mut writing = Writing::open(subject, &*sink);
    let bound = |epoch: u64, at: usize| {
        OwnedRecord::of(epoch.to_string()).with_key("key").with_topic(&topics[at])
    };
    writing.write_all(1, &batch_of(&[0, 1, 2, 0, 2].map(|at| bound(1, at))), || ());
    writing.settle();
    let codes_told: Vec<_> = writing.rejected.iter().map(|told| told.error.code().0).collect();
    assert_eq!(codes_told, [codes::TOO_MANY_TOPICS.0; 2], "the cap on topics is respected");
    for (epoch, at) in [(2, 2), (3, 1), (4, 0), (5, 2)] {
        writing.write_all(epoch, &batch_of(&[bound(epoch, at)]), || ());
        writing.settle();
    }
    assert_eq!(writing.rejected.len(), 2, "a topic that is idle gives up its place");
    let arrived = subject.records_of(&topics, 2);
    let arrived: Vec<_> = arrived.iter().map(|records| numbers(records)).collect();
    assert_eq!(arrived, [vec![1, 1, 4], vec![1, 3], vec![2, 5]], "all others are delivered");
    writing.close();
    Ok(())
}

/// A record that says its partition goes there, whatever its key; one that its topic does not have is rejected. This holds for
/// sinks to one topic too.
///
/// # Errors
/// Skipped without a sink.
pub fn partition_said_is_honoured(subject: &dyn Subject) -> Result<(), Skipped> {
    needs(!subject.values_only(), "a sink of values alone has no partitions to choose from")?;
    let topics = subject.create_topics(2, 3);
    assert_partitions(subject, &*sink_of(subject, &topics[0])?, (&topics[0], None));
    let sink = routed(subject, TopicPolicy::only(&topics))?;
    assert_partitions(subject, &*sink, (&topics[1], Some(&topics[1])));
    Ok(())
}

fn assert_partitions(subject: &dyn Subject, sink: &dyn Sink, (topic, said): (&str, Option<&str>)) {
    let mut writing = Writing::open(subject, sink);
    let bound = |record: OwnedRecord| {
        let on = u32::try_from(number(&record) % 4).expect("a small number");
        let bound = record.with_partition(if on == 3 { 7 } else { on });
        said.into_iter().fold(bound, OwnedRecord::with_topic)
    };
    let records: Vec<_> = numbered(0..200).into_iter().map(bound).collect();
    writing.write_all(1, &batch_of(&records), || ());
    writing.settle();
    for told in &writing.rejected {
        let place = told.error.place();
        assert_eq!(told.error.code(), codes::UNKNOWN_TOPIC, "{}", told.error.report());
        assert_eq!((place.topic.as_deref(), place.partition), (Some(topic), Some(7)));
    }
    let arrived = subject.records(topic, 150);
    assert_eq!(arrived.len(), 150, "records with a partition arrive");
    let as_said = |record: &OwnedRecord| u64::from(partition(record)) == number(record) % 4;
    assert!(arrived.iter().all(as_said), "the partition that a record says is honoured");
    assert_eq!(writing.rejected.len(), 50, "a partition that is not there is refused");
    writing.close();
}

fn routed(subject: &dyn Subject, policy: TopicPolicy) -> Result<Box<dyn Sink>, Skipped> {
    let sink =
        subject.routed_sink(policy).ok_or(Skipped("the connector has no sink that routes"))?;
    needs(sink.capabilities().routes, "the sink does not route")?;
    Ok(sink)
}

fn to(record: &OwnedRecord, topic: &str) -> OwnedRecord {
    record.clone().with_topic(topic)
}
