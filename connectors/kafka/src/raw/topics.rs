//! What the cluster says of topics: above all their ids, which librdkafka tells in no other way.

use std::ffi::{CStr, CString, c_char};
use std::ptr::{NonNull, null_mut};
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::queue::Queue;
use super::{text, timeout_ms};
use crate::position::TopicId;

/// A topic as the cluster has it now.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) name: String,
    /// `None` from brokers that are older than topic ids.
    pub(crate) id: Option<TopicId>,
    pub(crate) n_partitions: u32,
    pub(crate) error: Option<RDKafkaErrorCode>,
}

/// Asks for topics; the answer comes to `answers`. No broker is waited for longer than `timeout`.
///
/// # Safety
/// `client` is alive, and `answers` is a queue of it.
pub(super) unsafe fn ask(
    client: *mut rd::rd_kafka_t,
    names: &[CString],
    timeout: Duration,
    answers: &Queue,
) {
    let mut names: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: names, options and queue are alive for the call, which copies them; what was made here is destroyed here. A
    // timeout that librdkafka refuses leaves its default.
    unsafe {
        let topics = rd::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        let kind = rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = rd::rd_kafka_AdminOptions_new(client, kind);
        rd::rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms(timeout), null_mut(), 0);
        rd::rd_kafka_DescribeTopics(client, topics, options, answers.as_ptr());
        rd::rd_kafka_AdminOptions_destroy(options);
        rd::rd_kafka_TopicCollection_destroy(topics);
    }
}

/// The oldest answer, once it is there; waits for that at most so long.
pub(super) fn answer(
    answers: &Queue,
    wait: Duration,
) -> Option<Result<Vec<Described>, RDKafkaErrorCode>> {
    // SAFETY: the queue is alive; the event is ours until it is destroyed, and what it holds is copied before.
    unsafe {
        let event = rd::rd_kafka_queue_poll(answers.as_ptr(), timeout_ms(wait));
        let event = NonNull::new(event)?.as_ptr();
        let outcome = match rd::rd_kafka_event_error(event) {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(all_of(event)),
            error => Err(error.into()),
        };
        rd::rd_kafka_event_destroy(event);
        Some(outcome)
    }
}

/// Copies what an answer holds.
///
/// # Safety
/// `event` is alive.
unsafe fn all_of(event: *mut rd::rd_kafka_event_t) -> Vec<Described> {
    // SAFETY: alive by the contract above; another kind of event has no result, and a result has as many topics as it says.
    unsafe {
        let result = rd::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Vec::new();
        }
        let mut n_topics = 0;
        let topics = rd::rd_kafka_DescribeTopics_result_topics(result, &raw mut n_topics);
        (0..n_topics).map(|at| one_of(*topics.add(at))).collect()
    }
}

/// Copies one topic of an answer.
///
/// # Safety
/// `topic` belongs to an event that is alive.
unsafe fn one_of(topic: *const rd::rd_kafka_TopicDescription_t) -> Described {
    let mut n_partitions = 0;
    // SAFETY: alive by the contract above. A topic without an error has no error, or one that says so.
    unsafe {
        rd::rd_kafka_TopicDescription_partitions(topic, &raw mut n_partitions);
        let error = rd::rd_kafka_TopicDescription_error(topic);
        let code = if error.is_null() {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
        } else {
            rd::rd_kafka_error_code(error)
        };
        Described {
            name: text(rd::rd_kafka_TopicDescription_name(topic)),
            id: id_of(rd::rd_kafka_TopicDescription_topic_id(topic)),
            n_partitions: u32::try_from(n_partitions).unwrap_or(u32::MAX),
            error: (code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| code.into()),
        }
    }
}

/// An id in the letters that Kafka's own tools use; `None` for one of zeros, which is none.
///
/// # Safety
/// `id` is null or an id that is alive.
unsafe fn id_of(id: *const rd::rd_kafka_Uuid_t) -> Option<TopicId> {
    if id.is_null() {
        return None;
    }
    // SAFETY: not null, and alive by the contract above.
    let (high, low, letters) = unsafe {
        (
            rd::rd_kafka_Uuid_most_significant_bits(id),
            rd::rd_kafka_Uuid_least_significant_bits(id),
            rd::rd_kafka_Uuid_base64str(id),
        )
    };
    if (high, low) == (0, 0) || letters.is_null() {
        return None;
    }
    // SAFETY: a C string that belongs to the id.
    let letters = unsafe { CStr::from_ptr(letters) }.to_string_lossy();
    Some(TopicId::new(&letters.replace('+', "-").replace('/', "_")))
}
