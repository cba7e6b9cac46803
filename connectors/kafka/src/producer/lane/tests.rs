//! One partition: order and numbers, whatever becomes of batches.

use super::*;
use crate::wire::records::Records;

const FIRST: Identity = Identity { producer_id: 7, epoch: 0 };

/// A lane with batches of 10 records, told apart by their slots.
fn lane(slots: std::ops::Range<u32>) -> Lane {
    let mut lane = Lane::new("orders".into(), 0, true);
    lane.leader = Some(1);
    lane.identify(FIRST);
    for slot in slots {
        let mut batch = Batch::new(Records::new(Vec::new()), Instant::now());
        (0..10).for_each(|_| batch.count(slot, false, 1));
        lane.push(batch);
    }
    lane
}

fn send(lane: &mut Lane) -> Batch {
    assert!(lane.is_free(Instant::now(), 5), "it may send");
    let batch = lane.take().expect("a batch waits");
    Batch { is_doubtful: false, ..batch }
}

/// Slot and number.
fn seen(batch: &Batch) -> (u32, Option<i32>) {
    (batch.runs[0].slot, batch.sequence)
}

#[test]
fn numbers_count_records() {
    let mut lane = lane(0..3);
    let numbers: Vec<_> = (0..3).map(|_| seen(&send(&mut lane))).collect();
    assert_eq!(numbers, [(0, Some(0)), (1, Some(10)), (2, Some(20))]);
    assert_eq!(after(i32::MAX - 4, 10), 5, "they begin again at 0");
}

#[test]
fn returned_batches_go_again_in_order_and_with_their_numbers() {
    let mut lane = lane(0..4);
    let [a, b, c] = [0; 3].map(|_| send(&mut lane));
    lane.returned(b);
    assert!(!lane.is_free(Instant::now(), 5), "others are under way");
    lane.delivered();
    drop(a);
    lane.misnumbered(c);
    let again: Vec<_> = (0..3).map(|_| seen(&send(&mut lane))).collect();
    assert_eq!(again, [(1, Some(10)), (2, Some(20)), (3, Some(30))]);
    assert_eq!(lane.identity(), Some(FIRST), "no number was lost");
}

#[test]
fn those_after_a_refused_batch_move_up() {
    let mut lane = lane(0..4);
    let [a, b, c] = [0; 3].map(|_| send(&mut lane));
    lane.returned(a);
    lane.refused(&b, []);
    lane.misnumbered(c);
    let again: Vec<_> = (0..3).map(|_| seen(&send(&mut lane))).collect();
    assert_eq!(again, [(0, Some(0)), (2, Some(10)), (3, Some(20))]);
    assert_eq!(lane.identity(), Some(FIRST));
}

#[test]
fn parts_take_the_place_of_what_they_were() {
    let mut lane = lane(0..2);
    let [a, b] = [0; 2].map(|_| send(&mut lane));
    let part = |slot| {
        let mut part = Batch::new(Records::new(Vec::new()), Instant::now());
        (0..5).for_each(|_| part.count(slot, false, 1));
        part
    };
    lane.refused(&a, [part(10), part(11)]);
    lane.misnumbered(b);
    let again: Vec<_> = (0..3).map(|_| seen(&send(&mut lane))).collect();
    assert_eq!(again, [(10, Some(0)), (11, Some(5)), (1, Some(10))]);
}

#[test]
fn number_that_may_be_in_use_is_not_given_again() {
    let mut lane = lane(0..3);
    let [a, b] = [0; 2].map(|_| Batch { is_doubtful: true, ..send(&mut lane) });
    lane.returned(a);
    lane.returned(b);
    let given_up = lane.give_up(|batch| batch.runs[0].slot == 0);
    assert_eq!(given_up.len(), 1);
    assert_eq!(seen(&send(&mut lane)), (1, Some(10)), "it may have been written, too");
    assert!(!lane.is_free(Instant::now(), 5), "the others wait for it");
    lane.delivered();
    assert_eq!(seen(&send(&mut lane)), (2, Some(0)));
    assert_eq!(lane.identity(), Some(Identity { epoch: 1, ..FIRST }));
}

#[test]
fn batch_behind_a_number_that_is_lost_gets_another() {
    let mut lane = lane(0..3);
    let [a, b] = [0; 2].map(|_| Batch { is_doubtful: true, ..send(&mut lane) });
    lane.returned(a);
    lane.returned(b);
    lane.give_up(|batch| batch.runs[0].slot == 0);
    let second = lane.take().expect("it goes again");
    lane.misnumbered(second);
    let again: Vec<_> = (0..2).map(|_| seen(&send(&mut lane))).collect();
    assert_eq!(again, [(1, Some(0)), (2, Some(10))]);
    assert_eq!(lane.identity(), Some(Identity { epoch: 1, ..FIRST }));
}

