//! A topic is deleted and made again under its name, while nobody reads it and while somebody does: the silent way to lose records,
//! because the offset where reading stood is there again, and another record lies at it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use insta::{allow_duplicates, assert_snapshot};
use millstream_engine::batch::{OwnedRecord, Record, RecordBatch};
use millstream_engine::error::{Error, ErrorKind, codes};
use millstream_engine::source::{
    Assignment, Confirmed, Found, OpenContext, Reader, ReaderContext, ResumePosition, Source as _,
};
use millstream_engine::testing::TestSink;
use millstream_engine::{Config, Dataflow, run, start as start_flow};
use millstream_kafka::{Expired, Source};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::support::{
    LONG, Reading, Topic, broker, numbered, numbers, offset, open_context, reader_context,
};

/// The text of an error, without names, ids and numbers of positions.
fn told(error: &Error, topic: &Topic) -> String {
    let mut told = error.report().replace(&topic.name, "[topic]");
    let words: Vec<_> = told.split([' ', ',', ':', '\n']).map(str::to_owned).collect();
    for pair in words.windows(2) {
        match pair {
            [id, value] if id == "id" => told = told.replace(value, "[id]"),
            [position, value] if position == "position" && value.parse::<u64>().is_ok() => {
                told = told.replace(&format!("position {value}"), "position [n]");
                told = told.replace(&format!("]@{value}"), "]@[n]");
            }
            _ => {}
        }
    }
    told
}

/// Reads and confirms the whole topic, and closes.
fn confirmed(topic: &Topic, open: &OpenContext, n_records: usize) -> Vec<Confirmed> {
    let mut reading = Reading::open_at(&topic.source(), false, open, &[]);
    reading.take(n_records);
    let n_batches = reading.n_batches;
    let stored = reading.confirm(n_batches);
    reading.reader.close(LONG).expect("the last commit gets through");
    stored
}

/// Where reading of the first partition would start.
fn start(source: &Source, open: &OpenContext, stored: &[Confirmed]) -> Result<u64, Error> {
    let mut finder = source.finder(open)?;
    let first = finder.find()?.into_iter().min().expect("there is a partition");
    let position = stored.iter().find(|c| c.partition == first).map(|c| c.resume.clone());
    let found = finder.resolve(&[(first, position)], Found::AtStart)?;
    Ok(offset(&found[0].start))
}

#[test]
fn stopped_source_never_resumes_in_another_topic() {
    let Some(brokers) = broker() else { return };
    for n_partitions in [2, 1] {
        let topic = Topic::new(&brokers, "again", 2);
        topic.fill(numbered(0..100));
        let open = open_context();
        let stored = confirmed(&topic, &open, 100);
        assert!(start(&topic.source(), &open, &stored).is_ok(), "the same topic");
        topic.make_again(n_partitions);
        topic.fill(numbered(0..1000));
        let fresh = open_context();
        let error = start(&topic.source(), &fresh, &stored).expect_err("another topic");
        assert_eq!((error.kind(), error.code()), (ErrorKind::Corrupt, codes::EXPIRED_POSITION));
        allow_duplicates!(assert_snapshot!(told(&error, &topic), @r#"
        E0111 failed to start at the stored position [n]: the topic was deleted and made again (step "orders", partition [topic][0]): the position is of the topic with id [id], and the one with id [id] has its name
        Choose with `with_expired`: `Expired::Earliest` reads the new topic from its oldest record, `Expired::Latest` from its end, `Expired::Stop` stops as it did now.
        "#));
        for (policy, expected) in [(Expired::Earliest, true), (Expired::Latest, false)] {
            let source = topic.source().with_expired(policy);
            let first = start(&source, &fresh, &stored).expect("the policy says where");
            assert_eq!(first == 0, expected, "{policy:?} starts at {first}");
        }
    }
}

/// Brokers forget a group's offsets with the topic; one that did not, or a tool that wrote them back, must not mislead.
#[test]
fn committed_offset_of_another_topic_is_refused() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "group-id", 1);
    topic.fill(numbered(0..100));
    let group: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .set("group.id", &topic.name)
        .create()
        .expect("a consumer");
    let commit = |metadata: &str| {
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(&topic.name, 0);
        element.set_offset(Offset::Offset(60)).expect("an offset");
        element.set_metadata(metadata);
        group.commit(&list, CommitMode::Sync).expect("committed");
        start(&topic.source().with_group(&topic.name), &open_context(), &[])
    };
    assert_eq!(commit("by another program").expect("no id, so this topic"), 60);
    let error = commit("topic-id=AyLPkX1sTnqgUvrtZT9duQ").expect_err("another topic");
    assert!(error.report().contains("committed position 60"), "{}", error.report());
    assert!(error.report().contains("AyLPkX1sTnqgUvrtZT9duQ"), "{}", error.report());
}

