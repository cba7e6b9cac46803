//! The tray: bounds of batches, when they may be taken, and when the thread that sends is woken.

use millstream_engine::batch::{OwnedRecord, RecordBatch};

use super::*;

const LINGER: Duration = Duration::from_millis(5);

fn tray(batch_records: usize, batch_bytes: usize) -> (Tray, LaneId) {
    let mut tray = Tray::new(Limits { batch_records, batch_bytes, linger: LINGER });
    let lane = tray.open_lane(&"orders".into(), 0);
    (tray, lane)
}

/// Puts a record with so many bytes down.
fn put(tray: &mut Tray, lane: LaneId, n_bytes: usize, now: Instant) {
    let mut batch = RecordBatch::default();
    batch.push_owned(&OwnedRecord::of(vec![b'x'; n_bytes]));
    let record = batch.get(0).expect("it is there");
    tray.push(lane, record, Told { slot: 0, n_bytes, now, unix_millis: 7 });
}

/// Records and bytes of the full batches.
fn full(tray: &mut Tray) -> Vec<(u32, usize)> {
    let mut full = Vec::new();
    tray.take_full(|_, batch| full.push((batch.n_records(), batch.n_bytes())));
    full
}

#[test]
fn batches_keep_within_their_records() {
    let (mut tray, lane) = tray(3, 1_000_000);
    (0..7).for_each(|_| put(&mut tray, lane, 10, Instant::now()));
    let full: Vec<_> = full(&mut tray).into_iter().map(|(n_records, _)| n_records).collect();
    assert_eq!(full, [3, 3]);
    let open = tray.take_open_if(lane, |_| true).expect("one is left");
    assert_eq!((open.n_records(), open.runs[0].n_bytes), (1, 10));
}

#[test]
fn batches_keep_within_their_bytes_unless_one_record_does_not() {
    let (mut tray, lane) = tray(1000, 500);
    for n_bytes in [10, 200, 200, 200, 5, 499, 800, 3, 3] {
        put(&mut tray, lane, n_bytes, Instant::now());
    }
    let full = full(&mut tray);
    let n_full: u32 = full.iter().map(|(n_records, _)| n_records).sum();
    assert_eq!(n_full, 7, "the last two are still open: {full:?}");
    for (n_records, n_bytes) in full {
        assert!(n_bytes <= 500 || n_records == 1, "{n_bytes} bytes of {n_records} records");
    }
}

#[test]
fn open_batch_is_told_once_it_has_waited() {
    let (mut tray, lane) = tray(2, 1_000_000);
    let now = Instant::now();
    put(&mut tray, lane, 10, now);
    assert_eq!(tray.next_due(), Some(now + LINGER));
    let early = now + LINGER / 2;
    tray.take_due(early, |_| panic!("too early"));
    assert!(tray.take_open(lane, early).is_none());
    // It is full before its time, and the next one has time of its own.
    put(&mut tray, lane, 10, now);
    put(&mut tray, lane, 10, early);
    let mut due = Vec::new();
    tray.take_due(now + LINGER, |id| due.push(id));
    assert_eq!(due, [lane]);
    assert!(tray.take_open(lane, now + LINGER).is_none(), "it is not the one that has waited");
    assert_eq!(tray.next_due(), Some(early + LINGER));
    assert!(tray.take_open(lane, early + LINGER).is_some());
}

#[test]
fn thread_is_woken_when_it_would_sleep_too_long() {
    let now = Instant::now();
    let sleeping = |until| {
        let (mut tray, lane) = tray(2, 1_000_000);
        tray.changes.clear();
        tray.sleeps_until = until;
        (tray, lane)
    };
    let (mut long, lane) = sleeping(Some(now + 2 * LINGER));
    assert!(!long.must_wake(), "nothing is there");
    put(&mut long, lane, 10, now);
    assert!(long.must_wake(), "it would sleep beyond the time of the batch");
    assert!(!long.must_wake(), "once is enough");
    let (mut short, _) = sleeping(Some(now + LINGER));
    put(&mut short, lane, 10, now);
    assert!(!short.must_wake(), "it looks in time");
    put(&mut short, lane, 10, now);
    put(&mut short, lane, 10, now);
    assert!(short.must_wake(), "a batch is full");
    let (mut changed, _) = sleeping(Some(now + LINGER));
    changed.open_lane(&"orders".into(), 1);
    assert!(changed.must_wake(), "a lane is to be opened");
    let (mut awake, _) = sleeping(None);
    (0..5).for_each(|_| put(&mut awake, lane, 10, now));
    assert!(!awake.must_wake(), "it is awake");
}

#[test]
fn numbers_and_buffers_are_used_again() {
    let (mut tray, first) = tray(2, 100);
    let second = tray.open_lane(&"orders".into(), 1);
    assert_ne!(first, second);
    tray.reuse(first);
    assert_eq!(tray.open_lane(&"others".into(), 0), first);
    (0..2 * MAX_SPARE).for_each(|_| tray.give_back(Vec::with_capacity(100)));
    assert_eq!(tray.spare.len(), MAX_SPARE);
    tray.spare.clear();
    tray.give_back(Vec::with_capacity(1000));
    assert!(tray.spare.is_empty(), "one large batch is not remembered for ever");
}

#[test]
fn batches_fit_into_requests_whatever_the_settings_say() {
    let config = SinkConfig::new("k:1", "orders");
    let boundless = SinkConfig { batch_bytes: usize::MAX, batch_records: 0, ..config };
    let limits = Limits::new(&boundless);
    assert!(i32::try_from(2 * limits.batch_bytes - 1).is_ok());
    assert_eq!(limits.batch_records, 1);
}
