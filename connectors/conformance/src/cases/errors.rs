//! What is promised of records that cannot be processed or delivered, from a source of the connector to its dead letters.
#![expect(clippy::missing_panics_doc, reason = "a case panics where the promise is broken")]

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use millstream_engine::batch::{OwnedRecord, Record};
use millstream_engine::flow::{RECORD_TIME_HEADER, dead_letter_headers};
use millstream_engine::format::{Presence, Serializer};
use millstream_engine::sink::Sink;
use millstream_engine::source::Source;
use millstream_engine::{
    BoxError, Config, Dataflow, DeadLetter, ErrorRecord, Flow, Stream, run, start,
};
use millstream_operators::prelude::*;

use super::parts::{Parts, bounded, one_worker};
use super::reading::records_of_all_kinds;
use super::{needs, sink_of, source_of};
use crate::reading::{Limits, Reading, number, numbered, numbers, numbers_of};
use crate::run::Skipped;
use crate::subject::{SourceSetup, Subject};
use crate::writing::batch_of;

/// A record that does not decode leaves with its bytes, where it came from, the reason, and how often it was tried.
///
/// # Errors
/// Skipped without a source.
pub fn error_carries_bytes_and_origin(subject: &dyn Subject) -> Result<(), Skipped> {
    let topic = subject.create_topic(2);
    let mut bad = OwnedRecord::of("x");
    if !subject.values_only() {
        let value = subject.text_headers().then(|| b"v".to_vec());
        bad = OwnedRecord { headers: vec![("h".to_owned(), value)], ..bad.with_key("k") };
    }
    subject.produce(&topic, 1, &numbered(0..3));
    subject.produce(&topic, 1, std::slice::from_ref(&bad));
    subject.produce(&topic, 0, &numbered(3..6));
    let sources = Parts::new(1, || source_of(subject, &topic, &bounded()))?;
    let again = SourceSetup { group: "again".to_owned(), ..bounded() };
    let source = source_of(subject, &topic, &again)?;
    let (send, errors) = channel();
    let flow = Dataflow::new("conformance", move |flow| {
        let send = send.clone();
        let (good, failed) = parsed(flow, sources.take());
        good.discard();
        failed.for_each(move |error| send.send(error).expect("the case listens"));
    });
    run(&flow, one_worker()).expect("errors on a stream stop nothing");
    let error = only(&errors);
    let ErrorRecord { record, .. } = &error;
    assert_eq!((&record.key, &record.value), (&bad.key, &bad.value), "an error carries its bytes");
    assert_eq!(record.headers, bad.headers, "an error carries its headers");
    let origin = record.origin.as_ref().expect("an error names where its record came from");
    let place = (&*origin.connector, &*origin.topic, origin.partition, record.position);
    let (topic, partition) = subject.place(&topic, 1);
    let position = position_of(subject, &*source, b"x");
    let expected = (source.connector(), &*topic, partition, position);
    assert_eq!(place, expected, "an error names where its record came from");
    let said = (&*error.dataflow, &*error.step, &*error.code, &*error.error, error.attempts);
    assert_eq!(said, ("conformance", "parse", "E0303", "not a number", 1), "an error says why");
    Ok(())
}

/// The position of the only record of a value.
fn position_of(subject: &dyn Subject, source: &dyn Source, value: &[u8]) -> u64 {
    let mut reading = Reading::open(subject, source, Limits::default()).expect("opening");
    let records = reading.take(7).expect("reading");
    let record = records.iter().find(|record| record.value.as_deref() == Some(value));
    record.expect("it was written").position
}

