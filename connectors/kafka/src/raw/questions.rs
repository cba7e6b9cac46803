//! Questions about many topics at once, put to the cluster by a producing client. They wait, so a thread of their own puts them.

use std::ffi::{CString, c_char};
use std::ptr::{NonNull, null_mut};
use std::time::Duration;

use rd::rd_kafka_admin_op_t as Question;
use rdkafka::bindings as rd;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::client::Client;
use super::queue::Queue;
use super::{text, timeout_ms};

/// What the client may take longer than the cluster, to tell that the cluster did not answer.
const GRACE: Duration = Duration::from_secs(1);

/// What the cluster says of one topic: its partitions, or an error.
pub(crate) type Answered = (String, Result<u32, RDKafkaErrorCode>);

impl Client {
    /// Asks how many partitions each of these topics has. None is created by the question.
    pub(crate) fn describe(
        &self,
        names: &[&str],
        timeout: Duration,
    ) -> Result<Vec<Answered>, RDKafkaErrorCode> {
        let names = c_names(names);
        let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        // SAFETY: the names are copied by the collection, which is alive until it is destroyed.
        let event = unsafe {
            let list =
                rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            let event = self.ask(Question::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout, |to| {
                rd::rd_kafka_DescribeTopics(self.as_ptr(), list, to.options, to.queue);
            });
            rd::rd_kafka_TopicCollection_destroy(list);
            event?
        };
        let mut n_topics = 0;
        // SAFETY: the event is an answer to this question and outlives what is read of it.
        unsafe {
            let result = rd::rd_kafka_event_DescribeTopics_result(event.0.as_ptr());
            let topics = rd::rd_kafka_DescribeTopics_result_topics(result, &raw mut n_topics);
            Ok((0..n_topics).map(|at| described(*topics.add(at))).collect())
        }
    }

    /// Creates topics with the cluster's default replication, and says what became of each.
    pub(crate) fn create(
        &self,
        names: &[&str],
        n_partitions: u32,
        timeout: Duration,
    ) -> Result<Vec<Answered>, RDKafkaErrorCode> {
        let count = i32::try_from(n_partitions).unwrap_or(i32::MAX);
        let mut reason = [0 as c_char; 512];
        // SAFETY: each new topic copies its name, and is destroyed below; null is left out.
        let mut new: Vec<_> = unsafe {
            let make = |name: &CString| {
                rd::rd_kafka_NewTopic_new(
                    name.as_ptr(),
                    count,
                    -1,
                    reason.as_mut_ptr(),
                    reason.len(),
                )
            };
            c_names(names).iter().map(make).filter(|topic| !topic.is_null()).collect()
        };
        // SAFETY: the new topics are alive until they are destroyed.
        let event = unsafe {
            let event = self.ask(Question::RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout, |to| {
                let (topics, n_topics) = (new.as_mut_ptr(), new.len());
                rd::rd_kafka_CreateTopics(self.as_ptr(), topics, n_topics, to.options, to.queue);
            });
            rd::rd_kafka_NewTopic_destroy_array(new.as_mut_ptr(), new.len());
            event?
        };
        let mut n_topics = 0;
        // SAFETY: the event is an answer to this question and outlives what is read of it.
        unsafe {
            let result = rd::rd_kafka_event_CreateTopics_result(event.0.as_ptr());
            let topics = rd::rd_kafka_CreateTopics_result_topics(result, &raw mut n_topics);
            Ok((0..n_topics).map(|at| created(*topics.add(at), n_partitions)).collect())
        }
    }

    /// The names of all topics of the cluster, each with the number of its partitions.
    pub(crate) fn all_topics(&self, timeout: Duration) -> Vec<(String, usize)> {
        let mut found = std::ptr::null();
        // SAFETY: the client is alive; what is found is ours until it is destroyed, and is not used after that.
        unsafe {
            let asked = rd::rd_kafka_metadata(
                self.as_ptr(),
                1,
                null_mut(),
                &raw mut found,
                timeout_ms(timeout),
            );
            if asked != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Vec::new();
            }
            let n_topics = usize::try_from((*found).topic_cnt).unwrap_or_default();
            let topic = |at| {
                let topic = &*(*found).topics.add(at);
                (text(topic.topic), usize::try_from(topic.partition_cnt).unwrap_or_default())
            };
            let topics = (0..n_topics).map(topic).collect();
            rd::rd_kafka_metadata_destroy(found);
            topics
        }
    }

    /// Puts a question and waits for its answer.
    ///
    /// # Safety
    /// `put` puts a question of this kind to the queue that it is given.
    unsafe fn ask(
        &self,
        question: Question,
        timeout: Duration,
        put: impl FnOnce(&Addressee),
    ) -> Result<Event, RDKafkaErrorCode> {
        let mut reason = [0 as c_char; 512];
        // SAFETY: the client is alive; queue and options are ours, and the latter are copied with the question.
        let event = unsafe {
            let queue =
                Queue::take(rd::rd_kafka_queue_new(self.as_ptr())).ok_or(RDKafkaErrorCode::Fail)?;
            let options = rd::rd_kafka_AdminOptions_new(self.as_ptr(), question);
            rd::rd_kafka_AdminOptions_set_request_timeout(
                options,
                timeout_ms(timeout),
                reason.as_mut_ptr(),
                reason.len(),
            );
            put(&Addressee { options, queue: queue.as_ptr() });
            rd::rd_kafka_AdminOptions_destroy(options);
            rd::rd_kafka_queue_poll(queue.as_ptr(), timeout_ms(timeout + GRACE))
        };
        let event = Event(NonNull::new(event).ok_or(RDKafkaErrorCode::OperationTimedOut)?);
        // SAFETY: the event is alive.
        let error = unsafe { rd::rd_kafka_event_error(event.0.as_ptr()) };
        if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            Ok(event)
        } else {
            Err(error.into())
        }
    }
}

/// Where a question goes.
struct Addressee {
    options: *const rd::rd_kafka_AdminOptions_t,
    queue: *mut rd::rd_kafka_queue_t,
}

/// An answer.
struct Event(NonNull<rd::rd_kafka_event_t>);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event is ours and is destroyed once.
        unsafe { rd::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

/// Names as C wants them. One with a zero byte, which no topic has, is left out.
fn c_names(names: &[&str]) -> Vec<CString> {
    names.iter().filter_map(|name| CString::new(*name).ok()).collect()
}

/// # Safety
/// `topic` is a description that is alive.
unsafe fn described(topic: *const rd::rd_kafka_TopicDescription_t) -> Answered {
    let mut n_partitions = 0;
    // SAFETY: alive by the contract above; the number may be written.
    unsafe {
        let name = text(rd::rd_kafka_TopicDescription_name(topic));
        let error = rd::rd_kafka_error_code(rd::rd_kafka_TopicDescription_error(topic));
        if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return (name, Err(error.into()));
        }
        rd::rd_kafka_TopicDescription_partitions(topic, &raw mut n_partitions);
        (name, Ok(u32::try_from(n_partitions).unwrap_or(u32::MAX)))
    }
}

/// # Safety
/// `topic` is a result that is alive.
unsafe fn created(topic: *const rd::rd_kafka_topic_result_t, n_partitions: u32) -> Answered {
    // SAFETY: alive by the contract above.
    let (name, error) = unsafe {
        (text(rd::rd_kafka_topic_result_name(topic)), rd::rd_kafka_topic_result_error(topic))
    };
    let outcome = match error {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(n_partitions),
        error => Err(error.into()),
    };
    (name, outcome)
}
