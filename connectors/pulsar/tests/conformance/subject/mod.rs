//! A real broker as the conformance suite wants to see it.

mod remembering;
mod secrets;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use millstream_conformance::{
    End, Expired, QUEUED_RECORDS, Secretive, SourceSetup, Start, Subject,
};
use millstream_engine::batch::OwnedRecord;
use millstream_engine::routing::TopicPolicy;
use millstream_engine::sink::{self, WhenFull};
use millstream_engine::source::{self, Partition};
use millstream_pulsar::{self as pulsar, MessageId, Mode, Sink};

use crate::feed::Feed;
use crate::own::Turn;
use crate::plain::Plain;
use remembering::{Remembering, Stored};

/// Topics that are made at once.
const N_AT_ONCE: usize = 8;

/// Records of an entry, so that cases see parts of batches; more where there are many, which would take long.
const BATCH: usize = 7;
const LARGE_BATCH: usize = 1_000;

/// More than the broker takes.
const TOO_LARGE: usize = (5 << 20) + 1;

/// A broker deletes whole ledgers, and never some records of one; with a subscription it keeps the position itself.
const NOT_OWED: [&str; 4] = [
    "expired_position_stops_reading",
    "expired_position_moves_to_the_earliest",
    "expired_position_moves_to_the_latest",
    "reading_resumes_at_stored_positions",
];

/// The broker of `MILLSTREAM_TEST_PULSAR`, or one that may be frozen, read in one mode.
#[derive(Debug)]
pub(crate) struct PulsarSubject {
    mode: Mode,
    /// The turn on the broker that may be frozen, where the case asked for it.
    turn: OnceLock<Option<Turn>>,
    stored: Stored,
    /// Where the records of each partition stand, in the order in which they were written.
    written: Mutex<BTreeMap<Partition, Vec<MessageId>>>,
    n_partitions: Mutex<BTreeMap<String, u32>>,
}