#[test]
fn nothing_new_goes_behind_what_may_be_written() {
    let mut lane = lane(0..4);
    let [a, b] = [0; 2].map(|_| send(&mut lane));
    lane.returned(Batch { is_doubtful: true, ..a });
    lane.returned(b);
    let again: Vec<_> = (0..2).map(|_| seen(&send(&mut lane))).collect();
    assert_eq!(again, [(0, Some(0)), (1, Some(10))]);
    lane.delivered();
    assert!(!lane.is_free(Instant::now(), 5), "the broker is to remember those under way");
    lane.delivered();
    let new: Vec<_> = (0..2).map(|_| seen(&send(&mut lane))).collect();
    assert_eq!(new, [(2, Some(20)), (3, Some(30))]);
}

#[test]
fn refused_batch_that_may_be_written_leaves_its_number_to_none() {
    let mut lane = lane(0..3);
    let [a, b] = [0; 2].map(|_| send(&mut lane));
    lane.refused(&Batch { is_doubtful: true, ..a }, []);
    lane.misnumbered(b);
    assert_eq!(seen(&send(&mut lane)), (1, Some(0)));
    assert_eq!(lane.identity(), Some(Identity { epoch: 1, ..FIRST }));
}

#[test]
fn numbers_move_up_to_the_first_that_is_free() {
    let mut lane = lane(0..4);
    let [a, b, c] = [0; 3].map(|_| send(&mut lane));
    for batch in [a, b, c] {
        lane.returned(batch);
    }
    let first = lane.take().expect("it goes again");
    lane.give_up(|batch| batch.runs[0].slot == 1);
    lane.refused(&first, []);
    let again: Vec<_> = (0..2).map(|_| seen(&send(&mut lane))).collect();
    assert_eq!(again, [(2, Some(0)), (3, Some(10))]);
    assert_eq!(lane.identity(), Some(FIRST));
}

#[test]
fn batch_that_was_never_sent_leaves_no_gap() {
    let mut lane = lane(0..3);
    let first = send(&mut lane);
    assert_eq!(lane.give_up(|batch| batch.runs[0].slot == 1).len(), 1);
    assert_eq!(seen(&send(&mut lane)), (2, first.sequence.map(|sequence| sequence + 10)));
}

#[test]
fn lost_numbers_start_an_epoch_and_used_up_epochs_another_producer() {
    let mut lane = lane(0..2);
    lane.numbers = Numbers::Of(Identity { epoch: i16::MAX - 1, ..FIRST });
    for expected in [Some(Identity { epoch: i16::MAX, ..FIRST }), None] {
        let batch = send(&mut lane);
        lane.misnumbered(batch);
        assert_eq!(lane.identity(), expected);
    }
    assert!(lane.wants_identity() && !lane.is_free(Instant::now(), 5));
    lane.identify(Identity { producer_id: 8, epoch: 0 });
    assert_eq!(seen(&send(&mut lane)), (0, Some(0)));
}

#[test]
fn new_leader_gets_nothing_before_the_old_one_has_answered() {
    let mut lane = lane(0..2);
    drop(send(&mut lane));
    lane.leader = Some(2);
    assert!(!lane.is_free(Instant::now(), 5));
    lane.delivered();
    assert_eq!(seen(&send(&mut lane)), (1, Some(10)));
}

#[test]
fn rests_grow_until_something_is_delivered() {
    let (now, mut lane) = (Instant::now(), lane(0..2));
    let bounds = (Duration::from_millis(100), Duration::from_secs(1));
    let mut later = now;
    let mut rest = |of: &mut Lane| {
        let until = of.rest(later, bounds).expect("it does not rest yet");
        assert_eq!(of.rest(later, bounds), None, "one pause for all that fails at once");
        (until - std::mem::replace(&mut later, until)).as_millis()
    };
    assert_eq!([0; 5].map(|_| rest(&mut lane)), [100, 200, 400, 800, 1000]);
    assert!(!lane.is_free(now, 5) && lane.is_free(now + Duration::from_secs(3), 5));
    lane.wake();
    drop(send(&mut lane));
    lane.delivered();
    assert_eq!(rest(&mut lane), 100);
}
