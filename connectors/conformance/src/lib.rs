//! The promises of the source and sink contracts, as tests that every connector runs.
//!
//! A connector implements [`Subject`] and writes, in `tests/conformance.rs`:
//!
//! ```text
//! millstream_conformance::conformance!(MySubject::new());
//! ```
//!
//! Each case becomes a test of its own, on a subject of its own. What a connector cannot do is skipped with a line
//! `SKIPPED: case: why`, or, where it is in the nature of the connector and its subject says so, `NOT OWED: case: why`. A suite that cannot fail proves nothing: [`Broken`] makes any subject break one promise, and
//! [`conformance_catches!`] checks that the case for it fails.

mod broken;
pub mod cases;
mod reading;
mod run;
mod subject;
mod writing;

pub use broken::{Broken, Fault};
pub use run::{Case, Skipped, assert_caught, run};
pub use subject::{End, Expired, QUEUED_RECORDS, Secretive, SourceSetup, Start, Subject};

/// Makes one test of every case; the expression makes the subject, once per test.
#[macro_export]
macro_rules! conformance {
    ($subject:expr) => {
        $crate::conformance!(@tests $subject; reading:
            records_of_a_partition_arrive_in_order,
            nothing_is_lost_or_repeated,
            null_and_empty_are_read_apart,
            batches_keep_within_their_limits,
            read_waits_no_longer_than_asked,
            idle_reader_does_not_spin,
            read_returns_when_records_arrive,
            unknown_topic_names_a_suggestion,
        );
        $crate::conformance!(@tests $subject; ends:
            bounded_source_ends,
            bounded_source_ends_without_records,
            bounded_reader_ends_without_partitions,
            reading_ends_before_positions,
            reading_ends_before_a_time,
            end_before_the_start_is_at_once,
        );
        $crate::conformance!(@tests $subject; positions:
            reading_resumes_after_confirmed_batches,
            reading_resumes_at_stored_positions,
            unconfirmed_batches_are_never_committed,
            expired_position_stops_reading,
            expired_position_moves_to_the_earliest,
            expired_position_moves_to_the_latest,
            empty_partitions_are_not_skipped_later,
            new_partitions_are_read_from_their_start,
            reader_closes_within_its_deadline,
        );
        $crate::conformance!(@tests $subject; writing:
            written_records_arrive_unchanged,
            records_of_a_key_arrive_in_order,
            prefix_taken_is_never_sent_twice,
            refused_records_are_told_exactly_once,
            unconfirmed_epoch_is_never_durable,
            stalled_sink_takes_less_and_never_blocks,
            given_up_records_are_told_once,
        );
        $crate::conformance!(@tests $subject; full:
            full_queue_waits,
            full_queue_rejects_where_asked,
            full_queue_sheds_load_to_the_error_stream,
            full_queue_stops_the_dataflow_where_asked,
        );
        $crate::conformance!(@tests $subject; secrets:
            secrets_are_shown_nowhere,
        );
        $crate::conformance!(@tests $subject; routing:
            routed_records_arrive_unchanged_where_they_say,
            routed_records_of_a_key_keep_their_order,
            many_topics_are_written_at_once,
            unknown_topic_is_rejected_alone,
            forbidden_topic_is_rejected_alone,
            missing_topics_are_created_where_allowed,
            topics_in_use_are_capped,
            partition_said_is_honoured,
        );
        $crate::conformance!(@tests $subject; dataflows:
            dataflow_copies_all_in_order,
            stopped_dataflow_goes_on_exactly,
            dataflow_stopped_at_once_loses_nothing,
        );
        $crate::conformance!(@tests $subject; errors:
            error_carries_bytes_and_origin,
            dead_letter_reads_back_as_its_record,
            oversized_dead_letter_goes_without_its_value,
            garbage_ends_as_dead_letters,
            refused_records_leave_once,
            full_queue_holds_the_dataflow_back,
        );
    };
    (@tests $subject:expr; $group:ident: $($case:ident),+ $(,)?) => {
        $(
            #[test]
            fn $case() {
                $crate::run(stringify!($case), &$subject, $crate::cases::$group::$case);
            }
        )+
    };
}

/// Makes one test per fault: on a subject broken that way, the case named must fail, and say the words given.
#[macro_export]
macro_rules! conformance_catches {
    ($subject:expr; $($test:ident: $fault:ident fails $group:ident::$case:ident saying $words:literal;)+) => {
        $(
            #[test]
            fn $test() {
                let broken = $crate::Broken::new($subject, $crate::Fault::$fault);
                $crate::assert_caught(&broken, $crate::cases::$group::$case, $words);
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    /// A case that no list names would never run.
    #[test]
    fn every_case_is_listed() {
        let listed = include_str!("lib.rs");
        for group in [
            include_str!("cases/reading.rs"),
            include_str!("cases/ends.rs"),
            include_str!("cases/positions.rs"),
            include_str!("cases/writing.rs"),
            include_str!("cases/full.rs"),
            include_str!("cases/secrets.rs"),
            include_str!("cases/routing.rs"),
            include_str!("cases/dataflows.rs"),
            include_str!("cases/errors.rs"),
        ] {
            let names =
                group.lines().filter_map(|line| line.strip_prefix("pub fn ")?.split('(').next());
            for name in names {
                assert!(listed.contains(&format!("            {name},\n")), "{name} is not listed");
            }
        }
    }
}
