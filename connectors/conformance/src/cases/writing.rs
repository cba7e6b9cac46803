//! What is promised of records on their way out.
#![expect(clippy::missing_panics_doc, reason = "a case panics where the promise is broken")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use millstream_engine::batch::OwnedRecord;

use super::reading::{assert_same_content, records_of_all_kinds};
use super::{needs, sink_of};
use crate::reading::{number, numbered, numbers, numbers_of, partition};
use crate::run::Skipped;
use crate::subject::Subject;
use crate::writing::{Writing, batch_of};

/// Key, value, headers and event time arrive as they were written, null apart from empty.
///
/// # Errors
/// Skipped without a sink that carries headers.
pub fn written_records_arrive_unchanged(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(1);
    let sink = sink_of(subject, &topic)?;
    needs(sink.capabilities().headers, "the sink carries no headers")?;
    let mut writing = Writing::open(subject, &*sink);
    let records = records_of_all_kinds(subject);
    writing.write_all(1, &batch_of(&records), || ());
    writing.settle();
    assert_same_content(&subject.records(&topic, records.len()), &records);
    writing.close();
    Ok(())
}

/// Records of one key go to one partition and keep their order there, over batches and epochs.
///
/// # Errors
/// Skipped without a sink.
pub fn records_of_a_key_arrive_in_order(subject: &dyn Subject) -> Result<(), Skipped> {
    needs(!subject.values_only(), "records are values alone")?;
    let topic = subject.create_topic(3);
    let sink = sink_of(subject, &topic)?;
    let mut writing = Writing::open(subject, &*sink);
    for epoch in 0..20 {
        let batch = batch_of(&numbered(epoch * 100..(epoch + 1) * 100));
        writing.write_all(epoch, &batch, || ());
    }
    writing.settle();
    let mut by_key: BTreeMap<Vec<u8>, Vec<(u32, u64)>> = BTreeMap::new();
    for record in subject.records(&topic, 2000) {
        let key = record.key.clone().expect("every record was written with a key");
        by_key.entry(key).or_default().push((partition(&record), number(&record)));
    }
    assert_eq!(by_key.values().map(Vec::len).sum::<usize>(), 2000, "every record arrives once");
    assert_eq!(by_key.len(), 7, "keys arrive as they were written");
    for seen in by_key.values() {
        assert!(seen.iter().all(|(at, _)| *at == seen[0].0), "a key goes to one partition");
        assert!(seen.is_sorted(), "records of a key keep their order");
    }
    writing.close();
    Ok(())
}

/// A queue that is full takes a prefix; what was taken is not sent again when the rest is offered.
///
/// # Errors
/// Skipped without a sink of a small queue.
pub fn prefix_taken_is_never_sent_twice(subject: &dyn Subject) -> Result<(), Skipped> {
    let (topic, sink) =
        subject.small_sink().ok_or(Skipped("the connector has no sink with a small queue"))?;
    let mut writing = Writing::open(subject, &*sink);
    let mut n_short = 0;
    for epoch in 0..10 {
        let batch = batch_of(&numbered(epoch * 500..(epoch + 1) * 500));
        n_short += writing.write_all(epoch, &batch, || drop(subject.records(&topic, 0)));
    }
    writing.settle();
    assert!(n_short > 0, "a small queue takes less than everything");
    let arrived = numbers(&subject.records(&topic, 5000));
    let mut distinct = arrived.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), arrived.len(), "what was taken is not sent again");
    assert_eq!(distinct.len(), 5000, "what was not taken is sent when it is offered again");
    assert!(arrived.is_sorted(), "one partition keeps the order over short writes");
    writing.close();
    Ok(())
}

