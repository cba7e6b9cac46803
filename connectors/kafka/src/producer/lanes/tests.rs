//! Lanes together: who may use which numbers, where they send, and what is let go of.

use super::*;
use crate::wire::records::Records;

const FIRST: Identity = Identity { producer_id: 7, epoch: 0 };

fn lanes() -> Lanes {
    Lanes::new(true, 5)
}

fn orders() -> Arc<str> {
    "orders".into()
}

fn push(lanes: &mut Lanes, id: LaneId, now: Instant) {
    let mut batch = Batch::new(Records::new(Vec::new()), now);
    batch.count(0, false, 1);
    lanes.get(id).expect("it is open").push(batch);
}

#[test]
fn lane_sends_once_it_knows_where_and_as_whom() {
    let (mut lanes, now) = (lanes(), Instant::now());
    lanes.open(3, &orders(), 1);
    push(&mut lanes, 3, now);
    assert_eq!((lanes.next(3, now), lanes.next(0, now)), (Next::Nothing, Next::Nothing));
    assert!(lanes.is_untold(3) && lanes.wants_identity());
    assert!(!lanes.wants_identity(), "it is asked for once");
    lanes.identify(FIRST);
    assert_eq!(lanes.set_leaders(&orders(), vec![Some(1), Some(2)], now), [3]);
    assert_eq!(lanes.next(3, now), Next::Send(2));
    assert!(!lanes.is_untold(3));
    lanes.set_leaders(&orders(), vec![Some(1), None], now);
    assert_eq!(lanes.next(3, now), Next::Nothing);
    assert!(!lanes.is_untold(3), "that there is no leader is known");
}

#[test]
fn next_lane_to_a_partition_uses_no_number_twice() {
    let (mut lanes, now) = (lanes(), Instant::now());
    lanes.identify(FIRST);
    lanes.open(0, &orders(), 0);
    lanes.set_leaders(&orders(), vec![Some(1)], now);
    push(&mut lanes, 0, now);
    assert_eq!(lanes.get(0).and_then(Lane::take).and_then(|batch| batch.sequence), Some(0));
    // It is to go while something is under way, and the partition is opened again.
    lanes.close(0);
    lanes.close(0);
    lanes.open(1, &orders(), 0);
    push(&mut lanes, 1, now);
    assert_eq!((lanes.remove_if_done(0), lanes.next(1, now)), (false, Next::Nothing));
    assert!(!lanes.wants_identity(), "it waits for its forerunner alone");
    lanes.get(0).expect("it is open").delivered();
    assert!(lanes.remove_if_done(0));
    assert_eq!(lanes.next(1, now), Next::Send(1));
    let identity = lanes.get(1).and_then(|lane| lane.identity());
    assert_eq!(identity, Some(Identity { epoch: 1, ..FIRST }));
    // Another partition was not numbered for yet.
    lanes.open(2, &orders(), 1);
    assert_eq!(lanes.get(2).and_then(|lane| lane.identity()), identity);
}

#[test]
fn one_epoch_is_enough_for_all_partitions_of_a_topic() {
    let (mut lanes, now) = (lanes(), Instant::now());
    lanes.identify(FIRST);
    for id in 0..10 {
        lanes.open(id, &orders(), id);
        lanes.close(id);
    }
    assert!((0..10).all(|id| lanes.remove_if_done(id)));
    assert_eq!(lanes.identity, Some(Identity { epoch: 1, ..FIRST }));
    assert!(lanes.topics.is_empty() && !lanes.has_something());
    assert_eq!(lanes.next(0, now), Next::Nothing);
}

#[test]
fn used_up_epochs_ask_for_another_producer() {
    let mut lanes = lanes();
    lanes.identify(Identity { epoch: i16::MAX, ..FIRST });
    lanes.open(0, &orders(), 0);
    lanes.close(0);
    assert!(lanes.remove_if_done(0));
    lanes.open(0, &orders(), 0);
    lanes.next(0, Instant::now());
    assert!(lanes.wants_identity());
    let other = Identity { producer_id: 8, epoch: 0 };
    lanes.identify(other);
    assert_eq!(lanes.get(0).and_then(|lane| lane.identity()), Some(other));
}

#[test]
fn rests_end_in_their_time() {
    let (mut lanes, now) = (lanes(), Instant::now());
    lanes.open(0, &orders(), 0);
    let bounds = (Duration::from_millis(10), Duration::from_millis(20));
    (0..5).for_each(|_| lanes.rest(0, now, bounds));
    assert_eq!(lanes.resting.len(), 1, "one pause for all that fails at once");
    let until = now + bounds.0;
    assert_eq!((lanes.next_rested(), lanes.rested(now)), (Some(until), None));
    assert_eq!((lanes.rested(until), lanes.rested(until)), (Some(0), None));
}

#[test]
fn leaders_are_kept_for_lanes_that_are_opened_soon() {
    let (mut lanes, now) = (lanes(), Instant::now());
    for topic in ["orders", "others"] {
        lanes.set_leaders(&topic.into(), vec![Some(1)], now);
    }
    lanes.open(0, &orders(), 0);
    assert_eq!(lanes.get(0).and_then(|lane| lane.leader), Some(1));
    lanes.forget_leaders(now + UNUSED / 2);
    assert_eq!(lanes.topics.len(), 2);
    lanes.forget_leaders(now + UNUSED);
    assert!(lanes.topics.contains_key("orders") && lanes.topics.len() == 1);
    assert!(lanes.laneless.is_empty());
}

#[test]
fn batches_are_given_up_in_their_time_or_all_at_once() {
    let (mut lanes, now) = (lanes(), Instant::now());
    lanes.identify(FIRST);
    lanes.open(0, &orders(), 0);
    lanes.set_leaders(&orders(), vec![Some(1)], now);
    (0..3).for_each(|_| push(&mut lanes, 0, now));
    let under_way = lanes.get(0).and_then(Lane::take).expect("the first");
    assert!(lanes.give_up(0, |_| false).is_empty());
    lanes.set_given_up(0, RDKafkaErrorCode::TopicAuthorizationFailed);
    assert_eq!(lanes.give_up(0, |_| false).len(), 2);
    lanes.get(0).expect("it is open").returned(under_way);
    let given_up = lanes.give_up(0, |_| false);
    let codes: Vec<_> = given_up.iter().map(|(_, code)| *code).collect();
    assert_eq!(codes, [RDKafkaErrorCode::TopicAuthorizationFailed]);
    push(&mut lanes, 0, now);
    let late = lanes.give_up(0, |_| true);
    assert_eq!(late[0].1, RDKafkaErrorCode::MessageTimedOut);
    assert!(lanes.give_up(9, |_| true).is_empty());
}