/// A dead letter has key, value and headers as they came, then ours in their order; read back it is the record again.
///
/// # Errors
/// Skipped without a source, or a sink that carries headers.
pub fn dead_letter_reads_back_as_its_record(subject: &dyn Subject) -> Result<(), Skipped> {
    let (topic, letters) = (subject.create_topic(1), subject.create_topic(1));
    needs(sink_of(subject, &letters)?.capabilities().headers, "the sink carries no headers")?;
    subject.produce(&topic, 0, &records_of_all_kinds(subject));
    let written = subject.records(&topic, records_of_all_kinds(subject).len());
    let sources = Parts::new(1, || source_of(subject, &topic, &bounded()))?;
    let sinks = Parts::new(1, || sink_of(subject, &letters))?;
    let flow = Dataflow::new("conformance", move |flow| {
        let refuse = |_: Record<'_>| Err::<(), _>("refused");
        let all = flow.source("in", sources.take()).try_map(refuse).named("parse");
        let (good, bad) = all.split_errors();
        good.discard();
        bad.dead_letters("rejected", sinks.take());
    });
    run(&flow, one_worker()).expect("dead letters stop nothing");
    let letters = subject.records(&letters, written.len());
    assert_eq!(letters.len(), written.len(), "every record that fails is a dead letter");
    for (letter, record) in letters.iter().zip(&written) {
        assert_eq!(letter.key, record.key, "null and empty keys are kept apart");
        assert_eq!(letter.value, record.value, "null and empty values are kept apart");
        let (own, ours) = letter.headers.split_at(record.headers.len().min(letter.headers.len()));
        assert_eq!(own, record.headers, "the record's own headers come first");
        let names = ours.iter().map(|(name, _)| name.as_str());
        let expected = dead_letter_headers().into_iter().chain([RECORD_TIME_HEADER]);
        assert!(names.eq(expected), "then ours, all of them, in their order");
        let back = read(letter);
        // The way of the subject's own knows nothing of what a broker says beside the record.
        let back_as = OwnedRecord { envelope: None, ..back.error.record.clone() };
        assert_eq!(&back_as, record, "a dead letter reads back as its record");
        assert_eq!((&*back.error.step, &*back.error.error), ("parse", "refused"));
    }
    Ok(())
}

/// A dead letter that its topic refuses as too large is tried once more without its value, and says so.
///
/// # Errors
/// Skipped without a source, or a sink of a small queue that carries headers.
pub fn oversized_dead_letter_goes_without_its_value(subject: &dyn Subject) -> Result<(), Skipped> {
    let (letters, sink) =
        subject.small_sink().ok_or(Skipped("the connector has no sink with a small queue"))?;
    needs(sink.capabilities().headers, "the sink carries no headers")?;
    let from = subject.create_topic(1);
    subject.produce(&from, 0, &numbered(0..3));
    let sources = Parts::new(1, || source_of(subject, &from, &bounded()))?;
    let sinks = Parts::of_two(sink_of(subject, &letters)?, sink);
    let too_large = subject.too_large();
    let flow = Dataflow::new("conformance", move |flow| {
        let size =
            move |record: Record<'_>| if number(&record.to_owned()) == 1 { too_large } else { 1 };
        let items = flow.source("in", sources.take()).map(size).with_origin().boxed();
        let refuse = |_: &usize| Err::<(), _>("refused");
        let (good, bad) = items.try_map_with(Stars, refuse).named("check").split_errors();
        good.discard();
        bad.dead_letters("rejected", sinks.take());
    });
    run(&flow, one_worker()).expect("a letter that is too large stops nothing");
    let mut letters: Vec<DeadLetter> = subject.records(&letters, 3).iter().map(read).collect();
    letters.sort_by_key(|letter| letter.error.record.position);
    let seen = letters
        .iter()
        .map(|letter| (letter.error.record.value.as_ref().map(Vec::len), letter.left_out_bytes));
    let expected = [(Some(1), None), (None, Some(too_large as u64)), (Some(1), None)];
    assert_eq!(seen.collect::<Vec<_>>(), expected, "the large one arrives without its value");
    Ok(())
}

/// Writes a number as so many stars.
struct Stars;

impl Serializer<usize> for Stars {
    fn format(&self) -> &'static str {
        "stars"
    }

    fn serialize(&mut self, n: &usize, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
        out.resize(out.len() + n, b'*');
        Ok(Presence::Present)
    }
}

