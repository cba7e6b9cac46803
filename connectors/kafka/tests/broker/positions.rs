//! Where reading starts, ends and goes on.

use std::time::{Duration, Instant};

use millstream_engine::batch::{OwnedRecord, Record, RecordBatch};
use millstream_engine::error::{ErrorKind, codes};
use millstream_engine::source::{Confirmed, Found, ResumePosition, Source as _};
use millstream_kafka::{Expired, Source, Start};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::support::{LONG, Reading, Topic, broker, numbered, numbers, offset, open_context};

#[test]
fn reading_goes_on_where_it_was_confirmed() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "resume", 4);
    topic.fill(numbered(0..20_000));
    let (source, open) = (topic.source().until_end(), open_context());
    let mut first = Reading::open_at(&source, true, &open, &[]);
    let (mut read, mut per_batch) = (Vec::new(), Vec::new());
    while read.len() < 12_000 {
        let batch = first.batch().expect("there is more").iter().map(Record::to_owned);
        let before = read.len();
        read.extend(batch);
        per_batch.push(read.len() - before);
    }
    // The last two batches are never confirmed, so they come again.
    let n_confirmed = first.n_batches - 2;
    let stored = first.confirm(n_confirmed);
    assert!(!stored.is_empty() && first.confirm(0).is_empty());
    first.reader.close(LONG).expect("the last commit gets through");
    let n_batches = per_batch.iter().filter(|n_records| **n_records > 0).count();
    assert_eq!(n_batches as u64, first.n_batches);
    let with_records: Vec<_> = per_batch.into_iter().filter(|n_records| *n_records > 0).collect();
    let durable: usize = with_records[..with_records.len() - 2].iter().sum();
    let mut from_group = Reading::open_at(&source, true, &open, &[]);
    let mut from_store = Reading::open_at(&source, true, &open_context(), &stored);
    for rest in [from_store.read_all(), from_group.read_all()] {
        let mut all = read[..durable].to_vec();
        all.extend(rest);
        assert_eq!(numbers(&all), (0..20_000).collect::<Vec<_>>());
    }
}

#[test]
fn bounded_source_ends_with_an_empty_partition() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "bounded", 6);
    topic.fill((0..10).map(|n| OwnedRecord::of(n.to_string()).with_key("one partition")));
    let mut reading = Reading::open(&topic.source().until_end(), true);
    assert_eq!(reading.read_all().len(), 10);
    let empty = Topic::new(&brokers, "empty", 2);
    assert!(Reading::open(&empty.source().until_end(), true).read_all().is_empty());
}

#[test]
fn bounded_source_ends_behind_aborted_transactions() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "aborted", 1);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .set("transactional.id", &topic.name)
        .create()
        .expect("a producer");
    producer.init_transactions(LONG).expect("transactions");
    for (value, commits) in
        [("kept", true), ("dropped", false), ("also kept", true), ("dropped", false)]
    {
        producer.begin_transaction().expect("begun");
        producer.send(BaseRecord::<(), str>::to(&topic.name).payload(value)).expect("sent");
        producer.flush(LONG).expect("written");
        if commits {
            producer.commit_transaction(LONG).expect("committed");
        } else {
            producer.abort_transaction(LONG).expect("aborted");
        }
    }
    let read = Reading::open(&topic.source().until_end(), true).read_all();
    let texts: Vec<_> = read.iter().filter_map(|record| record.text()).collect();
    assert_eq!(texts, ["kept", "also kept"]);
    assert_eq!(read.iter().map(|record| record.position).collect::<Vec<_>>(), [0, 4]);
}

#[test]
fn new_partitions_join_without_loss() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "growing", 2);
    topic.fill(numbered(0..5000));
    let source = topic.source().with_start(Start::Latest);
    let mut reading = Reading::open(&source, false);
    topic.fill(numbered(0..5000));
    let mut read = reading.take(2500);
    topic.add_partitions(5);
    topic.fill(numbered(5000..10_000));
    let start = Instant::now();
    let new = loop {
        let found = reading.finder.find().expect("partitions");
        let new: Vec<_> = found.into_iter().filter(|partition| partition.index >= 2).collect();
        if new.len() == 3 {
            break new;
        }
        assert!(start.elapsed() < LONG);
    };
    let wanted: Vec<_> = new.into_iter().map(|partition| (partition, None)).collect();
    let assignments = reading.finder.resolve(&wanted, Found::WhileRunning).expect("positions");
    assert!(assignments.iter().all(|assignment| offset(&assignment.start) == 0));
    reading.finder.pin(&assignments).expect("pinned");
    reading.reader.assign(&assignments).expect("assigned");
    let left = 10_000 - read.len();
    read.extend(reading.take(left));
    assert_eq!(numbers(&read), (0..10_000).collect::<Vec<_>>());
    assert!(reading.batch().expect("it goes on").is_empty(), "nothing comes twice");
    assert!(reading.reader.lag().is_some_and(|lag| lag == 0));
}