/// As the admin names it.
fn whole(topic: &str) -> String {
    format!("public/default/{topic}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PulsarSubject {
    pub(crate) fn new(mode: Mode) -> Self {
        let (stored, written) = (Stored::default(), Mutex::default());
        Self { mode, turn: OnceLock::new(), stored, written, n_partitions: Mutex::default() }
    }

    fn turn(&self) -> Option<&Turn> {
        self.turn.get()?.as_ref()
    }

    fn plain(&self) -> Plain {
        let own = self.turn().map(|turn| {
            let (address, admin) = turn.addresses();
            Plain::new(address, admin)
        });
        own.or_else(Plain::of_environment).expect("the case is skipped")
    }

    fn new_sink(&self, topic: &str) -> Sink {
        Sink::new(self.plain().address, topic)
    }

    /// As the topic was made, by us or by the sink.
    fn n_partitions(&self, topic: &str) -> u32 {
        let known = lock(&self.n_partitions).get(topic).copied();
        known.unwrap_or_else(|| self.plain().n_partitions(&whole(topic)))
    }

    /// The record of this number in a partition; one behind all where there are not so many.
    fn id_at(&self, topic: &str, index: u32, number: u64) -> MessageId {
        let written = lock(&self.written);
        let ids = written.get(&Partition::new(topic, index)).map_or(&[][..], Vec::as_slice);
        let number = usize::try_from(number).expect("a small number");
        let behind = MessageId { ledger: u64::MAX >> 1, entry: 0, index: None };
        ids.get(number).copied().unwrap_or(behind)
    }
}

impl Subject for PulsarSubject {
    fn unavailable(&self) -> Option<String> {
        let names = ["MILLSTREAM_TEST_PULSAR", "MILLSTREAM_TEST_PULSAR_HTTP"];
        let missing = names.into_iter().find(|name| std::env::var_os(name).is_none())?;
        Some(format!("{missing} is not set"))
    }

    fn not_owed(&self) -> &[&'static str] {
        if self.mode == Mode::Reader { &NOT_OWED[..3] } else { &NOT_OWED }
    }

    fn too_large(&self) -> usize {
        TOO_LARGE
    }

    fn text_headers(&self) -> bool {
        true
    }

    fn patience(&self) -> Duration {
        Duration::from_mins(1)
    }

    fn isolate(&self) {
        self.turn.get_or_init(Turn::take);
    }

    fn create_topic(&self, n_partitions: u32) -> String {
        let name = self.new_name();
        self.plain().create_named(&whole(&name), n_partitions);
        lock(&self.n_partitions).insert(name.clone(), n_partitions);
        name
    }

    fn create_topics(&self, n_topics: usize, n_partitions: u32) -> Vec<String> {
        let create =
            |n: usize| -> Vec<_> { (0..n).map(|_| self.create_topic(n_partitions)).collect() };
        let in_turn = n_topics / N_AT_ONCE;
        std::thread::scope(|scope| {
            let tasks: Vec<_> = (0..N_AT_ONCE).map(|_| scope.spawn(|| create(in_turn))).collect();
            let made = tasks.into_iter().flat_map(|task| task.join().expect("they are made"));
            made.chain(create(n_topics % N_AT_ONCE)).collect()
        })
    }

    fn new_name(&self) -> String {
        let name = Plain::new_name("public/default", "conformance");
        name.strip_prefix("public/default/").expect("in the default namespace").to_owned()
    }

    fn produce(&self, topic: &str, partition: u32, records: &[OwnedRecord]) {
        let name = format!("{}-partition-{partition}", whole(topic));
        let mut feed = Feed::open(&self.plain().address, &name);
        let mut written = lock(&self.written);
        let ids = written.entry(Partition::new(topic, partition)).or_default();
        // An entry has one time of publication, so records of several times go alone.
        let size = match records.len() {
            _ if records.iter().any(|record| record.time.is_some()) => 1,
            n if n > LARGE_BATCH => LARGE_BATCH,
            _ => BATCH,
        };
        for batch in records.chunks(size) {
            let id = feed.batch(batch.to_vec());
            ids.extend((0..).take(batch.len()).map(|index| MessageId { index: Some(index), ..id }));
        }
    }

    fn records(&self, topic: &str, n_expected: usize) -> Vec<OwnedRecord> {
        let mut records = self.plain().records(&whole(topic), self.n_partitions(topic), n_expected);
        for origin in records.iter_mut().filter_map(|record| record.origin.as_mut()) {
            origin.topic = topic.into();
        }
        records
    }

    fn source(&self, topic: &str, setup: &SourceSetup) -> Option<Box<dyn source::Source>> {
        let id_at = |(index, end): (&u32, &u64)| {
            (Partition::new(topic, *index), self.id_at(topic, *index, *end))
        };
        let source = pulsar::Source::new(&self.plain().address, topic)
            .with_mode(self.mode)
            .with_start(match setup.start {
                Start::Earliest => pulsar::Start::Earliest,
                Start::Latest => pulsar::Start::Latest,
            })
            .with_expired(match setup.expired {
                Expired::Stop => pulsar::Expired::Stop,
                Expired::Earliest => pulsar::Expired::Earliest,
                Expired::Latest => pulsar::Expired::Latest,
            })
            .with_end(match &setup.end {
                End::Never => pulsar::End::Never,
                End::Latest => pulsar::End::Latest,
                End::Time(millis) => pulsar::End::Timestamp(millis.unsigned_abs()),
                End::Positions(ends) => pulsar::End::Explicit(ends.iter().map(id_at).collect()),
            });
        if self.mode == Mode::Reader {
            let stored = self.stored.of(&setup.group);
            return Some(Box::new(Remembering { source, stored }));
        }
        Some(Box::new(source.with_subscription(&setup.group)))
    }

    fn sink(&self, topic: &str) -> Option<Box<dyn sink::Sink>> {
        Some(Box::new(self.new_sink(topic)))
    }

    fn small_sink(&self) -> Option<(String, Box<dyn sink::Sink>)> {
        let topic = self.create_topic(1);
        let sink = self.new_sink(&topic).with_queue_records(100).with_queue_bytes(10_000);
        Some((topic, Box::new(sink.with_linger(Duration::ZERO))))
    }

    /// A record waits for company for as long as `linger`, whatever the broker does.
    fn sink_of_ten(&self, when_full: WhenFull) -> Option<(String, Box<dyn sink::Sink>)> {
        let topic = self.create_topic(1);
        let sink = self.new_sink(&topic).with_queue_records(QUEUED_RECORDS);
        let sink = sink.with_linger(Duration::from_secs(1)).with_when_full(when_full);
        Some((topic, Box::new(sink)))
    }

    fn impatient_sink(&self) -> Option<(String, Box<dyn sink::Sink>)> {
        let topic = self.create_topic(2);
        let sink = self.new_sink(&topic).with_send_timeout(Duration::from_secs(3));
        Some((topic, Box::new(sink)))
    }

    fn secretive(&self, topic: &str) -> Option<Secretive> {
        Some(secrets::secretive(&self.plain().address, topic))
    }

    fn routed_sink(&self, policy: TopicPolicy) -> Option<Box<dyn sink::Sink>> {
        let plain = self.plain();
        Some(Box::new(Sink::routed(&plain.address, policy).with_admin_url(plain.admin_url())))
    }

    fn add_partitions(&self, topic: &str, n_more: u32) -> bool {
        let n_partitions = self.n_partitions(topic) + n_more;
        let path = format!("persistent/{}/partitions", whole(topic));
        let (status, said) = self.plain().admin("POST", &path, &n_partitions.to_string());
        assert!((200..300).contains(&status), "{said}");
        lock(&self.n_partitions).insert(topic.to_owned(), n_partitions);
        true
    }

    fn stall(&self, _topic: &str) -> bool {
        self.turn().is_some_and(Turn::freeze)
    }

    fn hold_confirmations(&self, topic: &str) -> bool {
        // Its kernel takes what is sent until its buffers are full, which a few records never are.
        self.stall(topic)
    }

    fn release(&self, _topic: &str) {
        assert!(self.turn().is_none_or(Turn::thaw), "the broker goes on");
    }

    /// More than the broker takes: it says how much when a connection is made.
    fn refuse(&self, _topic: &str) -> Option<Vec<u8>> {
        Some(vec![b'x'; TOO_LARGE])
    }
}
