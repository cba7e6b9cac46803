//! What is written by hand is what prost writes, and the other way round; what is broken is told from what was good.

use millstream_engine::batch::{OwnedRecord, Record, RecordBatch};
use proptest::prelude::*;
use prost::Message as _;

use super::super::proto::{KeyValue, MessageMetadata, SingleMessageMetadata};
use super::keys;
use super::read::{BadBatch, BatchCursor, unbatched};
use super::write::{Fields, Unwritable, append, into_metadata, size_of};

/// A record as prost has it.
fn metadata_of(record: &OwnedRecord, ordering_key: Option<&[u8]>) -> SingleMessageMetadata {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
    let is_base64 = record.key.as_ref().is_some_and(|key| text(key).is_err());
    let key = record.key.as_ref();
    let property = |(name, value): &(String, Option<Vec<u8>>)| KeyValue {
        key: name.clone(),
        value: text(value.as_ref().expect("a value")).expect("text"),
    };
    SingleMessageMetadata {
        properties: record.headers.iter().map(property).collect(),
        partition_key: key.map(|key| text(key).unwrap_or_else(|_| keys::encode_text(key))),
        payload_size: i32::try_from(record.value.as_ref().map_or(0, Vec::len)).expect("short"),
        event_time: record.time.map(i64::cast_unsigned),
        partition_key_b64_encoded: is_base64.then_some(true),
        ordering_key: ordering_key.map(<[u8]>::to_vec),
        null_value: record.value.is_none().then_some(true),
        ..SingleMessageMetadata::default()
    }
}

fn put(out: &mut Vec<u8>, metadata: &SingleMessageMetadata, value: &[u8]) {
    out.extend(u32::try_from(metadata.encoded_len()).expect("short").to_be_bytes());
    metadata.encode(out).expect("a Vec has room");
    out.extend(value);
}

/// A batch as other clients write it.
fn batch_of(records: &[OwnedRecord]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        put(&mut out, &metadata_of(record, None), record.value.as_deref().unwrap_or_default());
    }
    out
}

/// What is read, with each record's place in the batch as its position, and how it ended.
fn read(payload: &[u8], n: i32, ack_set: &[i64]) -> (Vec<OwnedRecord>, Result<(), BadBatch>) {
    let mut cursor = BatchCursor::new(n);
    let mut batch = RecordBatch::default();
    let mut scratch = Vec::new();
    let end = loop {
        match cursor.next(payload, ack_set) {
            Ok(Some(message)) => {
                let mut writer = batch.writer();
                message.write_to(&mut writer, &mut scratch).expect("a good key");
                writer.position(u64::from(message.index));
                writer.finish();
            }
            Ok(None) => break Ok(()),
            Err(bad) => {
                assert_eq!(cursor.next(payload, ack_set).expect_err("it stays there"), bad);
                break Err(bad);
            }
        }
    };
    (batch.iter().map(Record::to_owned).collect(), end)
}

fn count(records: &[OwnedRecord]) -> i32 {
    i32::try_from(records.len()).expect("few")
}

fn arena(record: &OwnedRecord) -> RecordBatch {
    let mut batch = RecordBatch::default();
    batch.push_owned(record);
    batch
}

/// Keys of any bytes, values that may be null, headers of text, times of any sign.
fn records() -> impl Strategy<Value = Vec<OwnedRecord>> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300));
    let headers = proptest::collection::vec(("\\PC{0,20}", "\\PC{0,200}"), 0..3);
    let time = proptest::option::of((i64::MIN + 1)..=i64::MAX);
    let fields = (bytes(), bytes(), headers, time).prop_map(|(key, value, headers, time)| {
        let headers = headers.into_iter().map(|(name, text)| (name, Some(text.into_bytes())));
        OwnedRecord { key, value, headers: headers.collect(), time, ..OwnedRecord::default() }
    });
    proptest::collection::vec(fields, 0..20).prop_map(|mut records| {
        for (position, record) in (0..).zip(&mut records) {
            record.position = position;
        }
        records
    })
}