/// Of ten thousand records 1 % is garbage: as many dead letters, everything else delivered, and positions at the end.
///
/// # Errors
/// Skipped without a replayable source or a sink that carries headers.
pub fn garbage_ends_as_dead_letters(subject: &dyn Subject) -> Result<(), Skipped> {
    let garbage = Garbage::new(subject)?;
    for partition in 0..N_PARTITIONS {
        subject.produce(&garbage.from, partition, &one_in_a_hundred_bad(partition));
    }
    garbage.run(subject)?;
    let (n_good, n_bad) = (9900, 100);
    let mut good = numbers(&subject.records(&garbage.to, n_good));
    good.sort_unstable();
    let expected = numbers_of(0..10_000).into_iter().filter(|n| n % 100 != 7).collect::<Vec<_>>();
    assert_eq!(good, expected, "good records are delivered, once");
    let letters = subject.records(&garbage.letters, n_bad);
    assert_eq!(letters.len(), n_bad, "as many dead letters as garbage");
    assert!(letters.iter().all(|letter| letter.text() == Some("garbage")));
    subject.produce(&garbage.from, 0, &numbered(10_000..10_001));
    garbage.run(subject)?;
    let more = subject.records(&garbage.to, n_good + 1);
    assert_eq!(more.len(), n_good + 1, "positions move past garbage, to the end");
    assert_eq!(
        subject.records(&garbage.letters, n_bad).len(),
        n_bad,
        "garbage is not set aside again"
    );
    Ok(())
}

/// What the sink refuses leaves its error stream once and is not sent again; the others arrive, in order per key.
///
/// # Errors
/// Skipped without a source, or when the other side cannot be made to refuse.
pub fn refused_records_leave_once(subject: &dyn Subject) -> Result<(), Skipped> {
    needs(!subject.values_only(), "records are values alone")?;
    let (from, to) = (subject.create_topic(1), subject.create_topic(2));
    let sinks = Parts::new(1, || sink_of(subject, &to))?;
    let refused = subject.refuse(&to).ok_or(Skipped("the other side cannot be made to refuse"))?;
    let n_records = 500;
    subject.produce(&from, 0, &numbered(0..n_records));
    let sources = Parts::new(1, || source_of(subject, &from, &bounded()))?;
    let (send, errors) = channel();
    let flow = Dataflow::new("conformance", move |flow| {
        let (send, refused) = (send.clone(), refused.clone());
        let marked = flow.source("in", sources.take()).map(|record| number(&record.to_owned()));
        let written = marked.encode(move |n, out| {
            out.key(format!("k{}", n % 7).as_bytes());
            out.value(if is_refused(*n) { &refused } else { b"good" });
            out.header("n", Some(n.to_string().as_bytes()));
            Ok::<_, std::convert::Infallible>(())
        });
        let undelivered = written.errors_fail().sink_with_errors("out", sinks.take());
        undelivered.for_each(move |error| send.send(error).expect("the case listens"));
    });
    run(&flow, one_worker()).expect("what is refused leaves on the error stream");
    drop(flow);
    let errors: Vec<ErrorRecord> = errors.into_iter().collect();
    let mut told: Vec<u64> = errors.iter().map(|error| in_header(&error.record)).collect();
    told.sort_unstable();
    let to_refuse: Vec<u64> = (0..n_records).filter(|n| is_refused(*n)).collect();
    assert_eq!(told, to_refuse, "what the sink refuses leaves once");
    assert!(errors.iter().all(|error| &*error.step == "out" && !error.error.is_empty()));
    let n_delivered = usize::try_from(n_records).expect("a few") - to_refuse.len();
    let mut by_key: BTreeMap<Option<Vec<u8>>, Vec<u64>> = BTreeMap::new();
    for record in subject.records(&to, n_delivered) {
        by_key.entry(record.key.clone()).or_default().push(in_header(&record));
    }
    assert!(by_key.values().all(|seen| seen.is_sorted()), "the others keep their order per key");
    let mut delivered: Vec<u64> = by_key.into_values().flatten().collect();
    delivered.sort_unstable();
    let to_deliver: Vec<u64> = (0..n_records).filter(|n| !is_refused(*n)).collect();
    assert_eq!(delivered, to_deliver, "the others arrive, and what was refused is not sent again");
    Ok(())
}

