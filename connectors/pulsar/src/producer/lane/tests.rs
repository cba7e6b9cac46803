//! Every course of things, without a broker.

use std::time::Duration;

use bytes::Bytes;
use millstream_engine::batch::{OwnedRecord, RecordBatch};

use super::*;
use crate::wire::proto::MessageMetadata;

/// A batch of `n` records that was born at this time.
fn sealed(n: usize, born: Instant) -> Sealed {
    let mut records = RecordBatch::default();
    (0..n).for_each(|number| records.push_owned(&OwnedRecord::of(number.to_string())));
    let mut batch = Batch::new(Vec::new(), born);
    for record in records.iter() {
        batch.push(record, 1, 1).expect("text alone");
    }
    Sealed { batch, metadata: MessageMetadata::default(), payload: Bytes::new() }
}

/// A lane with batches of these sizes, all of them sent.
fn sent(last: i64, sizes: &[usize]) -> Lane {
    let mut lane = Lane::default();
    assert!(lane.start(last));
    for n in sizes {
        lane.push(sealed(*n, Instant::now()));
    }
    while lane.next_to_send().is_some() {
        lane.sent();
    }
    lane
}

fn numbers(lane: &mut Lane) -> Vec<(u64, u64)> {
    let mut numbers = Vec::new();
    while let Some(next) = lane.next_to_send() {
        let last = next.first + u64::from(next.sealed.batch.n_records) - 1;
        numbers.push((next.first, last));
        lane.sent();
    }
    numbers
}

#[test]
fn numbers_go_on_behind_the_last_of_the_broker() {
    let mut lane = Lane::default();
    assert!(lane.start(41));
    for n in [3, 1] {
        lane.push(sealed(n, Instant::now()));
    }
    assert_eq!(numbers(&mut lane), [(42, 44), (45, 45)]);
    assert_eq!(sent(-1, &[5]).under_way[0].first, 0);
}

#[test]
fn all_that_is_unconfirmed_goes_again_with_its_numbers() {
    let mut lane = sent(-1, &[2, 3, 4]);
    assert!(matches!(lane.receipt(0, false), Heard::Stored(batch) if batch.n_records == 2));
    lane.stop();
    lane.push(sealed(1, Instant::now()));
    assert!(lane.start(4), "the broker has what we sent");
    assert_eq!(numbers(&mut lane), [(2, 4), (5, 8), (9, 9)]);
}

#[test]
fn dropped_is_stored_only_if_it_was_sent_twice() {
    let mut lane = sent(-1, &[2, 3]);
    lane.stop();
    assert!(lane.start(1));
    lane.sent();
    assert!(matches!(lane.receipt(0, true), Heard::Stored(_)));
    let mut once = sent(-1, &[2]);
    assert!(matches!(once.receipt(0, true), Heard::Dropped(batch) if batch.n_sent == 1));
    assert!(once.is_empty());
}

#[test]
fn numbers_that_we_never_gave_are_another_s() {
    let mut lane = sent(-1, &[2]);
    lane.stop();
    assert!(!lane.start(2), "the broker has one more than we ever had");
}

#[test]
fn receipts_are_taken_in_order_alone() {
    let mut lane = sent(-1, &[1, 1, 1]);
    assert!(matches!(lane.receipt(1, false), Heard::OutOfOrder));
    assert!(matches!(lane.receipt(0, false), Heard::Stored(_)));
    assert!(matches!(lane.receipt(0, false), Heard::Late), "it was answered already");
    assert!(matches!(lane.receipt(9, false), Heard::OutOfOrder));
    assert!(matches!(lane.refused(1), Heard::Refused(_)));
    assert!(matches!(lane.receipt(2, false), Heard::Stored(_)));
    assert!(matches!(lane.receipt(3, false), Heard::Late), "nothing is under way");
}

#[test]
fn answer_for_what_was_not_sent_is_none() {
    let mut lane = sent(-1, &[1]);
    lane.stop();
    assert!(matches!(lane.receipt(0, false), Heard::Late));
    assert_eq!(lane.len(), 1);
}

#[test]
fn old_batches_are_taken_out_once() {
    let now = Instant::now();
    let [old, young] = [now, now + Duration::from_secs(9)];
    let mut lane = Lane::default();
    assert!(lane.start(-1));
    for born in [old, old, young] {
        lane.push(sealed(1, born));
    }
    lane.sent();
    let (taken, was_sent) = lane.take_old(old);
    assert_eq!((taken.len(), was_sent, taken[0].n_sent, taken[1].n_sent), (2, true, 1, 0));
    lane.stop();
    assert!(lane.start(1));
    assert_eq!(numbers(&mut lane), [(2, 2)], "numbers are never given twice");
    assert!(matches!(lane.take_old(old), (none, false) if none.is_empty()));
}
