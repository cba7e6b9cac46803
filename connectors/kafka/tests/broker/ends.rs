//! Where a bounded reading ends: at what is there, at positions, at a time; also where offsets have gaps.

use millstream_engine::batch::OwnedRecord;
use millstream_engine::source::Partition;
use millstream_kafka::{End, Source, Start};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::plain::Plain;
use crate::support::{LONG, Reading, Topic, broker, numbered, numbers};

/// The time of the record with number 0; each has a millisecond more than the one before.
const EPOCH: i64 = 1_700_000_000_000;

/// Numbered records of rising times.
fn timed(range: std::ops::Range<u64>) -> Vec<OwnedRecord> {
    let at = |(n, record): (u64, OwnedRecord)| {
        let time = EPOCH + i64::try_from(n).expect("a small number");
        OwnedRecord { time: Some(time), ..record }
    };
    range.clone().zip(numbered(range)).map(at).collect()
}

fn read(source: &Source) -> Vec<u64> {
    numbers(&Reading::open(source, true).read_all())
}

fn up_to(ends: &[(Partition, u64)]) -> End {
    End::Explicit(ends.to_vec())
}

#[test]
fn reading_ends_before_the_positions_named() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "end-positions", 3);
    let plain = Plain::new(&brokers);
    for index in 0..3 {
        let first = u64::from(index) * 100;
        plain.produce(&topic.name, index, &timed(first..first + 50), LONG);
    }
    let ends = up_to(&[(topic.partition(0), 20), (topic.partition(1), 0)]);
    let expected: Vec<_> = (0..20).chain(200..250).collect();
    assert_eq!(
        read(&topic.source().with_end(ends.clone())),
        expected,
        "the third ends where it is"
    );
    let later = topic.source().with_positions([(topic.partition(0), 30)]).with_end(ends);
    assert_eq!(read(&later), (200..250).collect::<Vec<_>>(), "an end before the start is at once");
}

#[test]
fn position_ahead_is_waited_for() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "end-ahead", 1);
    topic.fill(numbered(0..10));
    let source = topic.source().with_end(up_to(&[(topic.partition(0), 15)]));
    let mut reading = Reading::open(&source, true);
    assert_eq!(numbers(&reading.take(10)), (0..10).collect::<Vec<_>>());
    assert!(reading.batch().expect("five are missing").is_empty());
    topic.fill(numbered(10..20));
    assert_eq!(numbers(&reading.read_all()), (10..15).collect::<Vec<_>>());
}

#[test]
fn reading_ends_before_the_first_record_of_a_time() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "end-time", 3);
    let plain = Plain::new(&brokers);
    plain.produce(&topic.name, 0, &timed(0..100), LONG);
    plain.produce(&topic.name, 1, &timed(100..110), LONG);
    let before = |millis: i64| topic.source().with_end(End::Timestamp(EPOCH + millis));
    assert_eq!(read(&before(40)), (0..40).collect::<Vec<_>>());
    assert_eq!(read(&before(105)), (0..105).collect::<Vec<_>>());
    assert_eq!(read(&before(1_000_000)), (0..110).collect::<Vec<_>>(), "none: the end of all");
    assert_eq!(read(&before(-1)), Vec::<u64>::new());
    let between = before(40).with_start(Start::Timestamp(EPOCH + 30));
    assert_eq!(read(&between), (30..40).collect::<Vec<_>>());
    let latest = before(40).with_start(Start::Latest);
    assert_eq!(read(&latest), Vec::<u64>::new(), "the end lies before the start");
}

/// Offsets of one partition: two records, a marker, two aborted records, a marker, a record, a marker, and an aborted one at the end.
fn with_markers(topic: &Topic) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &topic.brokers)
        .set("transactional.id", &topic.name)
        .create()
        .expect("a producer");
    producer.init_transactions(LONG).expect("transactions");
    for (values, commits) in
        [(&["0", "1"][..], true), (&["3", "4"], false), (&["6"], true), (&["8"], false)]
    {
        producer.begin_transaction().expect("begun");
        for value in values {
            producer.send(BaseRecord::<(), str>::to(&topic.name).payload(value)).expect("sent");
        }
        producer.flush(LONG).expect("written");
        if commits {
            producer.commit_transaction(LONG).expect("committed");
        } else {
            producer.abort_transaction(LONG).expect("aborted");
        }
    }
}

#[test]
fn every_end_is_reached_among_markers() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "end-markers", 1);
    with_markers(&topic);
    // The value of a record is its offset.
    for end in 0..=10 {
        let expected: Vec<_> = [0, 1, 6].into_iter().filter(|offset| *offset < end).collect();
        let source = topic.source().with_end(up_to(&[(topic.partition(0), end)]));
        assert_eq!(read(&source), expected, "up to {end}");
    }
}

#[test]
fn every_end_is_reached_where_records_were_deleted() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "end-gap", 1);
    topic.fill(numbered(0..100));
    topic.delete_before(0, 60);
    for (end, expected) in [(40, 0..0), (60, 0..0), (61, 60..61), (100, 60..100)] {
        let source = topic.source().with_end(up_to(&[(topic.partition(0), end)]));
        assert_eq!(read(&source), expected.collect::<Vec<_>>(), "up to {end}");
    }
}

#[test]
fn lag_is_what_was_not_read() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "lag", 2);
    topic.fill(numbered(0..1000));
    let mut reading = Reading::open(&topic.source(), false);
    let mut n_read = 0;
    while n_read < 1000 {
        n_read += reading.take(1).len() as u64;
        // Known once something of every partition was fetched.
        if let Some(lag) = reading.reader.lag() {
            assert_eq!(lag, 1000 - n_read);
        }
    }
    assert_eq!(reading.reader.lag(), Some(0));
}
