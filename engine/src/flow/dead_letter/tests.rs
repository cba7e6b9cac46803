use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::batch::{OwnedDestination, OwnedEnvelope, RecordBatch};

fn written(error: &ErrorRecord) -> RecordBatch {
    let mut batch = RecordBatch::default();
    let mut writer = batch.writer();
    error.write_dead_letter(&mut writer);
    writer.finish();
    batch
}

fn batch_of(record: &OwnedRecord) -> RecordBatch {
    let mut batch = RecordBatch::default();
    batch.push_owned(record);
    batch
}

fn read(batch: &RecordBatch) -> Result<DeadLetter> {
    DeadLetter::read(batch.get(0).expect("one record"))
}

fn some_error(record: OwnedRecord) -> ErrorRecord {
    ErrorRecord {
        dataflow: "orders".into(),
        step: "parse".into(),
        code: "E0301".into(),
        error: "field `n`: expected u8".to_owned(),
        record,
        failed_at: 1_700_000_000_000,
        attempts: 1,
    }
}

fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    option::of(vec(any::<u8>(), 0..20))
}

/// Records of all kinds; their headers are named as ours now and then.
fn records() -> impl Strategy<Value = OwnedRecord> {
    let name = prop_oneof![
        "[a-z-]{0,12}",
        prop::sample::select(dead_letter_headers().map(str::to_owned).to_vec()),
        Just(RECORD_TIME_HEADER.to_owned()),
        Just(VALUE_LEFT_OUT_HEADER.to_owned()),
    ];
    let stands_at =
        prop_oneof![any::<u64>().prop_map(Ok), "[0-9]{1,3}(:[0-9]{1,3}){1,2}".prop_map(Err)];
    let place = option::of(("[a-z]{1,5}", "[a-z.]{1,9}", any::<u32>(), stands_at));
    let parts = (bytes(), bytes(), vec((name, bytes()), 0..5), option::of(any::<i64>()), place);
    parts.prop_map(|(key, value, headers, time, origin)| {
        let time = time.filter(|millis| *millis != crate::batch::NO_TIME);
        let position = origin.as_ref().map_or(Ok(0), |(_, _, _, at)| at.clone());
        let id = position.clone().err();
        let envelope =
            id.map(|id| Box::new(OwnedEnvelope { id: Some(id), ..OwnedEnvelope::default() }));
        let origin = origin.map(|(connector, topic, at, _)| Origin::new(&connector, &topic, at));
        OwnedRecord {
            key,
            value,
            headers,
            time,
            position: position.unwrap_or_default(),
            origin,
            destination: OwnedDestination::default(),
            envelope,
        }
    })
}

proptest! {
    #[test]
    fn dead_letter_reads_as_it_was_written(
        record in records(), error: String, failed_at: i64, attempts: u32,
    ) {
        let before = ErrorRecord { error, failed_at, attempts, ..some_error(record) };
        let letter = read(&written(&before)).unwrap();
        prop_assert_eq!(&letter.error, &before);
        prop_assert_eq!(letter.left_out_bytes, None);
        let mut again = RecordBatch::default();
        let mut writer = again.writer();
        letter.write_original(&mut writer).unwrap();
        writer.finish();
        let OwnedRecord { key, value, headers, time, .. } = before.record;
        let content = OwnedRecord { key, value, headers, time, ..OwnedRecord::default() };
        prop_assert_eq!(again.get(0).unwrap().to_owned(), content);
    }

    #[test]
    fn no_record_makes_reading_panic(record in records()) {
        drop(read(&batch_of(&record)));
    }
}

#[test]
fn dead_letter_of_a_dead_letter_keeps_both() {
    let inner = some_error(OwnedRecord::of("x").with_header("own", "1"));
    let first = written(&inner).get(0).unwrap().to_owned();
    let outer = ErrorRecord { step: "replay".into(), ..some_error(first) };
    let letter = read(&written(&outer)).unwrap();
    assert_eq!(letter.error, outer);
    assert_eq!(read(&batch_of(&letter.error.record)).unwrap().error, inner);
}

#[test]
fn headers_added_behind_ours_are_the_records() {
    let record = written(&some_error(OwnedRecord::of("x").with_header("own", "1")));
    let record = record.get(0).unwrap().to_owned().with_header("trace", "abc");
    let headers = read(&batch_of(&record)).unwrap().error.record.headers;
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["own", "trace"]);
}

#[test]
fn damaged_dead_letter_names_the_header() {
    let mut record = written(&some_error(OwnedRecord::of("x"))).get(0).unwrap().to_owned();
    let at = record.headers.iter().position(|(name, _)| name == "millstream-attempts").unwrap();
    let said = |damaged: &OwnedRecord| read(&batch_of(damaged)).unwrap_err().report();
    record.headers[at].1 = Some(b"many".to_vec());
    let of = |what: &str| format!("E0301 failed to read a dead letter: {what}");
    assert_eq!(said(&record), of("header `millstream-attempts` is no number"));
    record.headers[at].1 = None;
    assert_eq!(said(&record), of("header `millstream-attempts` is null"));
    record.headers.remove(at);
    assert_eq!(said(&record), of("it has no header `millstream-attempts`"));
}

#[test]
fn record_without_its_value_is_not_written_again() {
    let record = written(&some_error(OwnedRecord::default())).get(0).unwrap().to_owned();
    let letter = read(&batch_of(&record.with_header(VALUE_LEFT_OUT_HEADER, "2000000"))).unwrap();
    assert_eq!(letter.left_out_bytes, Some(2_000_000));
    let error = letter.write_original(&mut RecordBatch::default().writer()).unwrap_err();
    assert_eq!(error.to_string(), "write a record again: its value of 2000000 bytes was left out");
}
