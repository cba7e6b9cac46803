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
    missing_end: NeverEnds fails reading::bounded_source_ends saying "a bounded source ends";
    missing_end_without_records: NeverEnds fails reading::bounded_source_ends_without_records saying "a bounded source ends";
    missing_end_without_partitions: NeverEnds fails reading::bounded_reader_ends_without_partitions saying "a bounded source ends";
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
    all_in_one_topic: RoutesAllToOneTopic fails routing::routed_records_arrive_unchanged_where_they_say saying "go where they say";
    reordered_in_a_topic: ReordersWrites fails routing::routed_records_of_a_key_keep_their_order saying "keep their order";
    many_topics_mixed_up: RoutesAllToOneTopic fails routing::many_topics_are_written_at_once saying "every topic gets its records";
    unknown_topic_created: CreatesUnasked fails routing::unknown_topic_is_rejected_alone saying "exactly once";
    routed_rejection_swallowed: SwallowsRejections fails routing::unknown_topic_is_rejected_alone saying "exactly once";
    routed_rejection_told_twice: TellsRejectionsTwice fails routing::forbidden_topic_is_rejected_alone saying "exactly once";
    forbidden_topic_written: IgnoresTheAllowList fails routing::forbidden_topic_is_rejected_alone saying "exactly once";
    topic_not_created: NeverCreates fails routing::missing_topics_are_created_where_allowed saying "topics are created";
    cap_ignored: IgnoresTheCap fails routing::topics_in_use_are_capped saying "the cap on topics";
    partition_forgotten: ForgetsPartitions fails routing::partition_said_is_honoured saying "records with a partition arrive";
    stall_unnoticed: LosesTheRest fails writing::stalled_sink_takes_less_and_never_blocks saying "nothing is durable";
}
