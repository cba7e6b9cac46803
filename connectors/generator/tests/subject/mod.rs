//! The generator as the conformance suite sees it.
//!
//! Nobody can produce into a generator: a topic is a list, and the source of it has a shape that writes what the list says. Where
//! a case needs a sink as well, it is one of the program's own, which appends to such a list.

mod kept;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kept::{Kept, Positions};
use millstream_conformance::{End, SourceSetup, Start, Subject};
use millstream_engine::batch::{Origin, OwnedRecord, RecordWriter};
use millstream_engine::error::codes;
use millstream_engine::{Error, ErrorKind, sink, source};
use millstream_generator::{Shape, Source};

/// The records of a topic, per partition.
type Lists = Vec<Vec<OwnedRecord>>;

/// A generator has partitions of equal length, whose records are there from the first to the last: it has no end or start but its
/// own, nothing expires, and nobody logs in. The sink here has no queue, routes nothing, and confirms as it writes.
const NOT_OWED: [&str; 36] = [
    "batches_keep_within_their_limits",
    "bounded_source_ends",
    "empty_partitions_are_not_skipped_later",
    "end_before_the_start_is_at_once",
    "error_carries_bytes_and_origin",
    "expired_position_moves_to_the_earliest",
    "expired_position_moves_to_the_latest",
    "expired_position_stops_reading",
    "forbidden_topic_is_rejected_alone",
    "full_queue_holds_the_dataflow_back",
    "full_queue_rejects_where_asked",
    "full_queue_sheds_load_to_the_error_stream",
    "full_queue_stops_the_dataflow_where_asked",
    "full_queue_waits",
    "garbage_ends_as_dead_letters",
    "given_up_records_are_told_once",
    "idle_reader_does_not_spin",
    "many_topics_are_written_at_once",
    "missing_topics_are_created_where_allowed",
    "new_partitions_are_read_from_their_start",
    "oversized_dead_letter_goes_without_its_value",
    "partition_said_is_honoured",
    "prefix_taken_is_never_sent_twice",
    "read_returns_when_records_arrive",
    "read_waits_no_longer_than_asked",
    "reader_closes_within_its_deadline",
    "reading_ends_before_a_time",
    "reading_ends_before_positions",
    "routed_records_arrive_unchanged_where_they_say",
    "routed_records_of_a_key_keep_their_order",
    "secrets_are_shown_nowhere",
    "stalled_sink_takes_less_and_never_blocks",
    "topics_in_use_are_capped",
    "unconfirmed_epoch_is_never_durable",
    "unknown_topic_is_rejected_alone",
    "unknown_topic_names_a_suggestion",
];

/// The lists of all topics.
type Topics = Arc<Mutex<BTreeMap<String, Lists>>>;

/// What a topic refuses that is told to.
const REFUSED: &[u8] = b"bad";

/// Lists by topic, and positions by topic and group.
#[derive(Debug, Default)]
pub(crate) struct GeneratorSubject {
    topics: Topics,
    /// Topics that refuse [`REFUSED`].
    refusing: Arc<Mutex<BTreeSet<String>>>,
    positions: Mutex<BTreeMap<(String, String), Positions>>,
}

impl GeneratorSubject {
    fn topics(&self) -> MutexGuard<'_, BTreeMap<String, Lists>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn positions(&self, topic: &str, group: &str) -> Positions {
        let mut all = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry((topic.to_owned(), group.to_owned())).or_default().clone()
    }
}

impl Subject for GeneratorSubject {
    fn not_owed(&self) -> &[&'static str] {
        &NOT_OWED
    }

    fn create_topic(&self, n_partitions: u32) -> String {
        let mut topics = self.topics();
        let name = format!("made-{}", topics.len());
        let n_partitions = usize::try_from(n_partitions).expect("a few");
        topics.insert(name.clone(), vec![Vec::new(); n_partitions]);
        name
    }