/// Reads until an error comes; every record until then may come from either topic.
fn until_error(reading: &mut Reading) -> Error {
    let (mut batch, start) = (RecordBatch::default(), Instant::now());
    loop {
        batch.clear();
        match reading.reader.read(&mut batch, Duration::from_secs(1)) {
            Ok(_) => assert!(start.elapsed() < LONG, "nothing was noticed"),
            Err(error) => return error,
        }
    }
}

#[test]
fn running_source_notices_another_topic() {
    let Some(brokers) = broker() else { return };
    for n_partitions in [2, 1] {
        let topic = Topic::new(&brokers, "under-us", 2);
        topic.fill(numbered(0..100));
        let mut reading = Reading::open(&topic.source(), false);
        reading.take(100);
        topic.make_again(n_partitions);
        // More than before, so that the offset where reading stands is there again.
        topic.fill(numbered(0..1000));
        let error = until_error(&mut reading);
        assert_eq!((error.kind(), error.code()), (ErrorKind::Corrupt, codes::EXPIRED_POSITION));
        let place = error.place();
        assert_eq!(place.topic.as_ref(), Some(&topic.name));
        let told = told(&error, &topic).replace("[topic][1]", "[topic][0]");
        allow_duplicates!(assert_snapshot!(told, @r#"
        E0111 failed to read on at position [n]: the topic was deleted and made again (record [topic][0]@[n]): the position is of the topic with id [id], and the one with id [id] has its name
        Choose with `with_expired`: `Expired::Earliest` reads the new topic from its oldest record, `Expired::Latest` from its end, `Expired::Stop` stops as it did now.
        "#));
        let mut batch = RecordBatch::default();
        let next = reading.reader.read(&mut batch, Duration::from_millis(100));
        assert!(next.is_ok() && batch.is_empty(), "it is told once, and nothing more is read");
    }
}

#[test]
fn running_source_reads_the_new_topic_where_it_may() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "renewed", 2);
    topic.fill(numbered(0..100));
    let open = open_context();
    let source = topic.source().with_expired(Expired::Earliest);
    let mut reading = Reading::open_at(&source, false, &open, &[]);
    reading.take(100);
    let n_batches = std::mem::take(&mut reading.n_batches);
    let before = reading.confirm(n_batches);
    let old = id_of(&before[0].resume);
    topic.make_again(2);
    topic.fill(numbered(1000..2000));
    // What came before the change was noticed comes once more, and its positions are never taken for those of the new topic.
    let (mut seen, mut stored, begin) = (Vec::new(), HashMap::new(), Instant::now());
    loop {
        assert!(begin.elapsed() < LONG, "{} records came, stored: {stored:?}", seen.len());
        let records = reading.batch().expect("it goes on").iter().map(Record::to_owned);
        seen.extend(numbers(&records.collect::<Vec<_>>()));
        let n_read = std::mem::take(&mut reading.n_batches);
        stored.extend(reading.confirm(n_read).into_iter().map(|c| (c.partition, c.resume)));
        let of_new = |position: &&ResumePosition| !old.contains(id_of(position));
        let n_confirmed: u64 = stored.values().filter(of_new).map(offset).sum();
        if n_confirmed == 1000 {
            break;
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (1000..2000).collect::<Vec<_>>());
    reading.reader.close(LONG).expect("the last commit gets through");
    let stored: Vec<_> =
        stored.into_iter().map(|(partition, resume)| Confirmed { partition, resume }).collect();
    let mut again = Reading::open_at(&topic.source().until_end(), true, &open, &stored);
    assert!(again.read_all().is_empty(), "it goes on in the new topic, where it was confirmed");
}

/// The id of the topic in a position.
fn id_of(position: &ResumePosition) -> &str {
    position.0.split('@').nth(1).expect("this broker has ids")
}

#[test]
fn partition_that_the_new_topic_lacks_is_told_once() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "fewer", 2);
    topic.fill(numbered(0..100));
    let mut reading = Reading::open(&topic.source().with_expired(Expired::Earliest), false);
    reading.take(100);
    topic.make_again(1);
    topic.fill(numbered(0..10));
    let error = until_error(&mut reading);
    assert_eq!(error.code(), codes::UNKNOWN_TOPIC);
    assert_eq!(error.place().partition, Some(1), "the other one goes on");
    // The cluster is asked every five seconds: another error would come by then, and fail this.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(7) {
        assert!(reading.batch().is_some(), "it goes on");
    }
}

/// Reads ten records at a time, and slower than they come: there are always some that were fetched and not handed out.
struct Slow {
    reader: Box<dyn Reader>,
    batch: RecordBatch,
    start: Instant,
}