/// Each record is delivered or rejected, exactly once; a refused one is rejected with its content, its epoch and a reason.
///
/// # Errors
/// Skipped when the other side cannot be made to refuse.
pub fn refused_records_are_told_exactly_once(subject: &dyn Subject) -> Result<(), Skipped> {
    needs(!subject.values_only(), "records are values alone")?;
    let topic = subject.create_topic(2);
    let sink = sink_of(subject, &topic)?;
    let refused =
        subject.refuse(&topic).ok_or(Skipped("the other side cannot be made to refuse"))?;
    let mut writing = Writing::open(subject, &*sink);
    for epoch in 0..10 {
        let batch = batch_of(&one_in_ten_refused(epoch * 100..(epoch + 1) * 100, &refused));
        writing.write_all(epoch, &batch, || ());
    }
    writing.settle();
    for rejected in &writing.rejected {
        let text = rejected.error.report();
        assert_eq!(
            rejected.epoch,
            key(&rejected.record) / 100,
            "a rejection names its epoch: {text}"
        );
    }
    let rejected: Vec<u64> = writing.rejected.iter().map(|told| key(&told.record)).collect();
    let n_delivered = 1000_usize.saturating_sub(rejected.len());
    let delivered: Vec<u64> = subject.records(&topic, n_delivered).iter().map(key).collect();
    for n in (0..1000).filter(|n| n % 10 == 3) {
        assert!(rejected.contains(&n), "a refused record is never lost in silence");
    }
    let mut all = [rejected, delivered].concat();
    all.sort_unstable();
    assert_eq!(all, numbers_of(0..1000), "each record is delivered or rejected, exactly once");
    writing.close();
    Ok(())
}

/// Records with their number as the key; those that end in 3 have the refused value.
fn one_in_ten_refused(numbers: Range<u64>, refused: &[u8]) -> Vec<OwnedRecord> {
    let keyed = |n: u64| {
        let value = if n % 10 == 3 { refused.to_vec() } else { n.to_string().into_bytes() };
        OwnedRecord::of(value).with_key(n.to_string())
    };
    numbers.map(keyed).collect()
}

/// The number in the key of a record of [`one_in_ten_refused`].
fn key(record: &OwnedRecord) -> u64 {
    let text = record.key.as_deref().and_then(|key| str::from_utf8(key).ok());
    text.and_then(|text| text.parse().ok()).expect("records keep their keys")
}

/// An epoch counts as unconfirmed until the other side has confirmed all its records; then everything is there.
///
/// # Errors
/// Skipped when confirmations cannot be held back.
pub fn unconfirmed_epoch_is_never_durable(subject: &dyn Subject) -> Result<(), Skipped> {
    subject.isolate();
    let topic = subject.create_topic(2);
    let sink = sink_of(subject, &topic)?;
    needs(sink.capabilities().confirms, "the sink confirms nothing")?;
    let mut writing = Writing::open(subject, &*sink);
    assert_eq!(writing.oldest_unconfirmed(), None, "nothing written is nothing unconfirmed");
    writing.write_all(3, &batch_of(&numbered(0..10)), || ());
    writing.settle();
    needs(subject.hold_confirmations(&topic), "confirmations cannot be held back")?;
    for epoch in [7, 5, 9] {
        let taken = writing.write(epoch, &batch_of(&numbered(epoch * 10..(epoch + 1) * 10)), 0);
        assert_eq!(taken, 10, "a sink whose confirmations are late still takes a few records");
        writing.poll();
        let expected = Some(epoch.min(if epoch == 7 { 7 } else { 5 }));
        assert_eq!(writing.oldest_unconfirmed(), expected, "what is not confirmed is not durable");
    }
    subject.release(&topic);
    let seen = writing.settle();
    assert!(seen.is_sorted(), "what was durable stays durable");
    assert!(writing.rejected.is_empty(), "late is not refused");
    let mut arrived = numbers(&subject.records(&topic, 40));
    arrived.sort_unstable();
    let written: Vec<u64> = (0..10).chain(50..60).chain(70..80).chain(90..100).collect();
    assert_eq!(arrived, written, "what is durable can be read");
    writing.close();
    Ok(())
}

