//! The wire form of record batches: what is written reads back, and what is damaged is refused.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use timely::bytes::arc::BytesMut;
use timely::dataflow::channels::ContainerBytes;

use super::*;
use crate::batch::{OwnedDestination, OwnedEnvelope, OwnedRecord};

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..20)
}

fn record() -> impl Strategy<Value = OwnedRecord> {
    let headers = vec(("[a-z]{0,6}", of(bytes())), 0..3);
    let place = (of(0..i64::MAX), any::<u64>(), of(("[a-z]{0,5}", 0..3_u32)));
    let destination = (of("[a-z]{0,3}"), of(0..3_u32))
        .prop_map(|(topic, partition)| OwnedDestination { topic, partition });
    (of(bytes()), of(bytes()), headers, place, destination, envelope()).prop_map(
        |(key, value, headers, (time, position, origin), destination, envelope)| OwnedRecord {
            key,
            value,
            headers,
            time,
            position,
            origin: origin.map(|(topic, partition)| Origin::new("test", &topic, partition)),
            destination,
            envelope,
        },
    )
}

fn envelope() -> impl Strategy<Value = Option<Box<OwnedEnvelope>>> {
    let parts = (0..2_u32, of(0..3_i64), of("[ab]?"), of(bytes()), of("[0-9:]{1,3}"));
    parts.prop_map(|(redelivery_count, publish_time, producer_name, ordering_key, id)| {
        let envelope =
            OwnedEnvelope { redelivery_count, publish_time, producer_name, ordering_key, id };
        Some(Box::new(envelope)).filter(|some| **some != OwnedEnvelope::default())
    })
}

fn batch_of(records: &[OwnedRecord]) -> RecordBatch {
    let mut batch = RecordBatch { ingest_micros: 77, ..RecordBatch::default() };
    for record in records {
        batch.push_owned(record);
    }
    batch
}

fn written(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(batch, &mut bytes).expect("a vector takes everything");
    assert_eq!(bytes.len(), encoded_len(batch));
    bytes
}

fn owned(batch: &RecordBatch) -> Vec<OwnedRecord> {
    batch.iter().map(crate::batch::Record::to_owned).collect()
}

proptest! {
    #[test]
    fn batch_reads_back_as_written(records in vec(record(), 0..12), keep in any::<u64>()) {
        let mut batch = batch_of(&records);
        let mut index = 0;
        batch.retain(|_| {
            index += 1;
            keep >> (index % 64) & 1 == 1
        });
        let read = decode(&written(&batch)).expect("what was written is a batch");
        let is_kept = |(at, _): &(usize, _)| keep >> ((at + 1) % 64) & 1 == 1;
        let wanted = records.iter().enumerate().filter(is_kept);
        let wanted = wanted.map(|(_, record)| (&record.destination, &record.envelope));
        let kept = owned(&batch);
        prop_assert!(wanted.eq(kept.iter().map(|record| (&record.destination, &record.envelope))));
        prop_assert_eq!(owned(&read), owned(&batch));
        prop_assert_eq!(read.ingest_micros, 77);
        prop_assert_eq!(written(&read), written(&batch));
    }

    #[test]
    fn cut_bytes_are_refused(records in vec(record(), 1..6), cut in any::<prop::sample::Index>()) {
        let bytes = written(&batch_of(&records));
        let cut = cut.index(unpadded_len(&batch_of(&records)));
        prop_assert!(decode(&bytes[..cut]).is_err());
    }

    #[test]
    fn flipped_bytes_never_panic(
        records in vec(record(), 0..6),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
    ) {
        let mut bytes = written(&batch_of(&records));
        let at = at.index(bytes.len());
        bytes[at] = with;
        if let Ok(batch) = decode(&bytes) {
            owned(&batch);
            written(&batch);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(batch) = decode(&bytes) {
            owned(&batch);
        }
    }
}

#[test]
fn huge_counts_allocate_nothing() {
    let mut bytes = written(&RecordBatch::default());
    bytes[..8].fill(0xff);
    assert_eq!(decode(&bytes).unwrap_err(), "it is cut short");
}

#[test]
fn container_reads_back_and_damage_panics_with_a_sentence() {
    let batch = batch_of(&[OwnedRecord::of("value").with_key("key")]);
    let mut bytes = Vec::new();
    batch.into_bytes(&mut bytes);
    assert_eq!((bytes.len() % 8, bytes.len()), (0, batch.length_in_bytes()));
    let read = RecordBatch::from_bytes(BytesMut::from(bytes.clone()).freeze());
    assert_eq!(owned(&read), owned(&batch));
    bytes.truncate(30);
    let caught =
        std::panic::catch_unwind(|| RecordBatch::from_bytes(BytesMut::from(bytes).freeze()));
    let message = caught.unwrap_err();
    assert_eq!(
        message.downcast_ref::<String>().map(String::as_str),
        Some("a record batch from another process is damaged: it is cut short")
    );
}
