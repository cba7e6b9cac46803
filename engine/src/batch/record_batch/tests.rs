//! Batches keep records, their origins and their destinations together.

use super::*;
use crate::batch::NO_TIME;

fn numbered(n: u64) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for position in 0..n {
        batch.set_origin(&Origin::new("test", "t", u32::try_from(position / 3).unwrap()));
        batch.push(Some(b"k"), Some(position.to_string().as_bytes()), NO_TIME, position);
    }
    batch
}

#[test]
fn null_and_empty_are_kept_apart() {
    let mut batch = RecordBatch::default();
    batch.push(None, Some(b""), 5, 0);
    batch.push(Some(b""), None, NO_TIME, 1);
    batch.push_header("h", None);
    let [a, b] = [batch.get(0).unwrap(), batch.get(1).unwrap()];
    assert_eq!((a.key(), a.value(), a.time()), (None, Some(&b""[..]), Some(5)));
    assert_eq!((b.key(), b.value(), b.time()), (Some(&b""[..]), None, None));
    assert_eq!(b.headers().count(), 1);
    assert_eq!(a.headers().count(), 0);
}

#[test]
fn retain_keeps_runs_right() {
    let mut batch = numbered(9);
    let mut partitions = Vec::new();
    batch.retain(|r| {
        partitions.push(r.partition());
        r.position() % 2 == 1 && r.position() != 1
    });
    assert_eq!(partitions, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    let seen: Vec<_> =
        batch.iter().map(|r| (r.position(), r.origin().unwrap().partition)).collect();
    assert_eq!(seen, [(3, 1), (5, 1), (7, 2)]);
    assert_eq!(batch.get(0).unwrap().value(), Some(&b"3"[..]));
}

#[test]
fn ranges_are_copied_whole() {
    let (from, mut to) = (numbered(9), numbered(2));
    to.push_range(&from, 3..6);
    to.push_range(&from, 4..4);
    let seen: Vec<_> = to.iter().map(|r| (r.position(), r.value_or_empty().to_vec())).collect();
    let wanted = [0, 1, 3, 4, 5].map(|n: u64| (n, n.to_string().into_bytes()));
    assert_eq!(seen, wanted);
}

fn bound(topics: &[Option<&str>]) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for (position, topic) in (0..).zip(topics) {
        let mut writer = batch.writer();
        writer.position(position);
        if let Some(topic) = topic {
            writer.topic(topic).partition(7);
        }
        writer.finish();
    }
    batch
}

fn topics(batch: &RecordBatch) -> Vec<Option<&str>> {
    batch.iter().map(|record| record.destination().topic).collect()
}

#[test]
fn destinations_follow_their_records() {
    let from = bound(&[Some("a"), None, Some("b"), Some("a"), None]);
    assert_eq!((from.n_topics(), from.first_topic()), (2, Some("a")));
    let mut kept = from.clone();
    kept.retain(|record| record.position() != 0 && record.position() != 2);
    assert_eq!(topics(&kept), [None, Some("a"), None]);
    let mut one_by_one = bound(&[None, Some("b")]);
    one_by_one.push_record(from.get(0).unwrap());
    one_by_one.push_record(from.get(1).unwrap());
    assert_eq!(topics(&one_by_one), [None, Some("b"), Some("a"), None]);
    for mut to in [bound(&[None, None]), bound(&[None, Some("c")])] {
        let before = to.get(1).unwrap().destination().topic.map(str::to_owned);
        to.push_range(&from, 1..4);
        let copied = [None, before.as_deref(), None, Some("b"), Some("a")];
        assert_eq!(topics(&to), copied);
    }
    kept.clear();
    kept.push(None, None, NO_TIME, 0);
    assert_eq!((topics(&kept), kept.has_destinations()), (vec![None], false));
}

#[test]
fn batches_without_destinations_and_envelopes_have_no_columns() {
    let mut batch = numbered(3);
    batch.push_range(&numbered(3), 0..3);
    batch.retain(|record| record.position() > 0);
    assert!(batch.destinations.is_none());
    let column: usize = size_of_val(&batch.destinations);
    assert_eq!(column, 8);
    assert!(batch.envelopes.is_none());
    assert_eq!((size_of_val(&batch.envelopes), size_of::<Entry>()), (8, 32));
}

#[test]
fn run_ends_name_the_last_position() {
    let batch = numbered(7);
    let ends: Vec<_> = batch.run_ends().map(|(o, p)| (o.partition, p)).collect();
    assert_eq!(ends, [(0, 2), (1, 5), (2, 6)]);
}

#[test]
fn cleared_batch_gives_oversized_memory_back() {
    let mut batch = RecordBatch::default();
    batch.push(None, Some(&vec![1; 8 * BATCH_BYTES]), NO_TIME, 0);
    batch.clear();
    assert!(batch.memory() <= 2 * BATCH_BYTES + 1024);
}