#[test]
fn start_setting_decides_the_first_record() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "start", 1);
    topic.fill(numbered(0..100).map(|record| OwnedRecord {
        time:
            record.text().and_then(|text| text.parse::<i64>().ok()).map(|n| 1_700_000_000_000 + n),
        ..record
    }));
    let first = |source: Source| {
        let read = Reading::open(&source.until_end(), true).read_all();
        read.first().map(|record| record.position)
    };
    assert_eq!(first(topic.source()), Some(0));
    assert_eq!(first(topic.source().with_start(Start::Latest)), None);
    assert_eq!(first(topic.source().with_start(Start::Timestamp(1_700_000_000_040))), Some(40));
    assert_eq!(first(topic.source().with_start(Start::Timestamp(1_800_000_000_000))), None);
    assert_eq!(first(topic.source().with_positions([(topic.partition(0), 77)])), Some(77));
}

#[test]
fn expired_position_names_the_choices() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "expired", 1);
    topic.fill(numbered(0..100));
    topic.delete_before(0, 60);
    let stored = |position: &str| [(topic.partition(0), Some(ResumePosition(position.to_owned())))];
    let resolve = |source: Source, position: &str| {
        let mut finder = source.finder(&open_context()).expect("a finder");
        finder.resolve(&stored(position), Found::AtStart).map(|found| offset(&found[0].start))
    };
    let error = resolve(topic.source(), "10").expect_err("it has expired");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Corrupt, codes::EXPIRED_POSITION));
    let report = error.report();
    for part in ["position 10", "has position 60", "Earliest", "Latest", "Stop", &topic.name] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert_eq!(resolve(topic.source().with_expired(Expired::Earliest), "10").ok(), Some(60));
    assert_eq!(resolve(topic.source().with_expired(Expired::Latest), "10").ok(), Some(100));
    assert_eq!(resolve(topic.source(), "60").ok(), Some(60));
    assert_eq!(resolve(topic.source(), "100").ok(), Some(100));
    let beyond = resolve(topic.source(), "101").expect_err("the topic ends before").report();
    assert!(beyond.contains("101") && beyond.contains("100"), "{beyond}");
}

#[test]
fn position_that_expires_while_reading_follows_the_policy() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "expiring", 1);
    topic.fill(numbered(0..100));
    let assign = |source: &Source| {
        let open = open_context();
        let mut finder = source.finder(&open).expect("a finder");
        let assignments =
            finder.resolve(&[(topic.partition(0), None)], Found::AtStart).expect("positions");
        (open, assignments)
    };
    let (stop, earliest) = (topic.source(), topic.source().with_expired(Expired::Earliest));
    let (stop_at, earliest_at) = (assign(&stop), assign(&earliest));
    topic.delete_before(0, 60);
    let mut reading = Reading::assigned(&earliest, false, &earliest_at.0, &earliest_at.1);
    assert_eq!(numbers(&reading.take(40)), (60..100).collect::<Vec<_>>());
    let mut stopping = Reading::assigned(&stop, false, &stop_at.0, &stop_at.1);
    let mut batch = RecordBatch::default();
    let start = Instant::now();
    let error = loop {
        match stopping.reader.read(&mut batch, Duration::from_secs(1)) {
            Ok(_) => assert!(start.elapsed() < LONG && batch.is_empty(), "no record may come"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), codes::EXPIRED_POSITION);
    assert!(error.report().contains("Expired::Earliest"), "{}", error.report());
}

#[test]
fn deleted_topic_ends_reading_with_its_name() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "deleted", 1);
    topic.fill(numbered(0..10));
    let mut reading = Reading::open(&topic.source(), false);
    reading.take(10);
    topic.delete();
    let (mut batch, start) = (RecordBatch::default(), Instant::now());
    let error = loop {
        match reading.reader.read(&mut batch, Duration::from_secs(1)) {
            Ok(_) => assert!(start.elapsed() < LONG, "the deletion was never noticed"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), codes::UNKNOWN_TOPIC);
    assert!(error.report().contains(&topic.name));
}

#[test]
fn confirmed_positions_reach_the_group() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "group", 1);
    topic.fill(numbered(0..10));
    let open = open_context();
    let mut reading = Reading::open_at(&topic.source(), false, &open, &[]);
    reading.take(10);
    let n_batches = reading.n_batches;
    let confirmed = reading.confirm(n_batches);
    let [Confirmed { partition, resume }] = confirmed.as_slice() else {
        panic!("one position a partition: {confirmed:?}")
    };
    assert_eq!((partition, offset(resume)), (&topic.partition(0), 10));
    let start = Instant::now();
    loop {
        let wanted = [(topic.partition(0), None)];
        let found = reading.finder.resolve(&wanted, Found::AtStart).expect("positions");
        if found[0].committed.as_ref().is_some_and(|committed| committed == resume) {
            break;
        }
        assert!(start.elapsed() < LONG, "the commit never arrived");
    }
    reading.reader.close(LONG).expect("closed");
}