impl Slow {
    /// Opens all partitions; their positions, too.
    fn open(source: &Source) -> (Self, Vec<Assignment>) {
        let open = open_context();
        let mut finder = source.finder(&open).expect("a finder");
        let wanted = finder.find().expect("partitions").into_iter().map(|found| (found, None));
        let assignments =
            finder.resolve(&wanted.collect::<Vec<_>>(), Found::AtStart).expect("positions");
        let few = ReaderContext { batch_records: 10, ..reader_context(&open, false) };
        let mut reader = source.reader(few).expect("a reader");
        reader.assign(&assignments).expect("assigned");
        (Self { reader, batch: RecordBatch::default(), start: Instant::now() }, assignments)
    }

    /// One batch, as an engine takes it: what a failed read leaves behind is thrown away.
    fn read(&mut self) -> Result<Vec<OwnedRecord>, Error> {
        assert!(self.start.elapsed() < LONG, "what was waited for did not come");
        std::thread::park_timeout(Duration::from_millis(20));
        self.batch.clear();
        self.reader.read(&mut self.batch, Duration::from_secs(1))?;
        Ok(self.batch.iter().map(Record::to_owned).collect())
    }
}

#[test]
fn records_fetched_before_are_not_taken_for_the_new_topic() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "fetched", 1);
    topic.fill(numbered(0..100));
    let (mut slow, assigned) = Slow::open(&topic.source().with_expired(Expired::Earliest));
    let old = id_of(&assigned[0].start);
    let mut n_read = 0;
    while n_read < 100 {
        n_read += slow.read().expect("it goes on").len();
    }
    topic.make_again(1);
    topic.fill(numbered(0..50_000));
    let mut resume = Vec::new();
    let first_of_new = loop {
        slow.read().expect("it goes on");
        slow.reader.confirm(u64::MAX, &mut resume).expect("confirmed");
        if let Some(new) = resume.drain(..).find(|c| id_of(&c.resume) != old) {
            break offset(&new.resume);
        }
    };
    assert!(first_of_new <= 10, "the new topic is read from its first record on");
}

#[test]
fn error_of_one_topic_drops_no_record_of_another() {
    const N_RECORDS: u64 = 5000;
    let Some(brokers) = broker() else { return };
    let (lost, other) = (Topic::new(&brokers, "lost", 1), Topic::new(&brokers, "other", 1));
    other.fill(numbered(0..N_RECORDS));
    let (mut slow, _assigned) = Slow::open(&other.source().with_topic(&lost.name));
    lost.make_again(1);
    let (mut seen, mut errors) = (Vec::new(), Vec::new());
    while (seen.len() as u64) < N_RECORDS {
        match slow.read() {
            Ok(records) => seen.extend(numbers(&records)),
            Err(error) => {
                errors.push(error);
                assert!((seen.len() as u64) < N_RECORDS, "it came while records were read");
            }
        }
    }
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(seen.into_iter().eq(0..N_RECORDS));
}

/// A dataflow that copies the topic's records, with stored positions.
fn copy(name: &str, source: &Source) -> (Dataflow, Config, TestSink) {
    let (source, sink) = (source.clone(), TestSink::new());
    let out = sink.clone();
    let flow = Dataflow::new(name, move |flow| {
        flow.source("orders", source.clone()).sink("out", out.clone());
    });
    let state_dir = Some(env!("CARGO_TARGET_TMPDIR").into());
    (flow, Config { state_dir, ..Config::default() }, sink)
}

#[test]
fn dataflow_stops_when_its_topic_is_another() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "dataflow", 2);
    topic.fill(numbered(0..100));
    let (flow, config, sink) = copy(&topic.name, &topic.source());
    let handle = start_flow(&flow, config.clone()).expect("the graph is sound");
    let begin = Instant::now();
    while sink.len() < 100 {
        assert!(begin.elapsed() < LONG, "{} of 100 records came", sink.len());
        std::thread::park_timeout(Duration::from_millis(20));
    }
    topic.make_again(2);
    topic.fill(numbered(0..1000));
    let running = handle.wait().expect_err("it is noticed while running");
    let stopped = run(&flow, config).expect_err("and at the next start");
    for error in [running, stopped] {
        assert_eq!((error.code(), error.exit_code()), (codes::EXPIRED_POSITION, 6));
        assert!(error.report().contains("made again"), "{}", error.report());
    }
    let source = topic.source().with_expired(Expired::Earliest).until_end();
    let (anew, same_config, from_new) = copy(&topic.name, &source);
    run(&anew, same_config).expect("the policy says where to go on");
    assert_eq!(numbers(&from_new.records()), (0..1000).collect::<Vec<_>>());
}