/// While the other side does not answer, a writer takes what its queue holds and refuses the rest, without blocking.
///
/// # Errors
/// Skipped without a sink of a small queue, or when the other side cannot be stalled.
pub fn stalled_sink_takes_less_and_never_blocks(subject: &dyn Subject) -> Result<(), Skipped> {
    subject.isolate();
    let (topic, sink) =
        subject.small_sink().ok_or(Skipped("the connector has no sink with a small queue"))?;
    let mut writing = Writing::open(subject, &*sink);
    needs(subject.stall(&topic), "the other side cannot be stalled")?;
    let batch = batch_of(&numbered(0..5000));
    let mut taken = 0;
    for _ in 0..100 {
        taken = writing.write(1, &batch, taken);
        writing.poll();
        let durable = taken == 0 || writing.oldest_unconfirmed() == Some(1);
        assert!(durable, "nothing is durable while the other side is stalled");
    }
    assert!(taken < batch.len(), "the queue of a stalled sink is bounded");
    subject.release(&topic);
    let rest = batch_of(&numbered(taken as u64..5000));
    writing.write_all(1, &rest, || drop(subject.records(&topic, 0)));
    writing.settle();
    let mut arrived = numbers(&subject.records(&topic, 5000));
    arrived.sort_unstable();
    assert_eq!(arrived, numbers_of(0..5000), "after the stall everything arrives, once");
    writing.close();
    Ok(())
}

/// What the client gives up on while the other side is silent is rejected once and not sent again; what is delivered keeps its
/// order per key. A record may be given up on after the other side has taken it: it is then there, once.
///
/// # Errors
/// Skipped without a sink that gives up, or when the other side cannot be stalled.
pub fn given_up_records_are_told_once(subject: &dyn Subject) -> Result<(), Skipped> {
    subject.isolate();
    let (topic, sink) =
        subject.impatient_sink().ok_or(Skipped("no sink of the connector gives up on a record"))?;
    let mut writing = Writing::open(subject, &*sink);
    writing.write_all(1, &batch_of(&numbered(0..200)), || ());
    writing.settle();
    assert!(writing.rejected.is_empty(), "nothing is given up on while the other side answers");
    needs(subject.stall(&topic), "the other side cannot be stalled")?;
    writing.write_all(2, &batch_of(&numbered(200..400)), || ());
    writing.settle();
    let given_up = rejected_numbers(&writing);
    assert_eq!(given_up, numbers_of(200..400), "what is given up on is told, exactly once");
    subject.release(&topic);
    writing.write_all(3, &batch_of(&numbered(400..600)), || ());
    writing.settle();
    let told = rejected_numbers(&writing);
    let distinct: BTreeSet<u64> = told.iter().copied().collect();
    assert_eq!(distinct.len(), told.len(), "what was given up on is never told again");
    let confirmed: Vec<u64> = (0..600).filter(|n| !distinct.contains(n)).collect();
    assert!(confirmed.len() > 200, "writing goes on once the other side answers");
    let arrived = subject.records(&topic, confirmed.len());
    let seen: BTreeSet<u64> = numbers(&arrived).into_iter().collect();
    assert_eq!(seen.len(), arrived.len(), "what was given up on is not sent again");
    assert!(confirmed.iter().all(|n| seen.contains(n)), "what was confirmed is there");
    let delivered = arrived.iter().filter(|record| !distinct.contains(&number(record)));
    assert_order_per_key(delivered);
    writing.close();
    Ok(())
}

fn rejected_numbers(writing: &Writing) -> Vec<u64> {
    let mut told: Vec<u64> = writing.rejected.iter().map(|told| number(&told.record)).collect();
    told.sort_unstable();
    told
}

fn assert_order_per_key<'r>(records: impl Iterator<Item = &'r OwnedRecord>) {
    let mut by_key: BTreeMap<Option<&[u8]>, Vec<u64>> = BTreeMap::new();
    for record in records {
        by_key.entry(record.key.as_deref()).or_default().push(number(record));
    }
    assert!(by_key.values().all(|seen| seen.is_sorted()), "records of a key keep their order");
}
