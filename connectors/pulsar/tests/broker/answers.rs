//! What the sink makes of answers that a real broker rarely gives, from a scripted one.

use std::time::Duration;

use millstream_engine::batch::OwnedRecord;
use millstream_engine::error::codes;
use millstream_engine::sink::Rejected;
use millstream_pulsar::Sink;

use crate::peer::{Answer, Came, Peer};
use crate::wire::proto::ServerError;
use crate::write::{Writing, batch_of, numbered};

/// Writes `n` records, each a batch of its own, to a broker that answers so; what was rejected, and what came there.
fn written(answers: &[Answer], last: i64, n: u64) -> (Vec<Rejected>, Vec<Came>) {
    let peer = Peer::start(answers, last);
    let sink = Sink::new(&peer.address, "t").with_batch_bytes(1).with_send_timeout(LIMIT);
    let mut writing = Writing::open_unprepared(&sink);
    writing.write(1, &batch_of(numbered(0..n)));
    let mut rejected = writing.settle();
    rejected.sort_by_key(|told| told.record.text().map(str::to_owned));
    (rejected, peer.came())
}

const LIMIT: Duration = Duration::from_secs(20);

/// The texts of what was rejected, and the code.
fn told(rejected: &[Rejected]) -> Vec<(&str, &str)> {
    let of = |told| -> (&str, &str) {
        let Rejected { record, error, .. }: &Rejected = told;
        (record.text().expect("text"), error.code().0)
    };
    rejected.iter().map(of).collect()
}

#[test]
fn lost_connection_resends_with_the_same_numbers() {
    let (rejected, came) = written(&[Answer::Stored, Answer::HangUp], 41, 4);
    assert!(rejected.is_empty(), "{:?}", told(&rejected));
    let again: Vec<_> = came.iter().filter(|(producer, ..)| *producer == 1).copied().collect();
    assert_eq!(again, [(1, 43, 1), (1, 44, 1), (1, 45, 1)]);
    assert_eq!(came[0], (0, 42, 1), "numbers go on behind what the broker has");
}

#[test]
fn lost_receipt_resends_what_followed() {
    let (rejected, came) = written(&[Answer::Stored, Answer::Silence], -1, 4);
    assert!(rejected.is_empty(), "{:?}", told(&rejected));
    let again: Vec<_> = came.iter().filter(|(producer, ..)| *producer == 1).copied().collect();
    assert_eq!(again, [(1, 1, 1), (1, 2, 1), (1, 3, 1)]);
}

#[test]
fn record_dropped_at_its_first_try_is_an_error() {
    let (rejected, _) = written(&[Answer::Stored, Answer::Dropped], -1, 3);
    assert_eq!(told(&rejected), [("1", codes::NOT_DELIVERED.0)]);
    assert!(rejected[0].error.report().contains("dropped it as a duplicate"));
}

#[test]
fn record_dropped_when_sent_again_is_durable() {
    let answers = [Answer::HangUp, Answer::Dropped, Answer::Stored];
    let (rejected, came) = written(&answers, -1, 1);
    assert!(rejected.is_empty(), "{:?}", told(&rejected));
    assert_eq!(came, [(0, 0, 1), (1, 0, 1)]);
}

#[test]
fn refused_batch_is_given_up_alone() {
    let refused = Answer::Refused(ServerError::NotAllowedError);
    let (rejected, came) = written(&[Answer::Stored, refused], -1, 4);
    assert_eq!(told(&rejected), [("1", codes::NOT_DELIVERED.0)]);
    assert_eq!(rejected[0].attempts, 1);
    assert!(came.iter().all(|(producer, ..)| *producer == 0), "the producer goes on");
}

#[test]
fn broken_checksum_and_full_storage_send_again() {
    for error in [ServerError::ChecksumError, ServerError::PersistenceError] {
        let (rejected, came) = written(&[Answer::Refused(error)], -1, 2);
        assert!(rejected.is_empty(), "{:?}", told(&rejected));
        let again: Vec<_> = came.iter().filter(|(producer, ..)| *producer == 1).copied().collect();
        assert_eq!(again, [(1, 0, 1), (1, 1, 1)], "{error:?}");
    }
}

#[test]
fn record_never_confirmed_is_told_once_and_not_sent_again() {
    let peer = Peer::start(&[Answer::Silence], -1);
    let sink = Sink::new(&peer.address, "t").with_send_timeout(Duration::from_millis(500));
    let mut writing = Writing::open_unprepared(&sink);
    writing.write(1, &batch_of([OwnedRecord::of("late")]));
    let rejected = writing.settle();
    assert_eq!(told(&rejected), [("late", codes::NOT_DELIVERED.0)]);
    assert_eq!(rejected[0].attempts, 1);
    writing.write(2, &batch_of([OwnedRecord::of("next")]));
    assert!(writing.settle().is_empty());
    assert_eq!(peer.came(), [(0, 0, 1), (1, 1, 1)], "the next goes to another producer");
}

#[test]
fn terminated_topic_rejects_everything() {
    let refused = Answer::Refused(ServerError::TopicTerminatedError);
    let (rejected, _) = written(&[refused; 3], -1, 3);
    assert_eq!(told(&rejected).len(), 3);
}
