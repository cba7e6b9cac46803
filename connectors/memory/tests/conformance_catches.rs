//! The conformance suite fails where a connector breaks a promise: a check that cannot fail is worth nothing.

mod subject;

use subject::MemorySubject;

millstream_conformance::conformance_catches! { MemorySubject::default();
    lost_record: LosesARecord fails reading::nothing_is_lost_or_repeated saying "no record is lost";
    repeated_record: RepeatsARecord fails reading::nothing_is_lost_or_repeated saying "no record is read twice";
    reordered_records: Reorders fails reading::records_of_a_partition_arrive_in_order saying "come in order";
    null_read_as_empty: ReadsNullAsEmpty fails reading::null_and_empty_are_read_apart saying "values are kept apart";
    overfull_batch: FillsBatchesTwice fails reading::batches_keep_within_their_limits saying "a batch takes no record";
    empty_batch: ReturnsEmptyBatches fails reading::read_waits_no_longer_than_asked saying "told when there are some";
    overlong_wait: WaitsTooLong fails reading::read_waits_no_longer_than_asked saying "no longer than asked";
    busy_loop: NeverWaits fails reading::idle_reader_does_not_spin saying "waits when there is nothing";
    late_return: NeverReturnsEarly fails reading::read_returns_when_records_arrive saying "as soon as";
    missing_end: NeverEnds fails ends::bounded_source_ends saying "a bounded source ends";
    missing_end_without_records: NeverEnds fails ends::bounded_source_ends_without_records saying "a bounded source ends";
    missing_end_without_partitions: NeverEnds fails ends::bounded_reader_ends_without_partitions saying "a bounded source ends";
    end_at_positions_ignored: IgnoresTheEnd fails ends::reading_ends_before_positions saying "ends at its end";
    end_at_a_time_ignored: IgnoresTheEnd fails ends::reading_ends_before_a_time saying "of a time";
    end_before_the_start_ignored: IgnoresTheEnd fails ends::end_before_the_start_is_at_once saying "at once";
    missing_hint: GivesNoHint fails reading::unknown_topic_names_a_suggestion saying "names the topic of a like name";
    commit_of_too_little: CommitsTooLittle fails positions::reading_resumes_after_confirmed_batches saying "one position";
    commit_of_too_much: CommitsUnconfirmed fails positions::unconfirmed_batches_are_never_committed saying "comes again";
    stored_position_ignored: IgnoresStoredPositions fails positions::reading_resumes_at_stored_positions saying "stored positions";
    expiry_hidden: HidesExpiry fails positions::expired_position_stops_reading saying "an expired position is an error";
    policy_earliest_ignored: IgnoresThePolicy fails positions::expired_position_moves_to_the_earliest saying "opening the source again";
    policy_latest_ignored: IgnoresThePolicy fails positions::expired_position_moves_to_the_latest saying "opening the source again";
    policy_mixed_up: HidesExpiry fails positions::expired_position_moves_to_the_latest saying "nothing old is read";
    empty_partition_skipped: PinsNothing fails positions::empty_partitions_are_not_skipped_later saying "between two runs";
    new_partition_skipped: TreatsNewPartitionsAsOld fails positions::new_partitions_are_read_from_their_start saying "from its first record";
    late_close: ClosesLate fails positions::reader_closes_within_its_deadline saying "by its deadline";
    null_written_as_empty: WritesNullAsEmpty fails writing::written_records_arrive_unchanged saying "values are kept apart";
    reordered_writes: ReordersWrites fails writing::records_of_a_key_arrive_in_order saying "keep their order";
    prefix_sent_twice: SendsAPrefixTwice fails writing::prefix_taken_is_never_sent_twice saying "not sent again";
    rest_lost: LosesTheRest fails writing::prefix_taken_is_never_sent_twice saying "takes less";
    wake_forgotten: NeverWakes fails writing::prefix_taken_is_never_sent_twice saying "wakes its operator";
    rejection_swallowed: SwallowsRejections fails writing::refused_records_are_told_exactly_once saying "lost in silence";
    rejection_told_twice: TellsRejectionsTwice fails writing::refused_records_are_told_exactly_once saying "exactly once";
    confirmed_too_early: ConfirmsTooEarly fails writing::unconfirmed_epoch_is_never_durable saying "not durable";
    origin_forgotten: ForgetsOrigins fails errors::error_carries_bytes_and_origin saying "where its record came from";
    headers_left_out: LeavesHeadersOut fails errors::dead_letter_reads_back_as_its_record saying "own headers come first";
    null_set_aside_as_empty: WritesNullAsEmpty fails errors::dead_letter_reads_back_as_its_record saying "values are kept apart";
    value_left_out_in_silence: LeavesHeadersOut fails errors::oversized_dead_letter_goes_without_its_value saying "a dead letter";
    garbage_holds_positions: CommitsTooLittle fails errors::garbage_ends_as_dead_letters saying "positions move past garbage";
    refusal_swallowed: SwallowsRejections fails errors::refused_records_leave_once saying "leaves once";
    refusal_told_twice: TellsRejectionsTwice fails errors::refused_records_leave_once saying "leaves once";
    rest_given_up: LosesTheRest fails errors::full_queue_holds_the_dataflow_back saying "everything arrives";
    stall_unnoticed: LosesTheRest fails writing::stalled_sink_takes_less_and_never_blocks saying "nothing is durable";
}
