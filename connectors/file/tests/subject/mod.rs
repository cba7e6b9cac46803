//! Files as the conformance suite wants to see them: a topic is a folder, a partition a file in it.

mod remembering;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use millstream_conformance::{End, Expired, QUEUED_RECORDS, SourceSetup, Start, Subject};
use millstream_engine::batch::OwnedRecord;
use millstream_engine::sink::WhenFull;
use millstream_engine::{sink, source};
use millstream_file as file;
use remembering::{Remembering, Stored};
use tempfile::TempDir;

/// A folder of its own.
#[derive(Debug)]
pub(crate) struct FileSubject {
    folder: TempDir,
    n_topics: AtomicU64,
    stored: Stored,
    /// Locks that writers wait for, by topic.
    held: Mutex<BTreeMap<String, File>>,
}

impl Default for FileSubject {
    fn default() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
            n_topics: AtomicU64::new(0),
            stored: Stored::default(),
            held: Mutex::default(),
        }
    }
}

/// The file of a partition; the path of a file is that of its only partition.
fn path(topic: &str, partition: u32) -> PathBuf {
    let topic = PathBuf::from(topic);
    if topic.is_file() { topic } else { topic.join(format!("{partition}.txt")) }
}

fn append(topic: &str, partition: u32) -> File {
    let options = OpenOptions::new().create(true).append(true).open(path(topic, partition));
    options.expect("the folder exists")
}

impl FileSubject {
    fn sink_of(topic: &str) -> file::Sink {
        file::Sink::new(path(topic, 0)).with_sync_interval(Duration::from_millis(5))
    }
}

impl Subject for FileSubject {
    /// Files have no times, no numbers of records, no keys, headers or topics of records, no logins, and refuse nobody; a writer waits
    /// for its disk as long as it takes. What is refused by the connector itself is shown by its own tests.
    fn not_owed(&self) -> &[&'static str] {
        &[
            "null_and_empty_are_read_apart",
            "reading_ends_before_positions",
            "reading_ends_before_a_time",
            "end_before_the_start_is_at_once",
            "written_records_arrive_unchanged",
            "records_of_a_key_arrive_in_order",
            "refused_records_are_told_exactly_once",
            "given_up_records_are_told_once",
            "secrets_are_shown_nowhere",
            "routed_records_arrive_unchanged_where_they_say",
            "routed_records_of_a_key_keep_their_order",
            "many_topics_are_written_at_once",
            "unknown_topic_is_rejected_alone",
            "forbidden_topic_is_rejected_alone",
            "missing_topics_are_created_where_allowed",
            "topics_in_use_are_capped",
            "partition_said_is_honoured",
            "dead_letter_reads_back_as_its_record",
            "oversized_dead_letter_goes_without_its_value",
            "garbage_ends_as_dead_letters",
            "refused_records_leave_once",
        ]
    }

    fn values_only(&self) -> bool {
        true
    }

    fn place(&self, topic: &str, partition: u32) -> (String, u32) {
        (path(topic, partition).display().to_string(), 0)
    }

    fn create_topic(&self, n_partitions: u32) -> String {
        let number = self.n_topics.fetch_add(1, Ordering::Relaxed);
        let topic = self.folder.path().join(format!("orders-{number}"));
        fs::create_dir(&topic).expect("a fresh name");
        let topic = topic.display().to_string();
        (0..n_partitions).for_each(|partition| drop(append(&topic, partition)));
        topic
    }

    fn produce(&self, topic: &str, partition: u32, records: &[OwnedRecord]) {
        let mut bytes = Vec::new();
        for record in records {
            bytes.extend_from_slice(record.value.as_deref().expect("cases know what files hold"));
            bytes.push(b'\n');
        }
        append(topic, partition).write_all(&bytes).expect("there is room");
    }

    fn records(&self, topic: &str, n_expected: usize) -> Vec<OwnedRecord> {
        let deadline = Instant::now() + self.patience();
        loop {
            let mut files: Vec<_> =
                fs::read_dir(topic).expect("it exists").flatten().map(|e| e.path()).collect();
            files.sort();
            let texts = files.iter().map(|path| fs::read_to_string(path).expect("text"));
            let all = texts.collect::<String>();
            let records: Vec<_> = all.lines().map(OwnedRecord::of).collect();
            if records.len() >= n_expected || Instant::now() > deadline {
                return records;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn source(&self, topic: &str, setup: &SourceSetup) -> Option<Box<dyn source::Source>> {
        let source = file::Source::new(PathBuf::from(topic).join("*.txt"))
            .with_poll_interval(Duration::from_millis(10))
            .with_start(match setup.start {
                Start::Earliest => file::Start::Earliest,
                Start::Latest => file::Start::Latest,
            })
            .with_expired(match setup.expired {
                Expired::Stop => file::Expired::Stop,
                Expired::Earliest => file::Expired::Earliest,
                Expired::Latest => file::Expired::Latest,
            });
        let source = match setup.end {
            End::Never => source,
            End::Latest => source.until_end(),
            End::Time(_) | End::Positions(_) => return None,
        };
        let stored = self.stored.of(&setup.group);
        Some(Box::new(Remembering { source, stored }))
    }

    fn sink(&self, topic: &str) -> Option<Box<dyn sink::Sink>> {
        Some(Box::new(Self::sink_of(topic)))
    }

    fn small_sink(&self) -> Option<(String, Box<dyn sink::Sink>)> {
        let topic = self.create_topic(1);
        let sink = Self::sink_of(&topic).with_queue_records(100);
        Some((topic, Box::new(sink)))
    }

    fn sink_of_ten(&self, when_full: WhenFull) -> Option<(String, Box<dyn sink::Sink>)> {
        let topic = self.create_topic(1);
        let sink = Self::sink_of(&topic).with_queue_records(QUEUED_RECORDS);
        Some((topic, Box::new(sink.with_when_full(when_full))))
    }

    fn add_partitions(&self, topic: &str, n_more: u32) -> bool {
        let n_files =
            u32::try_from(fs::read_dir(topic).expect("it exists").count()).expect("a few");
        (n_files..n_files + n_more).for_each(|partition| drop(append(topic, partition)));
        true
    }

    /// Writes what is left to another file, and puts that in its place.
    fn expire(&self, topic: &str, partition: u32, n_records: u64) -> bool {
        let path = path(topic, partition);
        let text = fs::read_to_string(&path).expect("text");
        let n_records = usize::try_from(n_records).expect("a few");
        let kept: String = text.lines().skip(n_records).flat_map(|line| [line, "\n"]).collect();
        let other = self.folder.path().join("other");
        fs::write(&other, kept).and_then(|()| fs::rename(&other, &path)).expect("there is room");
        true
    }

    /// Whoever holds the file's lock holds back those that append to it.
    fn stall(&self, topic: &str) -> bool {
        let file = append(topic, 0);
        file.lock().expect("nobody holds it for long");
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(topic.to_owned(), file);
        true
    }

    fn hold_confirmations(&self, topic: &str) -> bool {
        self.stall(topic)
    }

    fn release(&self, topic: &str) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }
}
