//! What is read is what was written: whole, once, in order, in every mode.

use millstream_engine::batch::OwnedRecord;
use millstream_pulsar::{MessageId, Mode, Source};

use crate::feed::Feed;
use crate::plain::Plain;
use crate::read::Reading;
use crate::write::numbered;

const MODES: [Mode; 5] =
    [Mode::Reader, Mode::Exclusive, Mode::Failover, Mode::Shared, Mode::KeyShared];

#[test]
fn every_mode_reads_all_in_order() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("modes", 0);
    let mut feed = Feed::open(&plain.address, &topic);
    for first in (0..20_000).step_by(1_000) {
        feed.batch(numbered(first..first + 1_000));
    }
    for mode in MODES {
        let source = Source::new(&plain.address, &topic).with_mode(mode);
        let source = match mode {
            Mode::Reader => source,
            mode => source.with_subscription(format!("{mode:?}")),
        };
        let mut reading = Reading::open(&source);
        assert_eq!(reading.take(20_000), (0..20_000).collect::<Vec<_>>(), "{mode:?}");
        assert_eq!(reading.rest(), [0_u64; 0], "{mode:?}");
        reading.close();
    }
}

#[test]
fn fields_of_a_record_are_read_batched_and_not() {
    let Some(plain) = Plain::of_environment() else { return };
    let full = OwnedRecord::of("value").with_key("key").with_header("name", "text");
    let written = [
        OwnedRecord { time: Some(1_700_000_000_123), ..full },
        OwnedRecord { time: Some(5), ..OwnedRecord::of([0, 255, 1]).with_key([255, 254]) },
        OwnedRecord { time: Some(5), value: None, ..OwnedRecord::of("").with_key("tombstone") },
        OwnedRecord { time: Some(5), ..OwnedRecord::of("") },
    ];
    let topic = plain.create("read-fields", 0);
    let mut feed = Feed::open(&plain.address, &topic);
    feed.batch(written.clone());
    for record in &written {
        feed.single(record);
    }
    let source = Source::new(&plain.address, &topic).with_mode(Mode::Reader);
    let mut reading = Reading::open(&source);
    let mut seen = Vec::new();
    while seen.len() < 8 {
        let batch = reading.batch();
        assert!(!batch.is_empty(), "{} of 8 came", seen.len());
        seen.extend(batch);
    }
    let positions: Vec<_> = seen.iter().map(|record| record.position).collect();
    assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
    let mut ids = Vec::new();
    for record in &mut seen {
        let origin = record.origin.take().expect("every record has an origin");
        assert_eq!((&*origin.connector, origin.partition), ("pulsar", 0));
        let envelope = record.envelope.take().expect("the broker says more of it");
        let id = envelope.id.expect("it has an id").parse::<MessageId>().expect("as Pulsar has it");
        ids.push(id);
        assert_eq!(envelope.redelivery_count, 0);
        assert!(envelope.publish_time.is_some() && envelope.producer_name.is_some());
        record.position = 0;
    }
    assert_eq!(seen[..4], written);
    assert_eq!(seen[4..], written);
    let batched: Vec<_> = ids.iter().map(|id| id.index).collect();
    assert_eq!(batched[..4], [Some(0), Some(1), Some(2), Some(3)]);
    assert_eq!(batched[4..], [None; 4], "single messages are whole entries");
}

#[test]
fn queue_of_one_message_reads_on() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("small-queue", 0);
    let mut feed = Feed::open(&plain.address, &topic);
    for first in (0..300).step_by(100) {
        feed.batch(numbered(first..first + 100));
    }
    for record in numbered(300..400) {
        feed.single(&record);
    }
    let source = Source::new(&plain.address, &topic).with_receiver_queue(1);
    let mut reading = Reading::open(&source);
    assert_eq!(reading.take(400), (0..400).collect::<Vec<_>>());
    reading.close();
}

#[test]
fn topic_is_read_while_it_is_written() {
    let Some(plain) = Plain::of_environment() else { return };
    let topic = plain.create("live", 0);
    let mut reading = Reading::open(&Source::new(&plain.address, &topic));
    let mut feed = Feed::open(&plain.address, &topic);
    for first in (0..50).step_by(10) {
        feed.batch(numbered(first..first + 10));
        assert_eq!(reading.take(10), (first..first + 10).collect::<Vec<_>>());
    }
    reading.close();
}