proptest! {
    #[test]
    fn records_are_written_as_prost_writes_them(
        records in records(),
        ordering_key in proptest::option::of(any::<Vec<u8>>()),
    ) {
        for record in &records {
            let (mut ours, mut theirs) = (vec![1, 2, 3], vec![1, 2, 3]);
            let batch = arena(record);
            let fields = Fields {
                ordering_key: ordering_key.as_deref(),
                ..Fields::from(batch.get(0).expect("one"))
            };
            append(&mut ours, &fields).expect("text");
            let metadata = metadata_of(record, ordering_key.as_deref());
            put(&mut theirs, &metadata, record.value.as_deref().unwrap_or_default());
            prop_assert!(ours.len() - 3 <= size_of(&fields));
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn batches_of_prost_are_read(records in records()) {
        let (read, end) = read(&batch_of(&records), count(&records), &[]);
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(read, records);
    }

    #[test]
    fn acknowledged_records_are_skipped(
        records in records(),
        ack_set in proptest::collection::vec(any::<i64>(), 1..3),
    ) {
        let (read, end) = read(&batch_of(&records), count(&records), &ack_set);
        let is_set = |at: u64| {
            let word = ack_set.get(usize::try_from(at / 64).expect("small"));
            word.is_some_and(|word| word.cast_unsigned() & (1 << (at % 64)) != 0)
        };
        let wanted: Vec<_> = records.into_iter().filter(|r| is_set(r.position)).collect();
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(read, wanted);
    }

    #[test]
    fn cut_batch_tells_how_far_it_was_good(records in records(), cut in 0.0..1.0) {
        let whole = batch_of(&records);
        prop_assume!(!whole.is_empty());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place within it")]
        let n_bytes = (whole.len() as f64 * cut) as usize;
        let n_good = (0..=records.len()).rfind(|n| batch_of(&records[..*n]).len() <= n_bytes).expect("none fits always");
        let (read, end) = read(&whole[..n_bytes], count(&records), &[]);
        let bad = end.expect_err("it was cut");
        prop_assert_eq!(bad.index as usize, n_good);
        prop_assert_eq!(bad.at, batch_of(&records[..n_good]).len());
        prop_assert_eq!(&read[..], &records[..n_good]);
    }

    #[test]
    fn any_bytes_are_read_or_refused(payload: Vec<u8>, n in any::<i32>()) {
        let mut cursor = BatchCursor::new(n);
        let (mut batch, mut scratch) = (RecordBatch::default(), Vec::new());
        while let Ok(Some(message)) = cursor.next(&payload, &[]) {
            if message.write_to(&mut batch.writer(), &mut scratch).is_ok() {
                prop_assert!(cursor.index() as usize <= payload.len() / 4);
            }
        }
    }

    #[test]
    fn spoiled_batches_are_read_or_refused(records in records(), at in 0.0..1.0, byte: u8) {
        let mut payload = batch_of(&records);
        prop_assume!(!payload.is_empty());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place within it")]
        let at = (payload.len() as f64 * at) as usize;
        payload[at] = byte;
        let mut cursor = BatchCursor::new(count(&records));
        let (mut batch, mut scratch, mut n_read) = (RecordBatch::default(), Vec::new(), 0);
        while let Ok(Some(message)) = cursor.next(&payload, &[]) {
            n_read += usize::from(message.write_to(&mut batch.writer(), &mut scratch).is_ok());
        }
        prop_assert!(n_read <= records.len());
    }

    #[test]
    fn single_records_go_through_the_metadata(records in records()) {
        for record in &records {
            let batch = arena(record);
            let fields = Fields::from(batch.get(0).expect("one"));
            let mut metadata = MessageMetadata { producer_name: "p".into(), ..MessageMetadata::default() };
            into_metadata(&fields, &mut metadata).expect("text");
            let encoded = metadata.encode_to_vec();
            let message = unbatched(&encoded, record.value.as_deref().unwrap_or_default()).expect("good");
            let mut read = RecordBatch::default();
            let mut writer = read.writer();
            message.write_to(&mut writer, &mut Vec::new()).expect("a good key");
            writer.position(record.position);
            writer.finish();
            prop_assert_eq!(&read.get(0).expect("one").to_owned(), record);
        }
    }
}

#[test]
fn ack_set_goes_on_in_its_next_word() {
    let numbered = |position| OwnedRecord { position, ..OwnedRecord::of("v") };
    let all: Vec<_> = (0..150).map(numbered).collect();
    let (some, end) = read(&batch_of(&all), 150, &[i64::MIN, 0b101]);
    assert_eq!(end, Ok(()));
    assert_eq!(some.iter().map(|record| record.position).collect::<Vec<_>>(), [63, 64, 66]);
}

#[test]
fn null_key_is_no_key() {
    let metadata = SingleMessageMetadata {
        partition_key: Some(String::new()),
        null_partition_key: Some(true),
        ..SingleMessageMetadata::default()
    };
    let mut payload = Vec::new();
    put(&mut payload, &metadata, b"");
    assert_eq!(read(&payload, 1, &[]).0[0].key, None);
}

#[test]
fn compacted_records_are_skipped_and_counted() {
    let mut payload = Vec::new();
    for is_compacted_out in [true, false, true] {
        let metadata = SingleMessageMetadata {
            compacted_out: Some(is_compacted_out),
            partition_key: Some("k".to_owned()),
            ..SingleMessageMetadata::default()
        };
        put(&mut payload, &metadata, b"");
    }
    let (read, end) = read(&payload, 3, &[]);
    assert_eq!(end, Ok(()));
    assert_eq!(read.iter().map(|record| record.position).collect::<Vec<_>>(), [1]);
}

#[test]
fn counts_are_compared_with_the_bytes() {
    let records = [OwnedRecord::of("a"), OwnedRecord { position: 1, ..OwnedRecord::of("b") }];
    let payload = batch_of(&records);
    for (n, index, at, why) in [
        (3, 2, payload.len(), "it ends before its last record does"),
        (i32::MAX, 2, payload.len(), "it ends before its last record does"),
        (1, 1, payload.len() / 2, "there is more behind it"),
        (-1, 0, 0, "there is more behind it"),
    ] {
        let (read, end) = read(&payload, n, &[]);
        assert_eq!(end, Err(BadBatch { index, at, why }), "{n}");
        assert_eq!(read, records[..index as usize], "{n}");
    }
}

#[test]
fn headers_that_are_no_text_are_refused() {
    let good = OwnedRecord::of("v").with_header("fine", "text");
    let not_text = good.clone().with_header("raw", [0xff]);
    let mut null = good;
    null.headers.push(("empty".to_owned(), None));
    for (record, why) in [
        (not_text, Unwritable::HeaderIsNotText("raw".to_owned())),
        (null, Unwritable::HeaderIsNull("empty".to_owned())),
    ] {
        let batch = arena(&record);
        let fields = Fields::from(batch.get(0).expect("one"));
        let mut out = b"before".to_vec();
        assert_eq!(append(&mut out, &fields), Err(why.clone()));
        assert_eq!(out, b"before");
        let mut metadata = MessageMetadata::default();
        assert_eq!(into_metadata(&fields, &mut metadata), Err(why));
        assert_eq!(metadata, MessageMetadata::default());
    }
}

#[test]
fn key_that_is_no_base64_is_refused() {
    let metadata = |key: &str| SingleMessageMetadata {
        partition_key: Some(key.to_owned()),
        partition_key_b64_encoded: Some(true),
        ..SingleMessageMetadata::default()
    };
    for (text, key) in
        [("AP8=", Some(&[0, 255][..])), ("AP8", Some(&[0, 255])), ("", Some(&[])), ("A!8=", None)]
    {
        let mut payload = Vec::new();
        put(&mut payload, &metadata(text), b"");
        let mut cursor = BatchCursor::new(1);
        let message = cursor.next(&payload, &[]).expect("whole").expect("one");
        let mut batch = RecordBatch::default();
        let mut writer = batch.writer();
        let outcome = message.write_to(&mut writer, &mut Vec::new());
        assert_eq!(outcome.is_ok(), key.is_some(), "{text}");
        if outcome.is_ok() {
            writer.finish();
            assert_eq!(batch.get(0).expect("one").key(), key, "{text}");
        }
    }
}
