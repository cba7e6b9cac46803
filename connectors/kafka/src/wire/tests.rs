//! What is written is read: records, batches and codecs together.

use std::ops::Range;

use millstream_engine::batch::{Header, Headers, Record, RecordBatch};
use proptest::prelude::*;

use super::batch::{HEAD, Stamp, stamp};
use super::codec::Malformed;
use super::compression::Compressor;
use super::decode::decode;
use super::records::{Records, size_of};
use crate::config::Compression;

const MAX_BYTES: usize = 1 << 20;
/// Where the attributes start, from which on the checksum counts.
const CHECKED: usize = 21;

#[derive(Clone, Debug, PartialEq)]
struct Line {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    time: i64,
}

impl Line {
    fn of(key: Option<&[u8]>, value: Option<&[u8]>, time: i64) -> Self {
        let (key, value) = (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
        Self { key, value, headers: Vec::new(), time }
    }
}

fn engine_batch(lines: &[Line]) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for line in lines {
        batch.push(line.key.as_deref(), line.value.as_deref(), line.time, 0);
        for (name, value) in &line.headers {
            batch.push_header(name, value.as_deref());
        }
    }
    batch
}

/// The time apart: the engine has a number that stands for none.
fn push(records: &mut Records, record: Record<'_>, time: i64) {
    records.push(record.key(), record.value(), record.headers().raw(), time);
}

fn records(lines: &[Line]) -> Records {
    let mut records = Records::new(Vec::new());
    for (record, line) in engine_batch(lines).iter().zip(lines) {
        push(&mut records, record, line.time);
    }
    records
}

fn written(lines: &[Line], codec: Compression, level: Option<i32>) -> Vec<u8> {
    let mut out = Vec::new();
    Compressor::new(codec, level).append(&records(lines), &mut out);
    out
}

fn read(batch: &[u8], max_bytes: usize) -> Result<Vec<Line>, Malformed> {
    let mut lines = Vec::new();
    decode(batch, max_bytes, |read| {
        let headers =
            read.headers.map(|Header { name, value }| (name.to_owned(), value.map(<[u8]>::to_vec)));
        let headers = headers.collect();
        lines.push(Line { headers, ..Line::of(read.key, read.value, read.time) });
    })?;
    Ok(lines)
}

/// Every codec, without a level and with each that a sink may set.
fn codecs() -> Vec<(Compression, Option<i32>)> {
    let levels = |codec, levels: Range<i32>| levels.map(move |level| (codec, Some(level)));
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
        .map(|codec| (codec, None))
        .into_iter()
        .chain(levels(Compression::Gzip, 0..10))
        .chain(levels(Compression::Lz4, 0..13))
        .chain(levels(Compression::Zstd, 0..13))
        .collect()
}

