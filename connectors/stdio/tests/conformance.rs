//! A sink to streams keeps every promise of its contract that can concern it. A source of streams is read once, and from where it
//! stands: what the suite asks of sources does not fit, and `streams.rs` has its tests.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream_conformance::{QUEUED_RECORDS, Subject};
use millstream_engine::batch::OwnedRecord;
use millstream_engine::sink;
use millstream_stdio::{Sink, WhenFull};

millstream_conformance::conformance!(StreamSubject::default());

/// What was written, unless it is held back.
#[derive(Debug, Default)]
struct Pipe {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    is_held: bool,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, is_held: bool) {
        self.lock().is_held = is_held;
        self.changed.notify_all();
    }
}

/// Writes to a pipe; waits while it is held.
struct End(Arc<Pipe>);

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let state = self.0.changed.wait_while(self.0.lock(), |state| state.is_held);
        state.unwrap_or_else(PoisonError::into_inner).bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A topic is a pipe.
#[derive(Debug, Default)]
struct StreamSubject {
    pipes: Mutex<BTreeMap<String, Arc<Pipe>>>,
}

impl StreamSubject {
    fn pipe(&self, topic: &str) -> Arc<Pipe> {
        let pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&pipes[topic])
    }

    fn sink_to(&self, topic: &str) -> Sink {
        let pipe = self.pipe(topic);
        Sink::writing("pipe", move || Ok(Box::new(End(Arc::clone(&pipe)))))
    }
}

impl Subject for StreamSubject {
    /// All that asks for a source, for keys, headers or topics of records, for logins, or for a stream that refuses.
    fn not_owed(&self) -> &[&'static str] {
        &[
            "records_of_a_partition_arrive_in_order",
            "nothing_is_lost_or_repeated",
            "null_and_empty_are_read_apart",
            "batches_keep_within_their_limits",
            "read_waits_no_longer_than_asked",
            "idle_reader_does_not_spin",
            "read_returns_when_records_arrive",
            "unknown_topic_names_a_suggestion",
            "bounded_source_ends",
            "bounded_source_ends_without_records",
            "bounded_reader_ends_without_partitions",
            "reading_ends_before_positions",
            "reading_ends_before_a_time",
            "end_before_the_start_is_at_once",
            "reading_resumes_after_confirmed_batches",
            "reading_resumes_at_stored_positions",
            "unconfirmed_batches_are_never_committed",
            "expired_position_stops_reading",
            "expired_position_moves_to_the_earliest",
            "expired_position_moves_to_the_latest",
            "empty_partitions_are_not_skipped_later",
            "new_partitions_are_read_from_their_start",
            "reader_closes_within_its_deadline",
            "written_records_arrive_unchanged",
            "records_of_a_key_arrive_in_order",
            "refused_records_are_told_exactly_once",
            "given_up_records_are_told_once",
            "full_queue_sheds_load_to_the_error_stream",
            "full_queue_stops_the_dataflow_where_asked",
            "secrets_are_shown_nowhere",
            "routed_records_arrive_unchanged_where_they_say",
            "routed_records_of_a_key_keep_their_order",
            "many_topics_are_written_at_once",
            "unknown_topic_is_rejected_alone",
            "forbidden_topic_is_rejected_alone",
            "missing_topics_are_created_where_allowed",
            "topics_in_use_are_capped",
            "partition_said_is_honoured",
            "dataflow_copies_all_in_order",
            "stopped_dataflow_goes_on_exactly",
            "dataflow_stopped_at_once_loses_nothing",
            "error_carries_bytes_and_origin",
            "dead_letter_reads_back_as_its_record",
            "oversized_dead_letter_goes_without_its_value",
            "garbage_ends_as_dead_letters",
            "refused_records_leave_once",
            "full_queue_holds_the_dataflow_back",
        ]
    }

    fn values_only(&self) -> bool {
        true
    }

    fn create_topic(&self, _n_partitions: u32) -> String {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("pipe-{}", pipes.len());
        pipes.insert(name.clone(), Arc::default());
        name
    }

    /// Only a source would read it.
    fn produce(&self, _topic: &str, _partition: u32, _records: &[OwnedRecord]) {}

    fn records(&self, topic: &str, n_expected: usize) -> Vec<OwnedRecord> {
        let (pipe, deadline) = (self.pipe(topic), Instant::now() + self.patience());
        loop {
            let text = String::from_utf8(pipe.lock().bytes.clone()).expect("text");
            let records: Vec<_> = text.lines().map(OwnedRecord::of).collect();
            if records.len() >= n_expected || Instant::now() > deadline {
                return records;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn sink(&self, topic: &str) -> Option<Box<dyn sink::Sink>> {
        Some(Box::new(self.sink_to(topic)))
    }

    fn small_sink(&self) -> Option<(String, Box<dyn sink::Sink>)> {
        let topic = self.create_topic(1);
        let sink = self.sink_to(&topic).with_queue_records(100);
        Some((topic, Box::new(sink)))
    }

    fn sink_of_ten(&self, when_full: WhenFull) -> Option<(String, Box<dyn sink::Sink>)> {
        let topic = self.create_topic(1);
        let sink = self.sink_to(&topic).with_queue_records(QUEUED_RECORDS);
        Some((topic, Box::new(sink.with_when_full(when_full))))
    }

    fn stall(&self, topic: &str) -> bool {
        self.pipe(topic).hold(true);
        true
    }

    fn hold_confirmations(&self, topic: &str) -> bool {
        self.stall(topic)
    }

    fn release(&self, topic: &str) {
        self.pipe(topic).hold(false);
    }
}