    fn produce(&self, topic: &str, partition: u32, records: &[OwnedRecord]) {
        let partition = usize::try_from(partition).expect("a few");
        let mut topics = self.topics();
        topics.get_mut(topic).expect("it was created")[partition].extend_from_slice(records);
    }

    fn records(&self, topic: &str, _n_expected: usize) -> Vec<OwnedRecord> {
        let mut lists = self.topics()[topic].clone();
        for (partition, list) in (0..).zip(&mut lists) {
            for (position, record) in (0..).zip(list) {
                record.origin = Some(Origin::new("generator", topic, partition));
                record.position = position;
            }
        }
        lists.concat()
    }

    fn refuse(&self, topic: &str) -> Option<Vec<u8>> {
        self.refusing.lock().unwrap_or_else(PoisonError::into_inner).insert(topic.to_owned());
        Some(REFUSED.to_vec())
    }

    /// None where a generator has no such thing: partitions of unequal length, records that come later, an end or a start of the
    /// reader's choice.
    fn source(&self, topic: &str, setup: &SourceSetup) -> Option<Box<dyn source::Source>> {
        let lists = self.topics().get(topic)?.clone();
        let n_records: usize = lists.iter().map(Vec::len).sum();
        let is_even = lists.iter().all(|list| list.len() == lists[0].len());
        let ends = match setup.end {
            End::Latest => true,
            End::Never => n_records > 0,
            End::Time(_) | End::Positions(_) => false,
        };
        if !is_even || !ends || setup.start == Start::Latest {
            return None;
        }
        let n_partitions = u32::try_from(lists.len()).ok()?;
        // Without an end a case means to stop it midway; it must not be done by then.
        let rate = if setup.end == End::Never { 200_000.0 } else { 10_000_000.0 };
        let source = Source::new(shape_of(topic, lists))
            .with_rate(rate)
            .with_count(u64::try_from(n_records).ok()?)
            .with_partitions(n_partitions);
        Some(Box::new(Kept { source, positions: self.positions(topic, &setup.group) }))
    }

    fn sink(&self, topic: &str) -> Option<Box<dyn sink::Sink>> {
        let (topics, refusing) = (Arc::clone(&self.topics), Arc::clone(&self.refusing));
        let topic = topic.to_owned();
        Some(Box::new(sink::from_fn(move |record| {
            let is_refusing = refusing.lock().map_err(|e| e.to_string())?.contains(&topic);
            if is_refusing && record.value() == Some(REFUSED) {
                return Err("as asked".into());
            }
            let mut all = topics.lock().map_err(|e| e.to_string())?;
            let lists = all.get_mut(&topic).ok_or("there is no such topic")?;
            let by_key =
                record.key().unwrap_or_default().iter().map(|b| u32::from(*b)).sum::<u32>();
            let n_partitions = u32::try_from(lists.len())?;
            let partition = record.destination().partition.unwrap_or(by_key % n_partitions);
            let list = lists
                .get_mut(usize::try_from(partition)?)
                .ok_or_else(|| no_partition(&topic, partition))?;
            list.push(record.to_owned());
            Ok(())
        })))
    }
}

fn no_partition(topic: &str, partition: u32) -> Error {
    Error::new(ErrorKind::BadItem, codes::UNKNOWN_TOPIC, "write to a partition that is not there")
        .at_partition(topic, partition)
}

fn shape_of(topic: &str, lists: Lists) -> Shape {
    let lists = Arc::new(lists);
    Shape::from_fn(topic, move |number, _, out| {
        let number = usize::try_from(number).expect("a few");
        write(&lists[number % lists.len()][number / lists.len()], out);
    })
}

fn write(record: &OwnedRecord, out: &mut RecordWriter<'_>) {
    if let Some(key) = &record.key {
        out.key(key);
    }
    if let Some(value) = &record.value {
        out.value(value);
    }
    for (name, value) in &record.headers {
        out.header(name, value.as_deref());
    }
    if let Some(time) = record.time {
        out.time(time);
    }
}