/// Text that every codec makes smaller: some blocks of LZ4.
fn text() -> Vec<Line> {
    let order = |n: i64| format!(r#"{{"id":{n},"customer":"c-{}","amount":{}}}"#, n % 97, n * 31);
    let line = |n: i64| Line::of(Some(&n.to_be_bytes()), Some(order(n).as_bytes()), 1_000 + n);
    (0..4_000).map(line).collect()
}

/// Bytes that no codec makes smaller.
fn noise() -> Vec<Line> {
    let mut state = 1_u64;
    let mut byte = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    let value: Vec<u8> = (0..200_000).map(|_| byte()).collect();
    vec![Line::of(None, Some(&value), 5)]
}

fn codec_of(batch: &[u8]) -> u8 {
    batch[CHECKED + 1]
}

#[test]
fn batch_is_byte_for_byte_as_specified() {
    let time = 1_700_000_000_000;
    let mut second = Line::of(None, None, time - 3);
    second.headers.push(("h".to_owned(), None));
    let mut batch =
        written(&[Line::of(Some(b"k"), Some(b"abc"), time), second], Compression::None, None);
    stamp(&mut batch, Stamp { producer_id: 4_000, epoch: 7, sequence: 65 });
    let expected = [
        &[0, 0, 0, 0, 0, 0, 0, 0][..],            // base offset
        &[0, 0, 0, 70],                           // length of what follows
        &[0xff, 0xff, 0xff, 0xff],                // leader epoch
        &[2],                                     // version
        &[0x31, 0x66, 0xda, 0x5f],                // CRC-32C, computed bit by bit elsewhere
        &[0, 0],                                  // attributes
        &[0, 0, 0, 1],                            // last offset
        &[0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0], // time of the first
        &[0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0], // latest time
        &[0, 0, 0, 0, 0, 0, 0x0f, 0xa0],          // producer id
        &[0, 7],                                  // epoch
        &[0, 0, 0, 65],                           // sequence
        &[0, 0, 0, 2],                            // records
        &[20, 0, 0, 0, 2, b'k', 6, b'a', b'b', b'c', 0],
        &[18, 0, 5, 2, 1, 1, 2, 2, b'h', 1], // 3 ms earlier, null key and value, a null header
    ];
    assert_eq!(batch, expected.concat());
}

#[test]
fn second_stamp_replaces_the_first() {
    let mut batch = written(&text(), Compression::Lz4, None);
    let once = Stamp { producer_id: 9, epoch: 1, sequence: 100 };
    stamp(&mut batch, Stamp { producer_id: i64::MAX, epoch: i16::MAX, sequence: i32::MAX });
    stamp(&mut batch, once);
    assert_eq!(batch[17..CHECKED], crc32c::crc32c(&batch[CHECKED..]).to_be_bytes());
    assert_eq!(batch[43..57], [0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 0, 0, 100]);
    assert_eq!(read(&batch, MAX_BYTES), Ok(text()));
}

#[test]
fn every_codec_and_level_is_read_again() {
    for (codec, level) in codecs() {
        let plain = written(&text(), Compression::None, None).len();
        let batch = written(&text(), codec, level);
        let stays = codec == Compression::None || (codec, level) == (Compression::Gzip, Some(0));
        assert_eq!(batch.len() < plain, !stays, "{codec:?} {level:?}: {}", batch.len());
        assert_eq!(codec_of(&batch) == 0, stays, "{codec:?} {level:?}");
        assert_eq!(read(&batch, MAX_BYTES), Ok(text()), "{codec:?} {level:?}");
    }
}

#[test]
fn compressor_is_used_batch_after_batch() {
    let small = [Line::of(None, Some(&[b'a'; 100]), 1)];
    for (codec, level) in codecs() {
        let mut compressor = Compressor::new(codec, level);
        for lines in [&text()[..], &small, &noise(), &small, &text()] {
            let mut out = b"before".to_vec();
            compressor.append(&records(lines), &mut out);
            assert_eq!(out[6..], written(lines, codec, level), "{codec:?} {level:?}");
            assert_eq!(read(&out[6..], MAX_BYTES).as_deref(), Ok(lines), "{codec:?} {level:?}");
        }
    }
}

#[test]
fn what_does_not_shrink_stays_as_it_is() {
    let plain = written(&noise(), Compression::None, None);
    for (codec, level) in codecs() {
        assert_eq!(written(&noise(), codec, level), plain, "{codec:?} {level:?}");
    }
}

#[test]
fn blocks_of_lz4_are_stored_where_they_do_not_shrink() {
    let mixed: Vec<Line> = noise().into_iter().chain(text()).collect();
    let batch = written(&mixed, Compression::Lz4, None);
    assert_eq!(codec_of(&batch), 3);
    assert_eq!(batch[HEAD..HEAD + 7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    assert_eq!(batch[HEAD + 7..HEAD + 11], (64 << 10 | 1_u32 << 31).to_le_bytes());
    assert_eq!(read(&batch, MAX_BYTES), Ok(mixed));
}

#[test]
fn no_more_is_read_than_allowed() {
    let n_bytes = records(&text()).n_bytes();
    for (codec, level) in codecs() {
        let batch = written(&text(), codec, level);
        assert_eq!(read(&batch, n_bytes), Ok(text()), "{codec:?} {level:?}");
        assert_eq!(read(&batch, n_bytes - 1), Err(Malformed), "{codec:?} {level:?}");
    }
}

#[test]
fn memory_is_used_again() {
    let memory = records(&text()).into_memory();
    let (start, capacity) = (memory.as_ptr(), memory.capacity());
    let mut records = Records::new(memory);
    assert!(records.n_bytes() == 0 && records.n_records() == 0);
    records.push(None, None, Headers::default().raw(), 7);
    assert_eq!((records.n_records(), records.n_bytes()), (1, 7));
    let again = records.into_memory();
    assert_eq!((again.as_ptr(), again.capacity()), (start, capacity));
}

#[test]
fn long_headers_stay_within_the_bound() {
    let mut line = Line::of(None, None, i64::MIN);
    line.headers = vec![("n".repeat(10_000), Some(vec![0; 1 << 20])); 3];
    let batch = engine_batch(std::slice::from_ref(&line));
    let headers = batch.get(0).unwrap().headers();
    assert!(records(&[line]).n_bytes() <= size_of(None, None, &headers));
}

fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop::option::of(prop::collection::vec(0..4_u8, 0..300))
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let header = ("[a-cé]{0,2}", bytes());
    let moment = prop_oneof![any::<i64>(), 0..1_000_i64];
    let line = (bytes(), bytes(), prop::collection::vec(header, 0..4), moment);
    let line = line.prop_map(|(key, value, headers, time)| Line { key, value, headers, time });
    prop::collection::vec(line, 1..80)
}

proptest! {
    #[test]
    fn any_records_are_read_again(lines in lines(), (codec, level) in prop::sample::select(codecs())) {
        let batch = written(&lines, codec, level);
        prop_assert!(batch.len() <= HEAD + records(&lines).n_bytes());
        prop_assert_eq!(read(&batch, MAX_BYTES), Ok(lines));
    }

    #[test]
    fn size_of_is_never_too_small(lines in lines()) {
        let mut records = Records::new(Vec::new());
        for (record, line) in engine_batch(&lines).iter().zip(&lines) {
            let before = records.n_bytes();
            push(&mut records, record, line.time);
            let bound = size_of(record.key(), record.value(), &record.headers());
            prop_assert!(records.n_bytes() - before <= bound);
        }
    }

    #[test]
    fn head_tells_the_times(lines in lines()) {
        let batch = written(&lines, Compression::None, None);
        let latest = lines.iter().map(|line| line.time).max().unwrap();
        prop_assert_eq!(&batch[27..35], lines[0].time.to_be_bytes());
        prop_assert_eq!(&batch[35..43], latest.to_be_bytes());
    }

    #[test]
    fn broken_batches_never_panic(
        lines in lines(),
        (codec, level) in prop::sample::select(codecs()),
        faults in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut batch = written(&lines, codec, level);
        for (at, byte) in faults {
            let at = HEAD + at.index(batch.len() - HEAD);
            batch[at] = byte;
        }
        drop(read(&batch, MAX_BYTES));
        batch.truncate(cut.index(batch.len()));
        prop_assert_eq!(read(&batch, MAX_BYTES), Err(Malformed));
        // The length as well, so that the codec meets the cut.
        if let Some(n_bytes) = batch.len().checked_sub(12).filter(|_| batch.len() >= HEAD) {
            batch[8..12].copy_from_slice(&u32::try_from(n_bytes).unwrap().to_be_bytes());
            drop(read(&batch, MAX_BYTES));
        }
    }
}
