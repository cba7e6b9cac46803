//! Envelopes follow their records, whatever is pushed, copied and dropped.

use proptest::collection::vec;
use proptest::prelude::*;
use timely::bytes::arc::BytesMut;
use timely::dataflow::channels::ContainerBytes;

use crate::batch::{EntryId, Envelope, NO_TIME, Origin, OwnedRecord, Record, RecordBatch};

/// Three records of one entry, the second with an ordering key, then one of another entry, then one that says nothing.
fn received() -> RecordBatch {
    let mut batch = RecordBatch::default();
    batch.set_origin(&Origin::new("test", "t", 0));
    let first = Envelope {
        redelivery_count: 2,
        publish_time: Some(77),
        producer_name: Some("p-1"),
        entry: Some(EntryId { text: "12:7", first_position: Some(100) }),
    };
    batch.set_envelope(&first);
    batch.push(None, Some(b"a"), NO_TIME, 100);
    let mut writer = batch.writer();
    writer.value(b"b").position(101).ordering_key(b"order");
    writer.finish();
    batch.writer().value(b"given up").ordering_key(b"lost");
    batch.push(None, Some(b"c"), NO_TIME, 102);
    let entry = Some(EntryId { text: "12:8", first_position: None });
    batch.set_envelope(&Envelope { entry, redelivery_count: 0, ..first });
    batch.push(None, Some(b"d"), NO_TIME, 103);
    batch.set_envelope(&Envelope::default());
    batch.push(None, Some(b"e"), NO_TIME, 104);
    batch
}

/// `count id key`, or what of it there is.
fn seen(batch: &RecordBatch) -> Vec<String> {
    let text = |record: Record<'_>| {
        let id = record.id().map(|id| id.to_string()).unwrap_or_default();
        let key = record.ordering_key().map(String::from_utf8_lossy).unwrap_or_default();
        format!("{} {id} {key}", record.redelivery_count()).trim_end().to_owned()
    };
    batch.iter().map(text).collect()
}

const ALL: [&str; 5] = ["2 12:7:0", "2 12:7:1 order", "2 12:7:2", "0 12:8", "0"];

#[test]
fn neighbours_share_what_their_broker_says() {
    let batch = received();
    assert_eq!(seen(&batch), ALL);
    let [first, last] = [batch.get(0).unwrap(), batch.get(4).unwrap()];
    assert_eq!((first.publish_time(), first.producer_name()), (Some(77), Some("p-1")));
    assert_eq!((last.publish_time(), last.producer_name()), (None, None));
    assert!(last.envelope().is_none() && last.to_owned().envelope.is_none());
    let column = batch.envelopes.as_ref().unwrap();
    assert_eq!((column.runs.len(), size_of_val(&column.runs[0])), (3, 40));
}

#[test]
fn ids_keep_naming_the_place_in_the_entry() {
    let mut batch = received();
    let mut ids = Vec::new();
    batch.retain(|record| {
        ids.push(record.id().map(|id| id.to_string()).unwrap_or_default());
        record.position() != 100 && record.position() != 103
    });
    assert_eq!(ids, ["12:7:0", "12:7:1", "12:7:2", "12:8", ""], "looked at before it was dropped");
    assert_eq!(seen(&batch), ["2 12:7:1 order", "2 12:7:2", "0"]);
    batch.push(None, None, NO_TIME, 105);
    assert_eq!(seen(&batch)[3], "0");
}

#[test]
fn copies_keep_their_envelopes_among_others() {
    let from = received();
    let mut plain = RecordBatch::default();
    plain.push(None, Some(b"plain"), NO_TIME, 1);
    let mut one_by_one = plain.clone();
    from.iter().for_each(|record| one_by_one.push_record(record));
    one_by_one.push_record(plain.get(0).unwrap());
    assert_eq!(seen(&one_by_one), [&["0"], &ALL[..], &["0"]].concat());
    let mut ranges = plain.clone();
    ranges.push_range(&from, 1..4);
    ranges.push_range(&plain, 0..1);
    ranges.push_range(&from, 2..3);
    assert_eq!(seen(&ranges), ["0", ALL[1], ALL[2], ALL[3], "0", ALL[2]]);
    let mut copied = plain.clone();
    let mut writer = copied.writer();
    writer.copy(from.get(1).unwrap());
    writer.finish();
    assert_eq!(seen(&copied), ["0", "0  order"], "the key is the record's, the rest the broker's");
}

#[test]
fn other_process_sees_the_same() {
    let mut bytes = Vec::new();
    received().into_bytes(&mut bytes);
    let read = RecordBatch::from_bytes(BytesMut::from(bytes).freeze());
    assert_eq!(seen(&read), ALL);
}

#[test]
fn cleared_batch_says_nothing() {
    let mut batch = received();
    batch.clear();
    batch.push(None, None, NO_TIME, 0);
    assert_eq!(seen(&batch), ["0"]);
    assert_eq!(batch.envelopes.as_ref().map(|column| column.n_bytes() < 1 << 10), Some(true));
}

/// What is done to a batch, and to a list of records that stands for it.
#[derive(Clone, Debug)]
enum Step {
    Push(u32, bool),
    Record(usize),
    Range(usize, usize),
    Keep(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_u32, any::<bool>()).prop_map(|(count, key)| Step::Push(count, key)),
        2 => (0..5_usize).prop_map(Step::Record),
        2 => (0..5_usize, 0..5_usize).prop_map(|(a, b)| Step::Range(a.min(b), a.max(b))),
        1 => any::<u64>().prop_map(Step::Keep),
    ]
}

fn pushed(batch: &mut RecordBatch, count: u32, has_key: bool) {
    let entry = (count > 1).then_some(EntryId { text: "5:5", first_position: Some(0) });
    batch.set_envelope(&Envelope { redelivery_count: count, entry, ..Envelope::default() });
    batch.push(None, None, NO_TIME, u64::from(count));
    if has_key {
        batch.push_ordering_key(&count.to_le_bytes());
    }
}

proptest! {
    #[test]
    fn batch_says_what_a_list_of_records_says(steps in vec(step(), 0..30)) {
        let without_origin = |record: Record<'_>| OwnedRecord { origin: None, ..record.to_owned() };
        let from = received();
        let source: Vec<_> = from.iter().map(without_origin).collect();
        let (mut batch, mut list) = (RecordBatch::default(), Vec::new());
        for step in steps {
            match step {
                Step::Push(count, has_key) => {
                    pushed(&mut batch, count, has_key);
                    let mut alone = RecordBatch::default();
                    pushed(&mut alone, count, has_key);
                    list.push(alone.get(0).unwrap().to_owned());
                }
                Step::Record(at) => {
                    batch.push_record(from.get(at).unwrap());
                    list.push(source[at].clone());
                }
                Step::Range(start, end) => {
                    batch.push_range(&from, start..end);
                    list.extend_from_slice(&source[start..end]);
                }
                Step::Keep(mask) => {
                    let kept = |at: usize| mask >> (at % 64) & 1 == 1;
                    let (mut of_batch, mut of_list) = (0.., 0..);
                    batch.retain(|_| of_batch.next().is_some_and(kept));
                    list.retain(|_| of_list.next().is_some_and(kept));
                }
            }
        }
        prop_assert_eq!(batch.iter().map(without_origin).collect::<Vec<_>>(), list);
    }
}