/// A sink whose queue is full holds the dataflow back: nothing is refused, lost or sent twice.
///
/// # Errors
/// Skipped without a source, or a sink of a small queue.
pub fn full_queue_holds_the_dataflow_back(subject: &dyn Subject) -> Result<(), Skipped> {
    let (to, sink) =
        subject.small_sink().ok_or(Skipped("the connector has no sink with a small queue"))?;
    let from = subject.create_topic(1);
    subject.produce(&from, 0, &numbered(0..3000));
    let sinks = Parts::of_two(sink_of(subject, &to)?, sink);
    let sources = Parts::new(1, || source_of(subject, &from, &bounded()))?;
    let (send, errors) = channel();
    let flow = Dataflow::new("conformance", move |flow| {
        let send = send.clone();
        let undelivered = flow.source("in", sources.take()).sink_with_errors("out", sinks.take());
        undelivered.for_each(move |error| send.send(error).expect("the case listens"));
    });
    let handle = start(&flow, one_worker()).expect("the dataflow starts");
    let end = Instant::now() + subject.patience();
    while !handle.has_ended() {
        assert!(Instant::now() < end, "a full queue empties as the other side takes records");
        // Makes room where that is what the other side waits for.
        drop(subject.records(&to, 0));
        std::thread::park_timeout(Duration::from_millis(1));
    }
    handle.wait().expect("the dataflow ends by itself");
    drop(flow);
    assert_eq!(errors.into_iter().count(), 0, "a full queue refuses nothing");
    let arrived = numbers(&subject.records(&to, 3000));
    assert_eq!(arrived, numbers_of(0..3000), "everything arrives, once, in order");
    Ok(())
}

const N_PARTITIONS: u32 = 4;

/// Records of a partition, together ten thousand over all; of each hundred the eighth is garbage.
fn one_in_a_hundred_bad(partition: u32) -> Vec<OwnedRecord> {
    let per_partition = 10_000 / u64::from(N_PARTITIONS);
    let first = u64::from(partition) * per_partition;
    let mut records = numbered(first..first + per_partition);
    for record in &mut records {
        if number(record) % 100 == 7 {
            record.value = Some(b"garbage".to_vec());
        }
    }
    records
}

/// A topic, one for what is good of it, and one for its dead letters.
struct Garbage {
    from: String,
    to: String,
    letters: String,
}

impl Garbage {
    fn new(subject: &dyn Subject) -> Result<Self, Skipped> {
        let from = subject.create_topic(N_PARTITIONS);
        let source = source_of(subject, &from, &bounded())?;
        let can = source.capabilities();
        needs(can.replayable || can.redelivers, "the source cannot be read again")?;
        let (to, letters) = (subject.create_topic(2), subject.create_topic(1));
        needs(sink_of(subject, &letters)?.capabilities().headers, "the sink carries no headers")?;
        Ok(Self { from, to, letters })
    }

    fn run(&self, subject: &dyn Subject) -> Result<(), Skipped> {
        let config = Config { workers: 2, ..one_worker() };
        let sources = Parts::new(2, || source_of(subject, &self.from, &bounded()))?;
        let sinks = Parts::new(2, || sink_of(subject, &self.to))?;
        let letters = Parts::new(2, || sink_of(subject, &self.letters))?;
        let flow = Dataflow::new("conformance", move |flow| {
            let (good, bad) = parsed(flow, sources.take());
            let good = good.encode(|n, out| {
                out.value(n.to_string().as_bytes());
                Ok::<_, std::convert::Infallible>(())
            });
            good.errors_fail().sink("out", sinks.take());
            bad.dead_letters("rejected", letters.take());
        });
        run(&flow, config).expect("garbage stops nothing");
        Ok(())
    }
}

/// The numbers of a source, and what is none.
fn parsed<'s>(
    flow: &Flow<'s>,
    source: Box<dyn Source>,
) -> (Stream<'s, u64>, Stream<'s, ErrorRecord>) {
    let parse = |record: Record<'_>| {
        let text = str::from_utf8(record.value_or_empty()).ok();
        text.and_then(|text| text.parse::<u64>().ok()).ok_or("not a number")
    };
    let (good, bad) = flow.source("in", source).try_map(parse).named("parse").split_errors();
    (good.boxed(), bad)
}

fn read(letter: &OwnedRecord) -> DeadLetter {
    let batch = batch_of(std::slice::from_ref(letter));
    DeadLetter::read(batch.get(0).expect("one record")).expect("a dead letter")
}

fn is_refused(number: u64) -> bool {
    number % 25 == 3
}

/// The number in the header of a record of [`refused_records_leave_once`].
fn in_header(record: &OwnedRecord) -> u64 {
    let header = record.headers.iter().find(|(name, _)| name == "n");
    let text = header.and_then(|(_, value)| str::from_utf8(value.as_deref()?).ok());
    text.and_then(|text| text.parse().ok()).expect("records keep their headers")
}

fn only(errors: &Receiver<ErrorRecord>) -> ErrorRecord {
    let mut all: Vec<_> = errors.try_iter().collect();
    assert_eq!(all.len(), 1, "one record does not decode");
    all.remove(0)
}
