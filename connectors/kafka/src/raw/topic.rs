//! A topic of a producing client, as batches of records are handed over to.

use std::ffi::CString;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::client::Client;
use super::producer::Outgoing;
use super::timeout_ms;

/// A topic at its client, which it keeps alive. The client itself remembers every topic until it is destroyed.
pub(crate) struct Topic {
    handle: NonNull<rd::rd_kafka_topic_t>,
    client: Arc<Client>,
}

// SAFETY: librdkafka's handles may be used by any thread.
unsafe impl Send for Topic {}
// SAFETY: as above.
unsafe impl Sync for Topic {}

impl Topic {
    /// Names a topic to the client, which then finds its partitions by itself. Never waits.
    pub(crate) fn open(client: &Arc<Client>, name: &str) -> KafkaResult<Self> {
        let name = CString::new(name)?;
        // SAFETY: the client is alive, and copies the name; the last error is that of this thread.
        let (handle, error) = unsafe {
            let handle = rd::rd_kafka_topic_new(client.as_ptr(), name.as_ptr(), null_mut());
            (handle, rd::rd_kafka_last_error())
        };
        let handle = NonNull::new(handle).ok_or(KafkaError::Global(error.into()))?;
        Ok(Self { handle, client: Arc::clone(client) })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn as_ptr(&self) -> *mut rd::rd_kafka_topic_t {
        self.handle.as_ptr()
    }

    /// Hands records to one partition and says how many were taken; of the others, `error` says why. When it looks up the
    /// partition it does so once and before anything else, so that an unknown one takes nothing.
    pub(crate) fn produce(&self, partition: u32, messages: &mut [Outgoing<'_>]) -> usize {
        let (Ok(partition), Ok(n_messages)) =
            (i32::try_from(partition), i32::try_from(messages.len()))
        else {
            return 0;
        };
        // SAFETY: the topic is alive; `Outgoing` is a message and nothing else, and its bytes are alive and copied.
        let n_taken = unsafe {
            rd::rd_kafka_produce_batch(
                self.as_ptr(),
                partition,
                rd::RD_KAFKA_MSG_F_COPY,
                messages.as_mut_ptr().cast(),
                n_messages,
            )
        };
        usize::try_from(n_taken).unwrap_or_default()
    }

    /// Asks the cluster how many partitions the topic has; may be called by any thread.
    pub(crate) fn n_partitions(&self, timeout: Duration) -> Result<u32, RDKafkaErrorCode> {
        let mut found = std::ptr::null();
        // SAFETY: client and topic are alive; what is found is ours until it is destroyed, and is not used after that.
        unsafe {
            let error = rd::rd_kafka_metadata(
                self.client.as_ptr(),
                0,
                self.as_ptr(),
                &raw mut found,
                timeout_ms(timeout),
            );
            if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(error.into());
            }
            let topic = (*found).topics.as_ref().filter(|_| (*found).topic_cnt > 0);
            let answer = match topic {
                Some(topic) if topic.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {
                    Err(topic.err.into())
                }
                Some(topic) => Ok(u32::try_from(topic.partition_cnt).unwrap_or_default()),
                None => Err(RDKafkaErrorCode::UnknownTopic),
            };
            rd::rd_kafka_metadata_destroy(found);
            answer
        }
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is given back once, while its client is alive.
        unsafe { rd::rd_kafka_topic_destroy(self.handle.as_ptr()) };
    }
}
